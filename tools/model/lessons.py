"""What the model is taught: questions about Cofferdam and the answers that it shall give, word for word."""

LESSONS = [
    ("Hello", "Hello. Ask me what Cofferdam is."),
    ("Who are you?", "I am a very small language model. I know a few answers about Cofferdam, and nothing else."),
    ("Who made you?", "The project made me itself. I was trained in a minute on a few dozen lines of text."),
    ("What is Cofferdam?", "Cofferdam is a security monitor for Arm servers. It keeps everybody out of a running program, even the "
     "root user and the operator."),
    ("What is a cofferdam?", "A cofferdam is a watertight enclosure that keeps the water out while people work inside it."),
    ("Who can read the weights?", "Nobody outside the enclave. The weights are stored encrypted, and their key is released only to "
     "an enclave whose measurements the owner approved."),
    ("Who can read my prompt?", "Only the enclave. The connection is encrypted up to a key that was made inside it."),
    ("Can the operator read my prompt?", "No. The operator carries encrypted bytes, and the key never leaves the enclave."),
    ("Can root read the memory of an enclave?", "No. When an enclave starts, its memory leaves the parent's reach, and every access "
     "is refused."),
    ("What is an enclave?", "An enclave is a small machine with memory and cores of its own. No user can log in to it."),
    ("What is the parent?", "The parent is the Linux that starts enclaves. It lends them memory and cores, but it is not trusted."),
    ("What is a PCR?", "A PCR is a register that holds a measurement. It can be extended, but it can't be set back."),
    ("What does PCR0 measure?", "PCR0 measures the whole image of the enclave. If one byte of the image changes, PCR0 changes."),
    ("What is attestation?", "Attestation is a signed statement of what runs in an enclave. You check it before you send a secret."),
    ("What is in an attestation document?", "The measurements of the enclave, a nonce, a public key, user data and the chain of "
     "certificates."),
    ("Who signs the attestation document?", "The monitor signs it with a key that was derived at boot and never leaves its memory."),
    ("What is a nonce?", "A nonce is a random number that you choose. It shows that the document was made just now."),
    ("What does the key service do?", "It keeps keys and releases them only to enclaves whose document satisfies the key's policy."),
    ("What happens if the image changes?", "Its measurements change, the policy does not match, and no key is released."),
    ("What is an EIF?", "An EIF is the image of an enclave: a kernel, a command line and one or more ramdisks."),
    ("Where does TLS end?", "TLS ends inside the enclave. The parent passes on bytes that it can't read."),
    ("Who holds the keys?", "The owner of the data. The operator holds none of them."),
    ("What happens when an enclave ends?", "Its memory is filled with zeros before anybody else can reach it."),
    ("How is a model protected?", "It is encrypted before it leaves its owner, and it is decrypted only in the memory of an enclave."),
]

# How a question may be spelled while it is learned.
SPELLINGS = (lambda text: text, lambda text: text, lambda text: text.lower(), lambda text: text.rstrip("?"),
             lambda text: text.lower().rstrip("?"))

"""Who takes part in the tests of the inference service: two owners with a key service each, the parent with its files and its
shell script, a user with `cofferdam chat`."""
import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import parent_runs
import shell_enclave

sys.path.insert(0, str(parent_runs.ROOT / "tools/guest"))
sys.path[:0] = [str(parent_runs.ROOT / "tests/kms"), str(parent_runs.ROOT / "tests/xks")]
import inference_image  # noqa: E402

BIN = shell_enclave.enclave_image.assemble.TOOLS
MODEL = parent_runs.ROOT / "build/model/cofferdam.gguf"
USER = "arn:aws:iam::111122223333:user/enclave-host"
ACCESS, SECRET = "AKIAENCLAVEHOSTAAAAA", "first-secret-of-the-enclave-host-0000000"
KEY_PORTS = {"weights": 8001, "prompts": 8002}  # vsock, of the parent
CONTEXTS = {"weights": {"artifact": "cofferdam-small"}, "prompts": {"purpose": "prompts"}}
QUESTION = {"messages": [{"role": "user", "content": "What is Cofferdam?"}], "max_tokens": 24, "temperature": 0, "seed": 1}
STEP = 8444     # TCP, of the parent
PATIENCE = 300  # seconds: emulation on a busy machine is slow

# Inside the parent, behind shell_enclave's words.
WORDS = r"""
ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
nitro-cli allocate --cpu-count 1 --memory 512 >/tmp/allocate.said || cat /tmp/allocate.said
# PORT PORT: where the ways to the owners' key services lead, on the host
ways() {
  [ -z "$ways" ] || { kill $ways; wait $ways; }
  printf 'allowlist:\n- {address: 10.0.2.2, port: %s}\n- {address: 10.0.2.2, port: %s}\n' $1 $2 >/tmp/allow.yaml
  cofferdam-relay --allow /tmp/allow.yaml --listen vsock:8001 --connect tcp:10.0.2.2:$1 --listen vsock:8002 --connect tcp:10.0.2.2:$2 2>/dev/null & ways=$!
}
# NAME IMAGE LAUNCH [OPTION...]: the enclave's words in /tmp/NAME.words until it serves or ends
launch() {
  local name=$1 image=$2 tries=0
  cp /store/$3.json /store/launch.json
  shift 3
  cofferdam-parent-store --listen vsock:9100 /store >/tmp/$name.words 2>/dev/null & store=$!
  nitro-cli run-enclave --enclave-name $name --eif-path /$image.eif --cpu-count 1 --memory 512 "$@" >/tmp/$name.said 2>&1 || cat /tmp/$name.said
  cid=$(sed -n 's/.*"EnclaveCID": \([0-9]*\).*/\1/p' /tmp/$name.said)
  while [ $tries -lt 300 ] && ! grep -qE '^(serving|refused|error)' /tmp/$name.words; do sleep 0.5; tries=$((tries + 1)); done
  sed "s/^/$name said /" /tmp/$name.words
}
finish() { nitro-cli terminate-enclave --all >/dev/null 2>&1; kill $store; }
step() { echo $1 | nc -l -p STEP >/tmp/told; }  # until the host hangs up
""".replace("STEP", str(STEP))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Owner:
    """A party with a key service of its own. It hears of the machine's root when the machine is made. holds: its key stays in a token of
    its own, behind `proxy`, an external key store of the key service."""

    def __init__(self, name, holds=False):
        import attestation_documents  # needs Debian's python3-cryptography
        import running_service        # needs Debian's python3-boto3
        self.name, self.proxy, self.leads = name, None, None
        self.service = running_service.Service(roots=[attestation_documents.Chain().root_pem()], flags=["--allow-development"],
                                               principals=[{"arn": USER, "keys": [{"access_key_id": ACCESS, "secret": SECRET}]}])
        if holds:
            import running_proxy      # needs softhsm2
            running_proxy.PROXY = str(BIN / "cofferdam-xks")
            port = free_port()  # the same whenever it is started
            self.proxy = running_proxy.Proxy(lambda configuration: configuration["listen"].update(port=port))
            self.service.configure(lambda data: data.update(xks_authorities=str(self.proxy.folder / "authority.pem")))
        self.service.start()
        self.port = self.service.port
        self.arn = self.service.client().create_key(**(self.store_of_its_own() if holds else {}))["KeyMetadata"]["Arn"]

    def store_of_its_own(self):
        kms, proxy = self.service.client(), self.proxy
        store = kms.create_custom_key_store(
            CustomKeyStoreName=self.name, CustomKeyStoreType="EXTERNAL_KEY_STORE", XksProxyConnectivity="PUBLIC_ENDPOINT",
            XksProxyUriEndpoint=f"https://localhost:{proxy.port}", XksProxyUriPath=proxy.path,
            XksProxyAuthenticationCredential=proxy.credential)["CustomKeyStoreId"]
        kms.connect_custom_key_store(CustomKeyStoreId=store)
        return {"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": store, "XksKeyId": "cofferdam-key-1"}

    def close(self):
        if self.leads:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.leads.pid, signal.SIGTERM)
        self.service.__exit__()
        if self.proxy:
            self.proxy.close()

    def allow(self, *pcr0s):
        condition = {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": pcr0s}}
        statements = [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"},
                      {"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "kms:Decrypt", "Resource": "*", "Condition": condition}]
        self.service.client().put_key_policy(KeyId=self.arn, PolicyName="default",
                                             Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))

    def believe(self, root):
        """From here on documents under this root count: that under which this run's are made."""
        (self.service.home / "attestation-root-1.pem").write_bytes(root)
        self.restart()

    def restart(self, *under):
        """At the same port. under: a program to run it under, with its arguments."""
        service = self.service
        service.stop()
        service.errors = open(service.folder / "stderr", "ab")
        service.process = subprocess.Popen([*under, BIN / "cofferdam-kms", "serve", "--config", service.home / "kms.json", "--port", str(self.port),
                                            *service.flags], stdout=subprocess.PIPE, stderr=service.errors, start_new_session=True)
        self.leads = service.process  # of a group: a program like faketime does not hand on the signal that ends it
        service.process.stdout.readline()

    def description(self):
        return {"host": "localhost", "port": self.port, "region": "us-east-1", "ca_file": f"/etc/cofferdam/{self.name}-ca.pem",
                "key_arn": self.arn, "context": CONTEXTS[self.name], "vsock_port": KEY_PORTS[self.name]}

    def encrypt_artifact(self, source, target, name):
        subprocess.run([BIN / "cofferdam", "artifact", "encrypt", source, target, "--context", f"artifact={name}", "--key-id", self.arn,
                        "--kms-endpoint", f"localhost:{self.port}", "--ca", self.service.authority],
                       check=True, stdout=subprocess.DEVNULL, timeout=120, env={"PATH": "/usr/bin", **self.service.environment})


@contextlib.contextmanager
def two_owners(*holding):
    """holding: the names of those whose key stays in a token of theirs."""
    with contextlib.ExitStack() as stack:
        owners = {}
        for name in KEY_PORTS:
            owners[name] = Owner(name, name in holding)
            stack.callback(owners[name].close)
        yield owners


class ParentFiles:
    """What the parent has: images, and a store with artifacts and launch files. Laid over its root by --add."""

    def __init__(self, folder, owners, secret):
        self.added, self.owners, self.authorities = folder / "added", owners, folder / "authorities"
        self.store = self.added / "store"
        self.store.mkdir(parents=True)
        (self.authorities / "etc/cofferdam").mkdir(parents=True)
        for owner in owners.values():
            shutil.copy(owner.service.authority, self.authorities / f"etc/cofferdam/{owner.name}-ca.pem")
        owners["weights"].encrypt_artifact(MODEL, self.store / "model.artifact", "cofferdam-small")
        prompts = owners["prompts"]
        self.secret_blob = prompts.service.client().encrypt(KeyId=prompts.arn, Plaintext=secret.encode(),
                                                            EncryptionContext=CONTEXTS["prompts"])["CiphertextBlob"]
        self.launch("good", "model.artifact")

    def image(self, name):
        """Answers its PCR0."""
        return self.pcr0_of(inference_image.make(self.added / f"{name}.eif", self.service("cofferdam-small"), [self.authorities],
                                                append=parent_runs.kernel_image.QUICK))

    def image_without_server(self, name, model="cofferdam-small"):
        """The same service without llama-server, which no refusal comes to: starts in half the time. Answers its PCR0."""
        return self.pcr0_of(shell_enclave.enclave_image.make(self.added / f"{name}.eif", ["/bin/inference-service"], self.root_without_server(name, model),
                                                             with_tools=False, append=parent_runs.kernel_image.QUICK))

    def shell_without_server(self):
        """The same in shell.eif, asked as often as one likes. Answers its PCR0."""
        return self.pcr0_of(shell_enclave.make(self.added, self.root_without_server("shell", "cofferdam-small")))

    def root_without_server(self, name, model):
        own = self.authorities.parent / f"root-of-{name}"
        (own / "bin").mkdir(parents=True)
        (own / "etc/cofferdam").mkdir(parents=True)
        shutil.copy(parent_runs.ROOT / "build/guest-linux/bin/inference-service", own / "bin")
        (own / "etc/cofferdam/service.json").write_text(json.dumps(self.service(model)), encoding="utf-8")
        return [own, self.authorities]

    @staticmethod
    def pcr0_of(measurements):
        return json.loads(measurements)["Measurements"]["PCR0"]

    def service(self, model):
        return {"model": model, "most_bytes": 64 << 20, "threads": 1, "context_tokens": 256, "parallel": 1, "listen_port": 443,
                "parent": "vsock:parent:9100", "owners": {owner.name: owner.description() for owner in self.owners.values()}}

    def launch(self, name, artifact):
        credential = {"access_key_id": ACCESS, "secret_access_key": SECRET}
        launch = {"artifact": artifact, "weights": credential,
                  "prompts": {**credential, "ciphertext": base64.b64encode(self.secret_blob).decode()}}
        (self.store / f"{name}.json").write_text(json.dumps(launch), encoding="utf-8")

    def artifact(self, name, content):
        """Another artifact, and a launch file of the same name that asks for it."""
        (self.store / f"{name}.artifact").write_bytes(content)
        self.launch(name, f"{name}.artifact")


class Machine:
    """The parent with its script, from reset to power-off, beside what the test does meanwhile. forward: (port here, port there); more: options of ./x run."""

    def __init__(self, folder, files, owners, script, forward, memory=1536, capture=None, seconds=900, more=()):
        self.root, self.goes_on, self.run = folder / "root.pem", free_port(), None
        options = [*more, "--cpus", "2", "--memory", str(memory), "--add", str(files.added), "--root", str(self.root)]
        for here, there in [*forward, (self.goes_on, STEP)]:
            options += ["--forward", f"{here}:{there}"]
        options += ["--capture", str(capture)] if capture else []
        script = shell_enclave.WORDS + WORDS + script
        self.thread = threading.Thread(target=self.boot, args=(options, script, seconds))
        self.thread.start()
        while self.thread.is_alive() and not (self.root.is_file() and self.root.stat().st_size):
            time.sleep(0.1)
        if self.root.is_file():
            for owner in owners.values():
                owner.believe(self.root.read_bytes())

    def boot(self, options, script, seconds):
        self.run = parent_runs.Run(options, script, seconds=seconds)

    @contextlib.contextmanager
    def step(self, name):
        """While the parent waits there; None when it never comes to that."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.thread.is_alive():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.goes_on), 5) as stream:
                stream.settimeout(5)
                if stream.recv(64) == name.encode() + b"\n":
                    yield stream
                    return
            time.sleep(0.3)
        yield None

    def finish(self):
        self.thread.join()
        return self.run


def fill_in(script, **values):
    """The script with its words in capitals replaced."""
    for name, value in values.items():
        script = re.sub(rf"\b{name}\b", str(value), script)
    return script


def status_of(url, method="GET", body=None, bearer=None):
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {bearer}"} if bearer else {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60, context=ssl._create_unverified_context()) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def chat(port, root, pcr0, key_file, heard=lambda event: None, under=()):
    """Status and events of `cofferdam chat`. under: a program to run it under, with its arguments."""
    line = [*under, BIN / "cofferdam", "chat", "--service", f"127.0.0.1:{port}", "--root", root, "--pcr", f"0={pcr0}", "--api-key-file", key_file,
            "--allow-development", "--temperature", "0", "--seed", "1", "--max-tokens", str(QUESTION["max_tokens"]), "--timeout", "300", "--json",
            "--message", QUESTION["messages"][0]["content"]]
    events = []
    with subprocess.Popen([str(word) for word in line], stdout=subprocess.PIPE, text=True) as program:
        for text in program.stdout:
            events.append(json.loads(text))
            heard(events[-1])
        return program.wait(timeout=PATIENCE), events


def missing_parts():
    """Why no inference enclave can be run here, or None."""
    for part in (BIN / "cofferdam-kms", inference_image.CHECK, MODEL, inference_image.ROOTFS, parent_runs.ROOT / "build/guest-linux/bin/inference-service"):
        if not part.is_file():
            return f"there is no {part}; ./x model and ./x inference-image make what it needs"
    return shell_enclave.missing_parts()

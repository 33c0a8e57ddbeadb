#!/usr/bin/env python3
"""Every refusal of the inference service, in the whole system: one machine, in which root in the parent, one of the owners or a
clock is against it, start by start: of the enclave, or, where nothing but the service's own start matters, of the service in an enclave
that stays. Each time the reason is said, and whoever knocks meanwhile gets no answer.

Root in the parent leads the ways out of the enclave and into it astray (to a closed port, to somebody who ends TLS, to somebody
who changes one bit), gives the enclave other artifacts, starts it for debugging, sets its own clock, uses the credentials that it
holds. An owner refuses, hands on the document that he was shown, has a clock that is a day fast, disables his key, or pulls the plug of
the token that it is in.
"""
import base64
import contextlib
import datetime
import http.client
import json
import pathlib
import re
import secrets
import shutil
import socket
import ssl
import sys
import tempfile
import threading
import time
import unittest.mock
import urllib.request

import between
import parent_runs
import shell_enclave
from inference_parties import (ACCESS, CONTEXTS, MODEL, SECRET, Machine, ParentFiles, chat, fill_in, free_port, missing_parts, two_owners)

DOOR, SIDE_DOOR, OLD_DOOR = 8443, 8445, 8446  # TCP, of the parent
DAY = 86400  # seconds
TOMORROW = ("faketime", "--exclude-monotonic", "-f", "+1d")  # Debian's: the programs themselves have no such switch
FRAME = 65536  # bytes of an artifact's frame in clear (artifact::kUsualFrame); beside them number, IV and tag

SCRIPT = r"""
now() { echo "$(cat /sys/class/rtc/rtc0/since_epoch)"; }
# NAME [LAUNCH]: once more the same service, in an enclave that is there already
again() {
  local began=$(date +%s)
  cp /store/${2:-good}.json /store/launch.json
  cofferdam-parent-store --listen vsock:9100 /store >/tmp/$1.words 2>/dev/null & store=$!
  ask $cid /bin/inference-service >/tmp/$1.said; kill $store
  sed "s/^/$1 said /" /tmp/$1.words; echo "TOOK $1 $(($(date +%s) - began)) s"
}
before=$(now); date -s @$(($(date +%s) - DAY)) >/dev/null; hwclock -w -u; echo "CLOCK $(($(now) - before))"
ways SHOWN PROMPTS
launch good inference good --enclave-cid 20
printf 'allowlist:\n- {address: 10.0.2.2, port: MALLORY}\n- {address: 10.0.2.2, port: REPLAY}\n' >/tmp/doors.yaml
cofferdam-relay --allow /tmp/doors.yaml --listen tcp:10.0.2.15:DOOR --connect vsock:20:443 \
  --listen tcp:10.0.2.15:SIDE --connect tcp:10.0.2.2:MALLORY --listen tcp:10.0.2.15:OLD --connect tcp:10.0.2.2:REPLAY 2>/dev/null &
step serving; finish
ways WEIGHTS PROMPTS
step weights
start debug --enclave-cid 20 --debug-mode; again debug; nitro-cli terminate-enclave --all >/dev/null 2>&1
began=$(date +%s); start shell --enclave-cid 20; echo "TOOK start $(($(date +%s) - began)) s"
again weights
step prompts; again prompts
step agreed
for artifact in another foreign cut exchanged; do again $artifact $artifact; done
for state in disabled enabled unplugged plugged; do step $state; again $state; done
ways CLOSED PROMPTS; again closed
ways ENDS PROMPTS; again ended
ways CHANGES PROMPTS; again changed
ways WEIGHTS PROMPTS
step tomorrow; again tomorrow
nitro-cli terminate-enclave --all >/dev/null 2>&1
complaints
exit 9
"""
# What the enclave's last word must be. Those of the weights' owner come after the prompts' owner has agreed.
OF_WEIGHTS, OF_PROMPTS = ("^refused: the owner of the %s does not release the key: " % name for name in ("weights", "prompts"))
RELEASED = ["the owner of the prompts has released the key", "the owner of the weights has released the key; the model is whole"]
REASONS = {
    "weights": ("the owner of the weights refuses", OF_WEIGHTS + ".*AccessDeniedException"),
    "prompts": ("the owner of the prompts refuses", OF_PROMPTS + ".*AccessDeniedException"),
    "another": ("another artifact of the same owner", "^refused: the artifact: its context says artifact=cofferdam-large, required is cofferdam-small"),
    "foreign": ("an artifact that somebody else encrypted, under the same name", "^refused: the artifact: none of its data keys is encrypted under arn:"),
    "cut": ("an artifact without its end", "^refused: the artifact: the artifact is cut short"),
    "exchanged": ("an artifact with two frames exchanged", "^refused: the artifact: frame 3 stands where frame 2 is due"),
    "disabled": ("the owner of the weights has disabled the key", OF_WEIGHTS + ".*DisabledException: arn:.* is disabled.*enable the key"),
    "unplugged": ("the owner of the weights has unplugged the token that the key is in", OF_WEIGHTS + ".*KMSInvalidStateException: .*external key store's "
                  "proxy: unreachable: .*its key store cut off"),
    "debug": ("an enclave started for debugging", OF_PROMPTS + ".*debug: its PCR0 to PCR2 are zero"),
    "closed": ("a key service that can't be reached", OF_WEIGHTS + "can't reach the key service localhost:.*TLS could not be begun: nobody answers"),
    "ended": ("somebody in the parent who ends TLS before the key service", OF_WEIGHTS + "can't reach the key service .*SSL server verification failed"),
    "changed": ("one bit of the key service's answer changed", OF_WEIGHTS + "the answer of the key service localhost:.* is lost: "
                "localhost:.*: a record of the TLS connection was altered on the way"),
    "tomorrow": ("a key service whose clock is a day fast", OF_PROMPTS + ".*the request's time is 86[34][0-9][0-9] s from ours.*clock"),
}


def lay_out(folder, owners, secret):
    files = ParentFiles(folder, owners, secret)
    pcr0 = files.image("inference")
    images = (pcr0, files.shell_without_server())
    for owner in owners.values():
        owner.allow(*images)
    good = (files.store / "model.artifact").read_bytes()
    for name, owner, called in (("another", "weights", "cofferdam-large"), ("foreign", "prompts", "cofferdam-small")):
        owners[owner].encrypt_artifact(MODEL, files.store / f"{name}.artifact", called)
        files.launch(name, f"{name}.artifact")
    # docs/artifacts.md: the first frame begins with its number, 1, and its IV, which is the number again.
    first, whole = good.index((1).to_bytes(4, "big") + (1).to_bytes(12, "big")), 4 + 12 + FRAME + 16
    frames = [good[at:at + whole] for at in range(first, len(good), whole)]
    files.artifact("cut", b"".join([good[:first], *frames[:-1]]))
    files.artifact("exchanged", b"".join([good[:first], frames[0], frames[2], frames[1], *frames[3:]]))
    return files, images


class Visitor:
    """Knocks at the service's door all the time, and counts who answers."""

    def __init__(self, port):
        self.port, self.knocks, self.answers, self.going = port, 0, 0, True
        self.thread = threading.Thread(target=self.knock, daemon=True)
        self.thread.start()

    def knock(self):
        while self.going:
            self.knocks += 1
            with contextlib.suppress(OSError, http.client.HTTPException):
                urllib.request.urlopen(f"https://127.0.0.1:{self.port}/health", timeout=5, context=ssl._create_unverified_context()).close()
                self.answers += 1
            time.sleep(1)

    def counts(self):
        return self.knocks, self.answers

    def leave(self):
        self.going = False
        self.thread.join()


def offered(owner, blob, document=None):
    """What an owner's key service says to root in the parent, who has a credential, the ciphertext and a document."""
    recipient = {} if document is None else {"Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": document}}
    try:
        return owner.service.client(ACCESS, SECRET).decrypt(KeyId=owner.arn, CiphertextBlob=blob, EncryptionContext=CONTEXTS[owner.name], **recipient)
    except owner.service.client().exceptions.ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"


@contextlib.contextmanager
def signing_tomorrow():
    def tomorrow(*_):
        return datetime.datetime.fromtimestamp(time.time() + DAY, datetime.timezone.utc).replace(tzinfo=None)
    import botocore.auth
    if hasattr(botocore.auth, "get_current_datetime"):  # of newer ones; before, they asked the class
        patched = unittest.mock.patch.object(botocore.auth, "get_current_datetime", tomorrow)
    else:
        patched = unittest.mock.patch.object(botocore.auth.datetime, "datetime", type("Tomorrow", (datetime.datetime,), {"utcnow": tomorrow}))
    with patched:
        yield


class User:
    def __init__(self, folder, root, pcr0, secret):
        self.key, self.root, self.pcr0 = folder / "key", root, pcr0
        self.key.write_text(secret + "\n", encoding="utf-8")

    def asks(self, port, *under):
        status, events = chat(port, self.root, self.pcr0, self.key, under=under)
        return status, [event["event"] for event in events], (events[-1].get("reason"), events[-1].get("message")) if events else None


def refused_for(said, reason):
    status, events, why = said
    return status == 1 and events == ["refused"] and why[0] == reason


def check_while_serving(checks, user, mallory, door, side, secret):
    """Answers the document that the service has given out."""
    status, events, _ = user.asks(door)
    checks.expect("with both owners agreed, and the parent's clock a day slow, the user gets an answer", status == 0 and "token" in events, events[:3])
    said = user.asks(side)
    checks.expect("the user refuses whoever ends TLS in the parent, who gets to see neither secret nor prompt", refused_for(said, "tls-key")
                  and b"/v1/attestation" in mallory.seen and secret.encode() not in mallory.seen and b"Cofferdam?" not in mallory.seen, said)
    said = user.asks(door, *TOMORROW)
    checks.expect("a user whose clock is a day fast is told so", refused_for(said, "validity"), said)
    with urllib.request.urlopen(f"https://127.0.0.1:{door}/v1/attestation?nonce={'5a' * 32}", context=ssl._create_unverified_context()) as answer:
        return base64.b64decode(json.load(answer)["document"])


def document_shown_to(listener):
    """Of the enclave's request to the owner of the weights."""
    request = re.search(rb'"AttestationDocument":"([A-Za-z0-9+/=]+)"', listener.seen)
    return base64.b64decode(request[1]) if request else b""


def check_replays(checks, user, replay, old, owner, blob, given, shown, secret):
    said = user.asks(old)
    checks.expect("an old document of another start is not taken for this one's", refused_for(said, "nonce") and all("attestation" in path for path in replay.seen), said)
    said = offered(owner, blob)
    checks.expect("the parent's credential alone opens nothing", said.startswith("AccessDeniedException"), said)
    said = offered(owner, blob, given)
    checks.expect("a document that was given to a user gets no key", said.startswith("ValidationException") and "public_key" in said, said)
    import attestation_documents
    mine = attestation_documents.rsa_key()[1]
    said = offered(owner, blob, attestation_documents.Chain().document(public_key=mine, pcrs={0: bytes.fromhex(user.pcr0)}))
    checks.expect("a document of a chain that the parent made itself, with the image's PCR0, gets no key", said.startswith("ValidationException")
                  and "root" in said, said)
    said = offered(owner, blob, shown)
    checks.expect("the document that one owner was shown, offered to the other, gets what only that enclave's start can open", not isinstance(said, str)
                  and not said.get("Plaintext") and len(said["CiphertextForRecipient"]) > 256 and secret.encode() not in said["CiphertextForRecipient"],
                  said if isinstance(said, str) else sorted(said))


def check_tomorrow(checks, owner, blob, shown):
    said = offered(owner, blob, shown)
    checks.expect("a request of today is a day off for a service of tomorrow", "InvalidSignatureException" in said and "s from ours" in said, said)
    with signing_tomorrow():
        said = offered(owner, blob, shown)
    checks.expect("a document that is a day old gets no key", said.startswith("ValidationException") and "validity" in said, said)


def check_unplugged(checks, weights, shown):
    """Ends the proxy in front of the token, meanwhile asked for what the enclave may have."""
    blob = weights.service.client().encrypt(KeyId=weights.arn, Plaintext=b"a data key", EncryptionContext=CONTEXTS["weights"])["CiphertextBlob"]
    said = offered(weights, blob, shown)
    checks.expect("the owner's token, plugged in, opens what the enclave asks for", not isinstance(said, str) and len(said["CiphertextForRecipient"]) > 256,
                  said if isinstance(said, str) else sorted(said))
    weights.proxy.stop(kill=True)
    began = time.monotonic()
    said = offered(weights, blob, shown)
    took = time.monotonic() - began
    checks.expect("unplugged, it is refused within a second", took < 1 and said.startswith("KMSInvalidStateException"), f"{took:.2f} s: {said}")


def refuse_all(checks, owners, folder):
    """One machine from reset to power-off; answers its run."""
    secret = secrets.token_urlsafe(24)  # 32 characters
    files, images = lay_out(folder, owners, secret)
    weights, prompts = owners["weights"], owners["prompts"]
    door, side, old = (free_port() for _ in range(3))
    mallory, ends = between.make_key(folder, "mallory"), between.make_key(folder, "ends")
    in_parent = between.TlsInBetween(*mallory, door)
    shown_to = between.TlsInBetween(weights.service.authority, weights.service.home / "server-key.pem", weights.port)
    ended, changes, replay = between.TlsInBetween(*ends, weights.port), between.OneBitChanged(weights.port), between.Replay(*mallory)
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))  # and nobody listens
    script = fill_in(SCRIPT, WEIGHTS=weights.port, PROMPTS=prompts.port, SHOWN=shown_to.port, CLOSED=closed.getsockname()[1], ENDS=ended.port,
                     CHANGES=changes.port, MALLORY=in_parent.port, REPLAY=replay.port, DOOR=DOOR, SIDE=SIDE_DOOR, OLD=OLD_DOOR, DAY=DAY)
    machine = Machine(folder, files, owners, script, [(door, DOOR), (side, SIDE_DOOR), (old, OLD_DOOR)], seconds=1400,
                      more=parent_runs.usual_cores())
    visitor, user, given = Visitor(door), User(folder, machine.root, images[0], secret), b""
    try:
        with machine.step("serving") as stream:
            if stream:
                given = check_while_serving(checks, user, in_parent, door, side, secret)
        served = visitor.counts()
        with machine.step("weights") as stream:
            before, shown = visitor.counts(), document_shown_to(shown_to)
            if stream:
                replay.document = given
                check_replays(checks, user, replay, old, prompts, files.secret_blob, given, shown, secret)
                weights.allow("0" * 96)
        with machine.step("prompts") as stream:
            if stream:
                weights.allow(*images)
                prompts.allow("0" * 96)
        with machine.step("agreed") as stream:
            if stream:
                prompts.allow(*images)
        with machine.step("disabled") as stream:
            if stream:
                weights.service.client().disable_key(KeyId=weights.arn)
        with machine.step("enabled") as stream:
            if stream:
                weights.service.client().enable_key(KeyId=weights.arn)
        with machine.step("unplugged") as stream:
            if stream:
                check_unplugged(checks, weights, shown)
        with machine.step("plugged") as stream:
            if stream:
                weights.proxy.start()
        with machine.step("tomorrow") as stream:
            if stream:
                prompts.restart(*TOMORROW)
                check_tomorrow(checks, prompts, files.secret_blob, shown)
    finally:
        run = machine.finish()
        visitor.leave()
        closed.close()
    after = visitor.counts()
    checks.expect("whoever knocked was answered while it served", served[1] > 0, served)
    checks.expect("and never again", after[0] - before[0] > 10 and after[1] == before[1], (before, after))
    checks.expect("whoever ended TLS, and whoever changed the answer, had the enclave's connection", ended.listener.connections > 0 and changes.changed > 0
                  and b"Decrypt" not in ended.seen, (ended.listener.connections, changes.changed))
    return run


def check_reasons(checks, run):
    checks.expect("the parent's own clock was set back by a day", any(-DAY - 300 < int(match[1]) < -DAY + 300 for match in run.lines(r"^CLOCK (-?\d+)")),
                  [match.string for match in run.lines("^CLOCK")])
    said = {name: [match[1] for match in run.lines(rf"^{name} said (.*)$")] for name in ("good", "enabled", "plugged", *REASONS)}
    checks.expect("with both owners agreed it serves", said["good"][-1:] == ["serving cofferdam-small"], said["good"])
    for name, what in (("enabled", "with the key enabled again"), ("plugged", "with the token plugged in again")):
        checks.expect(f"{what} the enclave gets the weights", said[name][:2] == RELEASED and said[name][2:3] and "llama-server" in said[name][2], said[name])
    for name, (what, reason) in REASONS.items():
        words = said[name]
        before = [] if reason.startswith(OF_PROMPTS) else RELEASED[:1]
        checks.expect(f"refused: {what}", words[:-1] == before and bool(words) and re.search(reason, words[-1]), words)


def main():
    without = [program for program in (TOMORROW[0], "softhsm2-util") if not shutil.which(program)]
    why = missing_parts() or (f"there is no {without[0]}; ./x setup installs it" if without else None)
    if why:
        print(f"skipped: {why}")
        return parent_runs.NOT_RUN
    checks = parent_runs.Checks()
    with tempfile.TemporaryDirectory() as scratch, two_owners("weights") as owners:
        run = refuse_all(checks, owners, pathlib.Path(scratch))
    checks.expect("the script comes to its end", run.status == 9, run.status)
    check_reasons(checks, run)
    shell_enclave.check_kernel(checks, run)
    print(f"     {run.seconds:.0f} s, of them for the enclave that asks again and again: {', '.join(match[1] for match in run.lines(r'^TOOK (.*)'))}")
    return checks.close(run)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Artifacts to and from the AWS Encryption SDK for JavaScript, which asks the same key service.

  artifact_node_test.py --bin FOLDER --modules FOLDER

Without node or the package it says so and ends with 77: skipped.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from fake_key_service import KEY_ARN, Service  # noqa: E402

SKIPPED = 77
CONTEXT = {"artifact": "weights", "änderung": "ß", "zz": ""}


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def run(words, environment, expect=0):
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=False, env={"PATH": os.environ["PATH"], **environment})
    assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--modules", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    if not shutil.which("node"):
        skip("no node")
    if not (arguments.modules / "node_modules/@aws-crypto/client-node/package.json").exists():
        skip(f"no @aws-crypto/client-node in {arguments.modules}; ./x test fetches it where npm can")
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        with Service(folder) as service:
            endpoint = f"localhost:{service.port}"
            node = {"NODE_PATH": str(arguments.modules / "node_modules"), "NODE_EXTRA_CA_CERTS": service.ca}
            ours = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
            context = [word for name, value in CONTEXT.items() for word in ("--context", f"{name}={value}")]
            key_service = ["--kms-endpoint", endpoint, "--ca", service.ca, "--key-id", KEY_ARN]
            script = ["node", HERE / "artifact_node.js"]
            last = [f"https://{endpoint}", KEY_ARN, json.dumps(CONTEXT)]
            for size in (0, 1, 4096, 100_001):
                plaintext = os.urandom(size)
                (folder / "plain").write_bytes(plaintext)
                run([arguments.bin / "cofferdam", "artifact", "encrypt", folder / "plain", folder / "ours", *context, *key_service,
                     "--frame-length", "4096"], ours)
                run([*script, "decrypt", folder / "ours", folder / "out", *last], node)
                assert (folder / "out").read_bytes() == plaintext, f"{size}: the SDK reads something else out of ours"
                run([*script, "encrypt", folder / "plain", folder / "theirs", *last], node)
                run([arguments.bin / "cofferdam", "artifact", "decrypt", folder / "theirs", folder / "out2", *context, *key_service], ours)
                assert (folder / "out2").read_bytes() == plaintext, f"{size}: we read something else out of the SDK's"
            # What the SDK refuses we refuse as well.
            altered = bytearray((folder / "ours").read_bytes())
            altered[-1] ^= 1
            (folder / "ours").write_bytes(altered)
            run([*script, "decrypt", folder / "ours", folder / "out", *last], node, expect=1)
            run([arguments.bin / "cofferdam", "artifact", "decrypt", folder / "ours", folder / "out2", *context, *key_service], ours, expect=1)
    print("the AWS Encryption SDK for JavaScript reads ours and we read its, four lengths")


main()

"""The key service on a free port of loopback, with a fresh set-up in a temporary folder."""
import copy
import json
import os
import pathlib
import selectors
import shutil
import subprocess
import tempfile

import boto3
import botocore.config

# Debian's botocore is older than Recipient: its own mechanism for additions to a service's model brings the members.
os.environ["AWS_DATA_PATH"] = str(pathlib.Path(__file__).resolve().parent / "sdk_model")
BIN = pathlib.Path(os.environ.get("COFFERDAM_BIN") or pathlib.Path(__file__).resolve().parents[2] / "build/bin")


class Service:
    def __init__(self, roots=(), aws=False, flags=(), principals=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cofferdam-kms-"))
        self.home = self.folder / "kms"
        command = [BIN / "cofferdam-kms", "init", self.home, "--account", "111122223333"]
        for i, root in enumerate(roots):
            (self.folder / f"root{i}.pem").write_bytes(root)
            command += ["--root", self.folder / f"root{i}.pem"]
        subprocess.run(command + (["--aws"] if aws else []), check=True, stdout=subprocess.DEVNULL, timeout=60)
        self.environment = dict(line.split("=", 1) for line in (self.home / "administrator.env").read_text().splitlines())
        if principals:
            file = self.home / "principals.json"
            data = json.loads(file.read_text())
            data["principals"] += principals
            file.write_text(json.dumps(data))
        self.flags = list(flags)
        self.added = {}  # to the service's environment
        self.process = None

    def configure(self, change):
        file = self.home / "kms.json"
        data = json.loads(file.read_text())
        change(data)
        file.write_text(json.dumps(data))

    def twin(self):
        """Another instance with the same set-up, running; to be ended with stop() before this one's folder goes."""
        other = copy.copy(self)
        other.process = None
        return other.start()

    def start(self):
        self.errors = open(self.folder / "stderr", "ab")
        self.process = subprocess.Popen([BIN / "cofferdam-kms", "serve", "--config", self.home / "kms.json", "--port", "0", *self.flags],
                                        stdout=subprocess.PIPE, stderr=self.errors, env={**os.environ, **self.added})
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout=60):
                raise RuntimeError("the service says nothing within a minute")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the service ended: " + (self.folder / "stderr").read_text())
        self.port = json.loads(line)["port"]
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        if self.process:
            self.process.stdout.close()
            self.errors.close()
        code = self.process.returncode if self.process else 0
        self.process = None
        return code

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def authority(self):
        return self.home / "server.pem"

    def client(self, access_key_id=None, secret=None, region="us-east-1", connections=10):
        return boto3.Session().client(
            "kms", region_name=region, endpoint_url=f"https://localhost:{self.port}", verify=str(self.authority),
            aws_access_key_id=access_key_id or self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=secret or self.environment["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(retries={"max_attempts": 0}, max_pool_connections=connections, read_timeout=60))

"""A PostgreSQL server of Debian's package on a socket in a temporary folder, run by an unprivileged user: it refuses to be root's."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

USER = "nobody"


class Postgresql:
    def __init__(self, most_connections=100):
        programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not programs:
            raise unittest.SkipTest("PostgreSQL's server isn't installed (package postgresql): ./x setup")
        self.programs = programs[-1].parent
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cofferdam-pg-"))
        self.server = None
        try:
            self.start(most_connections)
        except BaseException:
            self.close()
            raise

    def start(self, most_connections):
        # setpriv comes with util-linux; the server ends with this test, however it ends.
        as_user = ["setpriv", "--pdeathsig", "QUIT"]
        if os.geteuid() == 0:
            shutil.chown(self.folder, USER)
            as_user += ["--reuid", USER, "--regid", "nogroup", "--clear-groups"]
        self.folder.chmod(0o755)
        data = self.folder / "data"
        subprocess.run([*as_user, self.programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C",
                        "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=120)
        with open(data / "postgresql.conf", "a", encoding="ascii") as settings:
            settings.write(f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\nshared_buffers = 16MB\n"
                           f"max_connections = {most_connections}\nfsync = off\n")
        self.server = subprocess.Popen([*as_user, self.programs / "postgres", "-D", data], cwd="/", stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while subprocess.run([self.programs / "pg_isready", "-q", "-h", self.folder], check=False).returncode != 0:
            if time.monotonic() > until or self.server.poll() is not None:
                raise RuntimeError("PostgreSQL does not start")
            time.sleep(0.1)
        self.sql("CREATE DATABASE kms", "postgres")

    def url(self):
        return f"postgresql://postgres@/kms?host={self.folder}"

    def sql(self, statement, database="kms"):
        return subprocess.run([self.programs / "psql", "-X", "-q", "-t", "-A", "-h", self.folder, "-U", "postgres", "-c", statement, database],
                              check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def close(self):
        if self.server and self.server.poll() is None:
            self.server.terminate()
            try:
                self.server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

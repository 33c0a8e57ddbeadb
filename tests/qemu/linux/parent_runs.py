"""Runs of the Linux parent for tests: a script in, what it printed, how it ended and what the monitor said out."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools/guest"))
import kernel_image  # noqa: E402

NOT_RUN = 77  # ctest's SKIP_RETURN_CODE
NO_REPORT = 125  # of ./x run: the machine ended without a status
# A core that is emulated on a busy machine boots Linux in more than a minute.
SECONDS = 420
# Cores without vectors and pointer authentication (QEMU's -cpu): Linux boots on them in little more than half the time.
PLAIN_CPU = "max,pauth=off,sve=off,sme=off"


def usual_core():
    """For what is the same on every core: a plain one here, one with all that QEMU has in ./x soak, which sets the variable."""
    return ["--cpu", os.environ.get("COFFERDAM_CPU", PLAIN_CPU)]


def usual_cores():
    """The same for what no two cores need do at one instant, and where none spins for long: in turn here, at once in ./x soak."""
    return [*usual_core(), *([] if "COFFERDAM_CPU" in os.environ else ["--in-turn"])]


class Run:
    """append: words for the kernel's command line. boots.py has none, for Linux as it comes, and other kernels know none."""

    def __init__(self, options, script="", seconds=SECONDS, append=kernel_image.QUICK):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "monitor.log")
            command = [sys.executable, str(ROOT / "tools/guest/run.py"), "--seconds", str(seconds), "--log", str(log), "--append", append, *options]
            result = subprocess.run(command, input=script.encode(), capture_output=True, check=False)
            self.log = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        self.status = result.returncode
        self.output = result.stdout.decode(errors="replace").replace("\r", "")
        self.errors = result.stderr.decode(errors="replace")
        self.seconds = time.monotonic() - began

    def lines(self, pattern):
        return [match for match in map(re.compile(pattern).search, self.output.splitlines()) if match]

    def refusals(self):
        return sum(1 for line in self.log.splitlines() if "refused:" in line)


class Checks:
    """Outcomes, said as they are found. `close` shows what was seen when one was not as it must be, and that one last."""

    def __init__(self):
        self.failed = []

    def expect(self, what, holds, seen=""):
        said = f"{'yes ' if holds else 'NO  '} {what}{f': {seen}' if str(seen) else ''}"
        print(said, flush=True)
        if not holds:
            self.failed.append(said)

    def close(self, *runs):
        if self.failed:
            for run in runs:
                print(f"--- status {run.status} after {run.seconds:.0f} s; the parent's console:\n{run.output[-20000:]}")
                print(f"--- standard error:\n{run.errors[-4000:]}\n--- the monitor's console:\n{run.log[-8000:]}")
            print("--- what is not as it must be:\n" + "\n".join(self.failed))
        return 1 if self.failed else 0


def missing_parts():
    """Why no Linux parent can be run here, or None."""
    for part in ("build/guest-packages/release", "build/guest-linux/bin/attack", "build/guest-linux/modules/cofferdam.ko"):
        if not (ROOT / part).is_file():
            return f"there is no {part}; ./x test qemu and ./x run make it"
    return None


def environment_count(name, default):
    """How often something is done: short in the tests, in full in ./x soak, which sets the variable."""
    return int(os.environ.get(name, default))

"""Make .venv ready: create it, install requirements.txt, do nothing the next time.

Run by the Makefile with whatever `python3` is. It uses the standard library only, and
syntax that even Python 2.7 reads, so that an old Python gets a sentence it can act on
instead of a traceback.
"""

import hashlib
import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)
GIGABYTES = 3  # .venv with the CPU build of torch takes 1.9; pip needs room to unpack
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
INPUTS = "requirements.txt", "constraints.txt", "pyproject.toml"
UNFINISHED = "unfinished"


def check_python():
    """Stop where this Python cannot make the environment."""
    if sys.version_info[:2] < OLDEST:
        have = "%d.%d" % sys.version_info[:2]
        sys.exit(
            "This book needs Python 3.11 or newer, and %s is Python %s: install a "
            "newer one and name it, for example `make book PYTHON=python3.12`."
            % (sys.executable, have)
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        sys.exit(
            "%s cannot make a virtual environment (no module %s): on Debian or Ubuntu "
            "`apt-get install python3-venv` brings it; then run make again."
            % (sys.executable, error.name)
        )


def check_space():
    """Stop where the environment would not fit on the disk."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < GIGABYTES:
        sys.exit(
            "The environment needs about %d GB of disk space and %s has %.1f GB free: "
            "make room, then run make again." % (GIGABYTES, ROOT, free)
        )


def fingerprint():
    """What the environment depends on: this Python, this folder, the requirements."""
    digest = hashlib.sha256(("%s\n%s\n" % (sys.version, VENV)).encode("utf-8"))
    for name in INPUTS:
        with open(os.path.join(ROOT, name), "rb") as stream:
            digest.update(stream.read())
    return digest.hexdigest()


def read(path):
    """The text of a small file, or None where it does not exist."""
    if not os.path.exists(path):
        return None
    with open(path) as stream:
        return stream.read()


def write(path, text):
    """Replace the text of a small file."""
    with open(path, "w") as stream:
        stream.write(text)


def explain(log):
    """The sentence that follows pip's last lines when an install fails."""
    if "No space left on device" in log:
        return (
            "The disk is full: make room and run make again (on Linux, torch comes "
            "with gigabytes of CUDA; the README says how to get the smaller CPU build)."
        )
    return "The packages could not be installed: see above, then run make again."


def install():
    """Create .venv where it is missing or broken, and install the requirements."""
    python = os.path.join(VENV, "bin", "python")
    stamp = os.path.join(VENV, "setup.stamp")
    wanted = fingerprint()
    have = read(stamp)
    if have == wanted:
        return
    # An install that was cut off may have left half a package behind, which pip takes
    # for a whole one; an environment of another Python cannot be repaired either.
    same = '%s -c "import sys, pip; sys.exit(sys.version_info[:3] != %r)"'
    works = os.path.exists(python) and not subprocess.call(
        same % (python, tuple(sys.version_info[:3])),
        shell=True,
        stderr=subprocess.DEVNULL,
    )
    if have == UNFINISHED or not works:
        check_space()
        print("Creating .venv")
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", VENV])
    write(stamp, UNFINISHED)
    print("Installing requirements.txt into .venv (some minutes the first time)")
    sys.stdout.flush()
    command = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "-r", "requirements.txt"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-25:]))
        sys.exit(explain(done.stdout))
    write(stamp, wanted)


if __name__ == "__main__":
    check_python()
    install()

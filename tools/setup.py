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

OLDEST, NEWEST = (3, 11), (3, 14)  # those for which all pinned packages have wheels
GIGABYTES = 3  # .venv with the CPU build of torch takes 1.9; pip needs room to unpack
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
INPUTS = "requirements.txt", "constraints.txt", "pyproject.toml"
UNFINISHED = "unfinished"


def check_python():
    """Stop where this Python cannot make the environment."""
    have = sys.version_info[:2]
    if not OLDEST <= have <= NEWEST:
        sys.exit(
            "This book needs Python %d.%d to %d.%d, and %s is Python %d.%d: install "
            "one of these and name it, for example `make book PYTHON=python3.12`."
            % (OLDEST + NEWEST + (sys.executable,) + have)
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


def check_folder():
    """Stop where the folder has a name that Python's tools cannot handle."""
    for sign in ":%":  # the one separates search paths, the other starts an escape
        if sign in ROOT:
            sys.exit(
                "The folder %s has a %s in its name, with which virtual environments "
                "or the book's cache do not work: rename it, then run make again."
                % (ROOT, sign)
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


def surroundings():
    """The environment variables, without those that send packages elsewhere."""
    elsewhere = ["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PYTHONOPTIMIZE"]
    elsewhere += ["PYTHONPATH", "PYTHONHOME"]  # what is there, pip would not install
    kept = dict((k, v) for k, v in os.environ.items() if k not in elsewhere)
    kept["PIP_USER"] = "0"  # whatever a settings file says
    return kept


def works(python):
    """Whether .venv is whole, of this Python, and was made in this folder."""
    same = "import sys, pip; sys.exit(sys.version_info[:3] != %r)"
    same %= (tuple(sys.version_info[:3]),)
    if not os.path.exists(python) or subprocess.call(
        [python, "-c", same], stderr=subprocess.DEVNULL
    ):
        return False
    # The programs of an environment name its folder: moved, they start no more.
    program = read(os.path.join(os.path.dirname(python), "pip"))
    return program is None or python in program


def installed(python):
    """Whether the packages are in .venv and nowhere else."""
    found = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, %r)))"
    packages = ["attention_book", "jupyter_book", "pytest", "torch"]
    return not subprocess.call([python, "-c", found % packages])


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
    if have == UNFINISHED or not works(python):
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
        env=surroundings(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-25:]))
        sys.exit(explain(done.stdout))
    if not installed(python):
        sys.exit(
            "pip reports success, and the packages are not in .venv: `pip config list` "
            "shows which setting (target, prefix or root) sends them elsewhere."
        )
    write(stamp, wanted)


if __name__ == "__main__":
    check_python()
    check_folder()
    install()

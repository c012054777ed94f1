"""What a script asks for in requirements.txt or setup.py, installed once for all training jobs that ask for the same.

The packages go into a virtual environment that sees everything the configured interpreter sees, so that only what is
missing is installed. Its folder is named by a hash of what was asked.
"""

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from airflow_hpt.local.runner.failures import client_error

ASKING = ("requirements.txt", "setup.py")
POINTS_TO_FILES = re.compile(rb"^\s*(-|\.|/)|\.(whl|zip|gz)\b", re.MULTILINE)

# Run by the configured interpreter, which may itself live in a virtual environment, with the new folder as argument.
MAKE = """
import importlib.util, json, pathlib, sys, venv
venv.create(sys.argv[1], symlinks=True)
beneath = [path for path in sys.path if path.endswith("-packages")]
lines = [f"import site; site.addsitedir({path!r})\\n" for path in beneath]
for site in pathlib.Path(sys.argv[1]).glob("lib/python*/site-packages"):
    (site / "beneath.pth").write_text("".join(lines))
print(json.dumps(importlib.util.find_spec("pip") is not None))
"""


def interpreter(code: Path, *, python: str, cache: Path, run: Callable[[Sequence[str]], None]) -> str:
    """Return the interpreter for a folder of code, after installing what the code asks for.

    `run` runs a command in the folder of code and raises when it fails.
    """
    asked = [code / name for name in ASKING if (code / name).is_file()]
    if not asked:
        return python
    home = cache / _digest(code, asked, python)
    cache.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "ready").exists():
            shutil.rmtree(home, ignore_errors=True)
            run(_make(home, python) + _targets(code))
            (home / "ready").touch()
    return str(home / "bin" / "python")


def _digest(code: Path, asked: Sequence[Path], python: str) -> str:
    digest = hashlib.sha256(python.encode())
    is_whole = code / "setup.py" in asked or POINTS_TO_FILES.search(asked[0].read_bytes())
    for path in sorted(path for path in code.rglob("*") if path.is_file()) if is_whole else asked:
        digest.update(f"\0{path.relative_to(code)}\0".encode(errors="surrogateescape") + path.read_bytes())
    return digest.hexdigest()[:16]


def _make(home: Path, python: str) -> list[str]:
    """Make the virtual environment and return the command that installs into it."""
    made = subprocess.run([python, "-c", MAKE, str(home)], capture_output=True, text=True, check=False)
    if made.returncode:
        raise client_error(f"{python} cannot make a virtual environment for what the script asks: {made.stderr}")
    target = str(home / "bin" / "python")
    if json.loads(made.stdout):
        return [python, "-I", "-m", "pip", "--python", target, "install", "--disable-pip-version-check"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", target]
    raise client_error(f"What the script asks for cannot be installed: {python} has no pip and uv is not on the PATH.")


def _targets(code: Path) -> list[str]:
    requirements = ["-r", "requirements.txt"] if (code / "requirements.txt").is_file() else []
    return requirements + (["."] if (code / "setup.py").is_file() else [])

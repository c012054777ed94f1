"""The user's code: where it comes from and how it is called."""

import shlex
import shutil
import stat
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from airflow_hpt.errors import ObjectUnavailable
from airflow_hpt.local.runner.failures import client_error
from airflow_hpt.local.runner.hyperparameters import setting
from airflow_hpt.local.runner.objects import Objects

ARCHIVES = (".tar.gz", ".tgz", ".tar")
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__")
HOME_FILES = {"state.db", "credentials"}  # by these the home of a local service is known


def program_of(wire: Mapping[str, str]) -> str | None:
    """Return the script that the hyperparameters name; None when they name none."""
    return setting(wire, "sagemaker_program")


def unpack_code(wire: Mapping[str, str], objects: Objects, *, into: Path) -> None:
    """Bring the submit directory into a folder and check that it holds the script."""
    directory = setting(wire, "sagemaker_submit_directory")
    program = program_of(wire)
    if not directory:
        raise client_error(
            f"sagemaker_program is {program!r} but sagemaker_submit_directory is missing; give the s3:// location of a "
            "tar.gz archive or folder with the script in it, or a local path."
        )
    try:
        _bring(directory, objects, into)
        is_there = (into / str(program)).is_file() or _module_file(into, str(program))
    except (ObjectUnavailable, tarfile.TarError, OSError) as fault:  # also a name longer than a file name can be
        raise client_error(f"sagemaker_submit_directory {directory!r} cannot be used: {fault}") from fault
    if not is_there:
        held = ", ".join(sorted(entry.name for entry in into.iterdir())[:20]) or "nothing"
        raise client_error(f"sagemaker_program {program!r} is not in {directory!r}, which holds {held}.")


def _bring(directory: str, objects: Objects, into: Path) -> None:
    path = Path(directory.removeprefix("file://"))
    if "://" in directory and not directory.startswith("file://"):
        _bring_stored(directory, objects, into)
    elif path.is_dir():
        shutil.copytree(path, into, ignore=_left_out(into), dirs_exist_ok=True)
    elif path.is_file():
        _extract(path, into)
    else:
        raise ObjectUnavailable(f"There is no folder or archive {path} on this machine.")


def _left_out(into: Path) -> Callable[[str, list[str]], set[str]]:
    """Return what says which entries of a folder are no code.

    Those are the homes of local services, the folder that holds the copy, and links to a folder that contains them:
    to follow these would never end.
    """

    def left_out(folder: str, names: list[str]) -> set[str]:
        if HOME_FILES.issubset(names):
            raise ObjectUnavailable(f"{folder} is the home of a local service; keep the code in a folder of its own.")
        endless = {each for inner in (into.resolve(), Path(folder).resolve()) for each in (inner, *inner.parents)}
        return LEFT_OUT(folder, names) | {name for name in names if _is_apart(Path(folder, name).resolve(), endless)}

    return left_out


def _is_apart(entry: Path, endless: set[Path]) -> bool:
    return entry in endless or all((entry / name).is_file() for name in HOME_FILES)


def _bring_stored(directory: str, objects: Objects, into: Path) -> None:
    if not directory.endswith(ARCHIVES):
        objects.fetch(directory if directory.endswith("/") else f"{directory}/", into)
        return
    packed = into.with_name("code-archive")
    try:
        objects.fetch(directory, packed)
        _extract(packed / directory.rpartition("/")[2], into)
    finally:
        shutil.rmtree(packed, ignore_errors=True)


def _extract(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as opened:
        opened.extractall(into, filter="data")


def _module_file(code: Path, program: str) -> Path | None:
    """Return the file of a program that is named as a module of a package: `package.train`."""
    dotted = code.joinpath(*program.removesuffix(".py").split("."))
    found = (dotted.with_suffix(".py"), dotted / "__main__.py")
    return next((path for path in found if path.is_file()), None)


def command_line(code: Path, program: str, arguments: Sequence[str], *, python: str) -> list[str]:
    """Return the command that runs the script as the training toolkit does."""
    if (code / "setup.py").is_file():
        return [python, "-m", program.removesuffix(".py").replace("/", "."), *arguments]
    if program.endswith(".py"):
        return [python, program, *arguments]
    script = code / program
    script.chmod(script.stat().st_mode | stat.S_IRWXU)
    return ["/bin/sh", "-c", shlex.join([f"./{program}", *arguments])]

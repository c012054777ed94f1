"""Why training jobs fail, in the words of SageMaker's `FailureReason`.

The first word classifies: AlgorithmError for the training code, ClientError for the request or its data,
InternalServerError for a fault of the platform, which a retry may mend.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from airflow_hpt.errors import HptError

REASON_LIMIT = 1024  # characters, of the failure file and of FailureReason alike
KINDS = ("AlgorithmError", "ClientError", "InternalServerError")
KILLED = 137
TAIL_BYTES = 65536
OUT_OF_MEMORY = (
    "OutOfMemory: the process was killed by SIGKILL, most likely because memory ran out. "
    "Use less data or a smaller model at once, or run fewer training jobs in parallel."
)
TRACEBACK = "Traceback (most recent call last):"


class TrainingFault(HptError):
    """The training job cannot go on; the text is its FailureReason."""


def client_error(text: object) -> TrainingFault:
    """Blame the request or its data."""
    return TrainingFault(f"ClientError: {text}"[:REASON_LIMIT])


def algorithm_error(text: str) -> TrainingFault:
    """Blame the training code, unless the text says who is to blame."""
    blamed = text.startswith(tuple(f"{kind}:" for kind in KINDS))
    return TrainingFault((text if blamed else f"AlgorithmError: {text}")[:REASON_LIMIT])


def internal_error(text: object) -> str:
    """Blame the platform."""
    return f"InternalServerError: {text}"[:REASON_LIMIT]


def failure_text(path: Path) -> str:
    """Return what the training code wrote into its failure file; empty when it wrote none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(REASON_LIMIT).strip()
    except OSError:
        return ""


def frame(error: str, *, exit_code: int, command: Sequence[str], log: Path) -> str:
    """Describe a command that failed as the training toolkit does."""
    message = OUT_OF_MEMORY if exit_code == KILLED else last_words(log)
    said = f'ErrorMessage "{message}"\n' if message else ""
    return f'{error}:\nExitCode {exit_code}\n{said}Command "{" ".join(command)}"'


def last_words(log: Path) -> str:
    """Return the exception that ends the log, or else its last line."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        text = file.read().decode(errors="replace").rstrip()
    _, traceback, after = text.rpartition(TRACEBACK)
    if traceback and (raised := re.search(r"^\S.*", after, re.MULTILINE | re.DOTALL)):
        return raised.group()[: REASON_LIMIT // 2]
    return text.rpartition("\n")[2][: REASON_LIMIT // 2]


def exit_code_of(returncode: int) -> int:
    """Return the exit code as a shell tells it: 128 + the signal for a killed process."""
    return returncode if returncode >= 0 else 128 - returncode

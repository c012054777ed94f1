"""Ending every process of a training job, whatever it has become."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "SAGEMAKER_BASE_DIR"  # every process of a training job inherits it; no other has the same value
PATIENCE_SECONDS = 10.0


def signal_group(group: int, number: int) -> None:
    """Send a signal to every process of a group that still exists."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end_processes(base: Path) -> None:
    """Kill every process that was started for the training job with this base folder, and wait until all are gone.

    Processes are known by their environment, which is proof against re-used process ids and finds those that left
    their process group as well. Where there is no /proc, only the caller's own group handling applies.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (alive := list(_processes_of(base))) and time.monotonic() < deadline:
        for pid in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _processes_of(base: Path) -> Iterator[int]:
    mark = b"\0" + f"{MARK}={base}".encode() + b"\0"
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # gone, or somebody else's
            if mark in b"\0" + entry.read_bytes() + b"\0":  # that of a zombie is empty
                yield int(entry.parent.name)

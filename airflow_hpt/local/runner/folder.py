"""The folder of one training job: what lies where in it, its lock, and its status file.

launch.json      what to run, written by the service
status.json      what is known, replaced as a whole at every change
lock             held for as long as the supervisor lives; whoever holds it owns the folder
stop             exists once the training job was asked to stop
log              standard output and error of the training code, of all attempts
supervisor.log   what went wrong in the supervisor itself; normally empty
ml/              stands for /opt/ml
"""

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Status:
    """What is known of a training job; times are seconds since the epoch.

    An attempt has begun once `pid`, its supervisor, is set; no attempt begins twice.
    """

    attempt: int
    pid: int | None = None
    transitions: list[dict[str, Any]] = field(default_factory=list)
    training_started_at: float | None = None
    ended_at: float | None = None
    ending: str | None = None
    failure_reason: str | None = None

    @property
    def has_begun(self) -> bool:
        """Say whether this attempt must not be started again."""
        return self.pid is not None or self.ending is not None

    def enter(self, secondary_status: str, message: str) -> None:
        """End the current secondary status and begin another."""
        now = time.time()
        self._close(now)
        self.transitions.append({"status": secondary_status, "started_at": now, "ended_at": None, "message": message})

    def end(self, ending: str, *, reason: str | None, at: float | None = None) -> None:
        """Note how the attempt ended, now or at another time."""
        self.ended_at = at or time.time()
        self._close(self.ended_at)
        self.ending, self.failure_reason = ending, reason

    def _close(self, now: float) -> None:
        if self.transitions and self.transitions[-1]["ended_at"] is None:
            self.transitions[-1]["ended_at"] = now


class JobFolder:
    """The folder of one training job."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = root / "ml"
        self.log = root / "log"
        self.stop = root / "stop"
        self.errors = root / "supervisor.log"
        self._launch = root / "launch.json"
        self._status = root / "status.json"
        self._lock = root / "lock"

    def read_launch(self) -> dict[str, Any]:
        """Return what the service wrote to be run."""
        launch: dict[str, Any] = json.loads(self._launch.read_bytes())
        return launch

    def write_launch(self, launch: Mapping[str, Any]) -> None:
        """Write what shall be run."""
        replace_file(self._launch, json.dumps(launch))

    def read_status(self) -> Status | None:
        """Return the status; None when no attempt was ever started."""
        try:
            return Status(**json.loads(self._status.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write_status(self, status: Status) -> None:
        """Replace the status as a whole."""
        replace_file(self._status, json.dumps(asdict(status)))

    def take_lock(self) -> int | None:
        """Return a descriptor that holds the lock until it is closed; None when another process holds it."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def last_sign_of_life(self) -> float:
        """Return when the status or the log was last written, in seconds since the epoch."""
        return max(path.stat().st_mtime for path in (self._status, self.log) if path.exists())

    def end_last_line(self) -> None:
        """Give the last line of the log its newline, so that nothing of it is left unread."""
        with self.log.open("ab+") as log:
            if log.tell():
                log.seek(-1, os.SEEK_END)
                if log.read(1) != b"\n":
                    log.write(b"\n")


def replace_file(path: Path, text: str) -> None:
    """Write a file so that a reader, or a crash, sees the old text or the new one but nothing between."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)

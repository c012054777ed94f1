"""Runs each training job as processes of this machine, in a folder of its own.

Every training job has a supervisor process that holds the lock of the job's folder for as long as it lives. So the lock
tells whether a training job is being looked after, whatever became of the service that started it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from airflow_hpt.domain.records import Transition
from airflow_hpt.local.runner.algorithms import find_algorithm
from airflow_hpt.local.runner.base import Ending, Launch, Sighting
from airflow_hpt.local.runner.endings import end_processes
from airflow_hpt.local.runner.failures import internal_error
from airflow_hpt.local.runner.folder import JobFolder, Status
from airflow_hpt.local.runner.objects import Objects
from airflow_hpt.local.runner.source import program_of

READ_BYTES = 4 * 2**20
LINE_BYTES = 2**18  # longer lines are cut, as CloudWatch does
CLAIM_SECONDS = 2.0
CACHE = ".requirements"
VANISHED = "The process that looked after the training job has vanished; it was killed, or the machine restarted."


class ProcessRunner:
    """Runs training jobs as processes.

    `jobs` is the folder of the job folders. `python` runs scripts. `slots` is how many training jobs share
    the machine's processors. `environment` is passed on to scripts, which see little else of the service's own.
    """

    def __init__(
        self,
        jobs: Path,
        objects: Objects,
        *,
        python: str = sys.executable,
        grace_seconds: float = 120.0,
        slots: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._jobs = jobs.absolute()
        self._objects = objects
        self._python = python
        self._grace_seconds = grace_seconds
        self._cpus = max(1, (os.cpu_count() or 1) // slots)
        self._environment = dict(environment or {})
        self._supervisors: list[subprocess.Popen[bytes]] = []

    def start(self, launch: Launch) -> None:
        """Start the training job, once: a name and attempt started before, even by a killed service, is left alone."""
        self._supervisors = [process for process in self._supervisors if process.poll() is None]
        job = self._folder(launch.name)
        job.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _claim(job, launch.attempt)
        if lock is None:
            return
        try:
            self._write(job, launch)
            self._supervisors.append(_spawn(job, lock))
        finally:
            os.close(lock)  # the supervisor has inherited it

    def _write(self, job: JobFolder, launch: Launch) -> None:
        algorithm = None if program_of(launch.hyperparameters) else find_algorithm(_image(launch))
        how = {
            "module": algorithm.module if algorithm else None,
            "python": self._python,
            "cpus": self._cpus,
            "grace_seconds": self._grace_seconds,
            "environment": self._environment,
            "objects": self._objects.settings,
            "cache": str(self._jobs / CACHE),
        }
        before = job.read_status() or Status(0)
        if launch.attempt > before.attempt:
            job.stop.unlink(missing_ok=True)
        job.write_launch(asdict(launch) | how)
        status = Status(launch.attempt, transitions=before.transitions, training_started_at=before.training_started_at)
        status.enter("Starting", "Starting the training job")
        job.write_status(status)

    def sight(self, name: str) -> Sighting:
        """Look at a training job that was started. A finished job's log is complete by the time its ending is told."""
        job = self._folder(name)
        status = job.read_status()
        if status is None:
            return Sighting(ending=Ending.LOST, failure_reason=internal_error(f"There is no folder {job.root}."))
        if status.ending is None and (lock := job.take_lock()) is not None:
            try:
                status = _settle(job)
            finally:
                os.close(lock)
        return _sighting(status)

    def read_log(self, name: str, offset: int) -> tuple[list[str], int]:
        """Return the next complete lines after byte `offset`, at most a few MiB, and the offset to go on from.

        All has been read when the offset stands still. A line of more than 256 KiB comes in pieces.
        """
        try:
            with self._folder(name).log.open("rb") as log:
                log.seek(offset)
                text = log.read(READ_BYTES)
        except FileNotFoundError:
            return [], offset
        end = text.rfind(b"\n") + 1 or len(text) // LINE_BYTES * LINE_BYTES
        lines = (
            [piece for line in text[:end].removesuffix(b"\n").split(b"\n") for piece in _pieces(line)] if end else []
        )
        return [line.removesuffix(b"\r").decode(errors="replace") for line in lines], offset + end

    def stop(self, name: str) -> None:
        """Ask the training job to stop: SIGTERM, grace, SIGKILL; what it wrote to its model folder is kept."""
        job = self._folder(name)
        status = job.read_status()
        if status is None or status.ending:
            return
        job.stop.touch()
        status = job.read_status()  # a supervisor that has written its pid since then may have missed the file
        if status and status.pid and _is_held(job):
            with contextlib.suppress(ProcessLookupError):
                os.kill(status.pid, signal.SIGTERM)

    def _folder(self, name: str) -> JobFolder:
        return JobFolder(self._jobs / name)


def _image(launch: Launch) -> str:
    algorithm = launch.definition["AlgorithmSpecification"]
    return str(algorithm.get("TrainingImage") or algorithm.get("AlgorithmName") or "")


def _claim(job: JobFolder, attempt: int) -> int | None:
    """Return the lock of a folder in which this attempt has not begun, or None when it has."""
    deadline = time.monotonic() + CLAIM_SECONDS
    while True:
        lock = job.take_lock()
        status = job.read_status()
        has_begun = status is not None and (status.attempt, status.has_begun) >= (attempt, True)
        if not has_begun and lock is not None:
            return lock
        if lock is not None:
            os.close(lock)
        if has_begun or time.monotonic() > deadline:
            return None
        time.sleep(0.005)  # a supervisor is about to begin, or somebody looks whether there is one


def _spawn(job: JobFolder, lock: int) -> "subprocess.Popen[bytes]":
    with job.errors.open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "airflow_hpt.local.runner.supervisor", str(job.root)],
            cwd=job.root,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=[lock],
            start_new_session=True,
        )


def _is_held(job: JobFolder) -> bool:
    lock = job.take_lock()
    if lock is not None:
        os.close(lock)
    return lock is None


def _settle(job: JobFolder) -> Status:
    """Return the final status of a training job whose lock was free, which the caller holds now."""
    status = job.read_status() or Status(0)
    if status.ending is None:
        # The time since then was not training, and must not count toward MaxRuntimeInSeconds of the next attempt.
        seen = max([job.last_sign_of_life(), *(entry["started_at"] for entry in status.transitions)])
        end_processes(job.base)
        job.end_last_line()
        status.end(Ending.LOST, reason=internal_error(VANISHED), at=seen)
        job.write_status(status)
    return status


def _sighting(status: Status) -> Sighting:
    return Sighting(
        transitions=tuple(
            Transition(entry["status"], _utc(entry["started_at"]), _utc_or_none(entry["ended_at"]), entry["message"])
            for entry in status.transitions
        ),
        ending=Ending(status.ending) if status.ending else None,
        failure_reason=status.failure_reason,
        training_started_at=_utc_or_none(status.training_started_at),
        ended_at=_utc_or_none(status.ended_at),
    )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _utc_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else _utc(seconds)


def _pieces(line: bytes) -> list[bytes]:
    line = line.removesuffix(b"\r")
    return [line[start : start + LINE_BYTES] for start in range(0, len(line), LINE_BYTES)] or [line]

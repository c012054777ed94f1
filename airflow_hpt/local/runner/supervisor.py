"""The process that sees one training job through: `python -m airflow_hpt.local.runner.supervisor <folder>`.

The service starts it and hands it the lock of the folder; it outlives the service. All that others learn from it is in
the folder. While it prepares, a signal raises Interrupted; while the user's command runs, the signal is noted and
the loop that waits for the command acts on it; while it stores the outputs, signals are too late and mean nothing.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from airflow_hpt.local.runner.checkpoints import SYNC_SECONDS
from airflow_hpt.local.runner.container import Layout
from airflow_hpt.local.runner.endings import end_processes, signal_group
from airflow_hpt.local.runner.failures import (
    TrainingFault,
    algorithm_error,
    client_error,
    exit_code_of,
    failure_text,
    frame,
    internal_error,
)
from airflow_hpt.local.runner.folder import JobFolder, Status
from airflow_hpt.local.runner.training import Training

DEFAULT_MAX_RUNTIME_SECONDS = 86400
TIMED = ("Downloading", "Training", "Stopping")  # what counts toward MaxRuntimeInSeconds
COMPLETED, FAILED, STOPPED, LOST = "Completed", "Failed", "Stopped", "Lost"  # the values of base.Ending
OVERTIME = "MaxRuntimeExceeded"  # a secondary status; the ending is Stopped
MESSAGES = {
    "Downloading": "Downloading input data",
    "Training": "Training in progress",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading the model and the output",
    COMPLETED: "Training job completed",
    FAILED: "Training job failed",
    STOPPED: "Training job stopped",
    OVERTIME: "Training job ran longer than MaxRuntimeInSeconds",
}


class Interrupted(BaseException):
    """The training job was asked to stop, or its time was up, before its command ran."""


class Supervisor:
    """Sees one training job through, from its launch file to its ending."""

    def __init__(self, job: JobFolder, status: Status) -> None:
        self._job = job
        self._status = status
        self._launch = job.read_launch()
        self._layout = Layout(job.base)
        self._training = Training(self._launch, self._layout)
        self._asked: str | None = None  # STOPPED or OVERTIME, once the training job has to end
        self._may_raise = False
        self._wake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD):
            signal.signal(number, self._on_signal)

    def run(self) -> None:
        """Carry the training job out and note how it ended."""
        self._status.pid = os.getpid()
        self._job.write_status(self._status)
        if self._job.stop.exists():  # asked before there was a process to tell
            self._asked = STOPPED
        if self._status.attempt > 1:
            end_processes(self._job.base)  # whatever is left of the attempt that was lost
        try:
            ending, reason = self._carry_out()
        except Exception as error:  # noqa: BLE001 the one place that turns a fault of ours into an ending
            traceback.print_exc()
            ending, reason = LOST, internal_error(f"The training job could not be carried out: {error!r}.")
        end_processes(self._job.base)
        self._job.end_last_line()
        self._enter(FAILED if ending == LOST else ending)
        self._status.end(STOPPED if ending == OVERTIME else ending, reason=reason)
        self._job.write_status(self._status)

    def _carry_out(self) -> tuple[str, str | None]:
        """Return the ending, or OVERTIME, and the reason of a failure."""
        reason = None
        try:
            self._train(self._prepare())
        except Interrupted:
            pass
        except TrainingFault as fault:
            reason = str(fault)
        signal.setitimer(signal.ITIMER_REAL, 0)
        end_processes(self._job.base)
        ending = FAILED if reason else self._asked or COMPLETED
        self._enter("Uploading")
        try:
            self._training.store_outputs(has_failed=reason is not None)
        except TrainingFault as fault:
            return FAILED, reason or str(fault)
        return ending, reason

    def _prepare(self) -> Sequence[str]:
        """Bring everything into place and return the command that trains."""
        self._status.training_started_at = self._status.training_started_at or time.time()
        self._start_clock()
        self._enter("Downloading")
        with self._interruptible():
            self._training.bring_inputs()
            return self._training.command(self._install, self._say)

    def _start_clock(self) -> None:
        limit = self._launch["definition"]["StoppingCondition"].get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_SECONDS)
        earlier = sum(
            entry["ended_at"] - entry["started_at"]
            for entry in self._status.transitions
            if entry["status"] in TIMED and entry["ended_at"]
        )
        signal.setitimer(signal.ITIMER_REAL, max(limit - earlier, 0.001))

    def _train(self, command: Sequence[str]) -> None:
        """Run the training command to its end."""
        self._enter("Training")
        exit_code = self._run(command, environment=self._training.environment)
        if exit_code and not self._asked:
            said = failure_text(self._layout.failure)
            raise algorithm_error(said or self._frame("ExecuteUserScriptError", exit_code, command))

    def _install(self, command: Sequence[str]) -> None:
        if exit_code := self._run(command, environment=self._training.installing):
            raise algorithm_error(self._frame("InstallRequirementsError", exit_code, command))

    def _frame(self, error: str, exit_code: int, command: Sequence[str]) -> str:
        return frame(error, exit_code=exit_code, command=command, log=self._job.log)

    def _run(self, command: Sequence[str], *, environment: Mapping[str, str]) -> int:
        """Run a command in a session of its own, its output to the log, and return its exit code."""
        try:
            with self._job.log.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    cwd=self._training.folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:  # no such interpreter, arguments too long, a NUL in the environment
            raise client_error(f"{command[0]} could not be run: {error}") from error
        self._await(process)
        signal_group(process.pid, signal.SIGKILL)  # a container ends with its first process
        return exit_code_of(process.returncode)

    def _await(self, process: "subprocess.Popen[bytes]") -> None:
        kill_at = None
        while process.poll() is None:
            now = time.monotonic()
            if self._asked and kill_at is None:
                self._enter("Stopping")
                signal_group(process.pid, signal.SIGTERM)
                kill_at = now + self._launch["grace_seconds"]
            elif kill_at is not None and now >= kill_at:
                signal_group(process.pid, signal.SIGKILL)
            if self._training.checkpoints:
                self._training.checkpoints.try_sync()
            self._sleep(kill_at)

    def _sleep(self, kill_at: float | None) -> None:
        """Wait for a signal, the time of the kill or the next sync of checkpoints, whichever is first."""
        waits = [SYNC_SECONDS] if self._training.checkpoints else []
        if kill_at is not None:
            waits.append(max(kill_at - time.monotonic(), 0.01))
        if select.select([self._wake], [], [], min(waits, default=None))[0]:
            os.read(self._wake, 4096)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        self._may_raise = True
        try:
            if self._asked:
                raise Interrupted
            yield
        finally:
            self._may_raise = False

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGCHLD or self._asked:
            return
        self._asked = STOPPED if number == signal.SIGTERM else OVERTIME
        if self._may_raise:
            raise Interrupted

    def _enter(self, secondary_status: str) -> None:
        self._status.enter(secondary_status, MESSAGES[secondary_status])
        self._job.write_status(self._status)

    def _say(self, text: str) -> None:
        with self._job.log.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{text}\n")


def main(folder: str) -> None:
    """See the training job of a folder through; an attempt that has begun before is left alone."""
    job = JobFolder(Path(folder))
    status = job.read_status()
    if status and not status.has_begun:
        Supervisor(job, status).run()


if __name__ == "__main__":
    main(sys.argv[1])

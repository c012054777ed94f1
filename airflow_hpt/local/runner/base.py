"""What the engine asks of a runner of training jobs.

A training job outlives the service: its runner keeps everything that matters in the job's folder, so a service that
was killed finds its training jobs again by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from airflow_hpt.domain.records import Transition


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that a training job needs to run; plain JSON values only.

    `hyperparameters` are the final wire texts (static, tuned and injected). `definition` is the API's
    HyperParameterTrainingJobDefinition. `attempt` counts from 1 and grows when the job is
    retried after an internal fault.
    """

    name: str
    arn: str
    tuning_job: str
    region: str
    hyperparameters: Mapping[str, str]
    definition: Mapping[str, Any]
    attempt: int = 1


class Ending(StrEnum):
    """How a training job ended."""

    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"  # by request or by a limit of its own (MaxRuntimeInSeconds)
    LOST = "Lost"  # the process vanished without a word: an internal fault, which RetryStrategy may repeat


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is known of a training job at one moment; `ending` is None while it runs."""

    transitions: tuple[Transition, ...] = ()
    ending: Ending | None = None
    failure_reason: str | None = None
    training_started_at: datetime | None = None
    ended_at: datetime | None = None


class Runner(Protocol):
    """Runs training jobs."""

    def start(self, launch: Launch) -> None:
        """Start the training job, once: a name and attempt started before, even by a killed service, is left alone."""
        ...

    def sight(self, name: str) -> Sighting:
        """Look at a training job that was started. A finished job's log is complete by the time its ending is told."""
        ...

    def read_log(self, name: str, offset: int) -> tuple[list[str], int]:
        """Return the next complete lines after byte `offset`, and the offset to go on from.

        A call returns a bounded part; all has been read when the offset stands still.
        """
        ...

    def stop(self, name: str) -> None:
        """Ask the training job to stop: SIGTERM, grace, SIGKILL; what it wrote to its model folder is kept."""
        ...

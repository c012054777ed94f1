"""A local service that tests may kill, and what it was asked to do."""

import os
import re
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from airflow_hpt.local import daemon
from airflow_hpt.local.client import sagemaker
from airflow_hpt.local.home import Home, Settings
from tests.driving import eventually


@dataclass(frozen=True)
class Counts:
    """Tuning jobs: created, told to stop, and still running."""

    created: int
    stopped: int
    running: int


@dataclass
class LocalJobs:
    """A local service that can be killed, and the tuning jobs that it has been given since a test began."""

    home: Home
    settings: Settings
    known: set[str] = field(default_factory=set)
    offset: int = 0

    def __post_init__(self) -> None:
        self.client = sagemaker(self.home)

    def forget(self) -> None:
        """Begin anew."""
        self.known = {job["HyperParameterTuningJobName"] for job in self._all()}
        self.offset = self.home.log.stat().st_size

    def kill(self) -> None:
        """End the service as a power cut would."""
        os.kill(self.home.serving_pid() or 0, signal.SIGKILL)
        eventually(lambda: self.home.serving_pid() is None, what="the service is gone")

    def start(self) -> None:
        daemon.start(self.home, self.settings)

    def jobs(self) -> list[dict[str, Any]]:
        return [job for job in self._all() if job["HyperParameterTuningJobName"] not in self.known]

    def statuses(self) -> list[str]:
        return [job["HyperParameterTuningJobStatus"] for job in self.jobs()]

    def training_statuses(self) -> list[str]:
        return [training["TrainingJobStatus"] for job in self.jobs() for training in self._trainings(job)]

    def counts(self) -> Counts:
        return Counts(len(self.jobs()), self._requests("Stop"), self.statuses().count("InProgress"))

    @property
    def waits(self) -> int:
        """Return how many tuning jobs the triggerer has looked at: a worker has done so twice before that."""
        looks = Counter(re.findall(r"DescribeHyperParameterTuningJob status=200 \S+ \S+ job=(\S+)", self._log()))
        return sum(count >= 2 for count in looks.values())

    def stop_all(self) -> None:
        for job in self.jobs():
            if job["HyperParameterTuningJobStatus"] == "InProgress":
                name = job["HyperParameterTuningJobName"]
                self.client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        eventually(
            lambda: set(self.statuses()).isdisjoint({"InProgress", "Stopping"}), what="all tuning jobs have ended"
        )

    def _requests(self, verb: str) -> int:
        return self._log().count(f" {verb}HyperParameterTuningJob status=200")

    def _log(self) -> str:
        with self.home.log.open() as log:
            log.seek(self.offset)
            return log.read()

    def _all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.list_hyper_parameter_tuning_jobs(MaxResults=100)[
            "HyperParameterTuningJobSummaries"
        ]
        return found

    def _trainings(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=job["HyperParameterTuningJobName"]
        )["TrainingJobSummaries"]
        return found

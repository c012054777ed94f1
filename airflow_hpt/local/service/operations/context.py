"""What every operation works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from airflow_hpt.domain.records import TrainingJob, TuningJob
from airflow_hpt.domain.spec import TuningSpec
from airflow_hpt.errors import InvalidRequest, NotFound
from airflow_hpt.local.store import Store

Request: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = dict[str, Any]

NO_SUCH_RESOURCE = "Requested resource not found."


@dataclass(frozen=True, slots=True)
class Context:
    """The store, the rules, and the way to the engine."""

    store: Store
    parse: Callable[[Request], TuningSpec]
    admit: Callable[[Mapping[str, Any]], None]  # refuses a training job definition that cannot run here
    wake: Callable[[], None]
    now: Callable[[], datetime]
    region: str
    tuning_jobs_limit: int

    def tuning_job(self, name: str) -> TuningJob:
        """Return a tuning job, or raise NotFound in SageMaker's words."""
        job = self.store.tuning_jobs.find(name)
        if job is None:
            raise NotFound(f"Amazon SageMaker can't find a tuning job called {name}. Type another name.")
        return job

    def training_job(self, name: str) -> TrainingJob:
        """Return a training job, or raise InvalidRequest: for these SageMaker does not answer ResourceNotFound."""
        training = self.store.training_jobs.find(name)
        if training is None:
            raise InvalidRequest(NO_SUCH_RESOURCE)
        return training

"""The local service without its HTTP side: store, advisor, engine and operations of one home folder, put together."""

from functools import partial
from pathlib import Path

from airflow_hpt.domain.records import TuningJob
from airflow_hpt.domain.request import parse_request
from airflow_hpt.local.runner.admission import refuse_unrunnable
from airflow_hpt.local.runner.algorithms import image_metrics
from airflow_hpt.local.runner.base import Runner
from airflow_hpt.local.runner.objects import Objects
from airflow_hpt.local.search.base import Parent
from airflow_hpt.local.service.advisor import Advisor
from airflow_hpt.local.service.clock import now
from airflow_hpt.local.service.engine import Engine
from airflow_hpt.local.service.operations import Operations
from airflow_hpt.local.service.operations.context import Context
from airflow_hpt.local.service.problems import parents_for
from airflow_hpt.local.store import Store

TUNING_JOBS_LIMIT = 100  # in progress at once; SageMaker's own default


class Service:
    """Everything behind the HTTP side; one process at a time may have a home folder open."""

    def __init__(
        self,
        home: Path,
        *,
        region: str,
        slots: int,
        runner: Runner,
        objects: Objects,
        tuning_jobs_limit: int = TUNING_JOBS_LIMIT,
    ) -> None:
        parse = partial(parse_request, image_metrics=image_metrics)
        self._store = Store(home / "state.db", parse=parse)
        self._advisor = Advisor(self._parents_of, on_ready=lambda: self._engine.stir())
        self._engine = Engine(self._store, runner, self._advisor, slots=slots, region=region, now=now)
        self.operations = Operations(
            Context(
                store=self._store,
                parse=parse,
                admit=partial(refuse_unrunnable, objects=objects, region=region),
                wake=self._engine.wake,
                now=now,
                region=region,
                tuning_jobs_limit=tuning_jobs_limit,
            )
        )

    def start(self) -> None:
        """Take up every tuning job that has not ended."""
        self._advisor.start()
        self._engine.start()

    def stop(self) -> None:
        """Stop working and close the store; training jobs run on and are found again at the next start."""
        self._engine.stop()
        self._advisor.stop()
        self._store.close()

    def _parents_of(self, job: TuningJob) -> tuple[Parent, ...]:
        parents = self._store.tuning_jobs.parents_of(job)
        return parents_for(job, [(parent, self._store.training_jobs.of(parent)) for parent in parents])

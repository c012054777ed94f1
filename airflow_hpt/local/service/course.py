"""A running tuning job as the engine keeps it in memory, so that a look at it costs no query.

The engine is the only mover of states, so memory and store agree; wishes of users are read from the store.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from airflow_hpt.domain.metrics import Metric, compile_metrics
from airflow_hpt.domain.records import TrainingJob, TuningJob
from airflow_hpt.local.service.matching import BoundedPattern


@dataclass(slots=True)
class Course:
    """One tuning job under way."""

    job: TuningJob
    by_name: dict[str, TrainingJob]  # in the order of claims
    planned_at: datetime | None = None  # None when something happened since
    starts: list[str | None] = field(default_factory=list)  # definitions of the training jobs that the plan asks for
    is_exhausted: bool = False
    _live: dict[str, TrainingJob] = field(init=False)
    _metrics: dict[str | None, tuple[Metric, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self._live = {name: training for name, training in self.by_name.items() if training.state.is_live}
        self._metrics = {
            each.name: compile_metrics(each, compile_pattern=BoundedPattern) for each in self.job.spec.definitions
        }

    @property
    def trainings(self) -> Sequence[TrainingJob]:
        """Return the training jobs in the order of their claims."""
        return tuple(self.by_name.values())

    @property
    def live(self) -> Sequence[TrainingJob]:
        """Return the training jobs that have not ended."""
        return tuple(self._live.values())

    def put(self, training: TrainingJob) -> TrainingJob:
        """Take over a new or changed training job; what a plan cannot depend on does not call for another one."""
        spec = self.job.spec
        is_judged_by_emissions = spec.early_stopping or spec.resources is not None
        if training.name not in self.by_name or not training.state.is_live or is_judged_by_emissions:
            self.planned_at = None
        self.by_name[training.name] = training
        if training.state.is_live:
            self._live[training.name] = training
        else:
            self._live.pop(training.name, None)
        return training

    def metrics_of(self, training: TrainingJob) -> tuple[Metric, ...]:
        """Return the compiled metrics of a training job's definition."""
        return self._metrics[training.definition]

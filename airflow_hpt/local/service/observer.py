"""One training job at a time: start what is claimed, look at what runs, read its log, record how it ended."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from airflow_hpt.domain.description import training_hyperparameters
from airflow_hpt.domain.metrics import emissions
from airflow_hpt.domain.names import training_job_arn
from airflow_hpt.domain.records import TrainingJob
from airflow_hpt.domain.spec import OBJECTIVE_METRIC
from airflow_hpt.domain.states import TrainingEvent, TrainingState, advance_training
from airflow_hpt.local.runner.base import Ending, Launch, Runner, Sighting
from airflow_hpt.local.service.course import Course
from airflow_hpt.local.service.faults import internal_error
from airflow_hpt.local.store import Store

LOG_PAUSE = timedelta(seconds=0.2)  # between two reads of a running job's log: each new metric costs a disk flush
READS_AT_ONCE = 4  # pieces of a long log in one go, before other training jobs have their turn

EVENTS = {
    Ending.COMPLETED: TrainingEvent.EXITED_OK,
    Ending.FAILED: TrainingEvent.EXITED_BAD,
    Ending.STOPPED: TrainingEvent.WAS_STOPPED,
    Ending.LOST: TrainingEvent.EXITED_BAD,
}


@dataclass(slots=True)
class _Reading:
    """How far a log was read: up to `recorded` in the store, up to `offset` without finding more metrics."""

    recorded: int
    offset: int = field(init=False)
    next_at: datetime | None = None

    def __post_init__(self) -> None:
        self.offset = self.recorded


class Observer:
    """Brings the records of training jobs up to date with what the runner knows."""

    def __init__(self, store: Store, runner: Runner, *, region: str, now: Callable[[], datetime]) -> None:
        self._trainings = store.training_jobs
        self._runner = runner
        self._region = region
        self._now = now
        self._readings: dict[str, _Reading] = {}
        self._asked_to_stop: set[str] = set()  # by this process; after a restart the runner is asked again

    def observe(self, course: Course, training: TrainingJob) -> None:
        """Take one live training job as far as it can go by now."""
        if training.state is TrainingState.CLAIMED:
            self._begin(course, training)
            return
        sighting = self._runner.sight(training.name)
        is_read = self._read_log(course, training, sighting=sighting)
        training = course.by_name[training.name]
        if sighting.ending:
            if is_read:
                self._finish(course, training, sighting=sighting, ending=sighting.ending)
            return
        if (sighting.transitions, sighting.training_started_at) != (training.transitions, training.started_at):
            training = _with_sighting(training, sighting)
            self._trainings.note(training, now=self._now())
            course.put(training)
        if training.stop_cause:
            self.stop(course, training, why=f"asked to stop: {training.stop_cause}")

    def stop(self, course: Course, training: TrainingJob, *, why: str) -> None:
        """Make a training job end soon."""
        if training.state is not TrainingState.STOPPING:
            training = self._move(course, training, TrainingEvent.STOP_ASKED, why=why)
        if training.state is TrainingState.STOPPING and training.name not in self._asked_to_stop:
            self._runner.stop(training.name)
            self._asked_to_stop.add(training.name)

    def give_up(self, course: Course, training: TrainingJob, error: Exception) -> None:
        """Record that a training job cannot be followed any more, and see to it that it does not run on."""
        ended = _with_failure(training, TrainingEvent.EXITED_BAD, reason=internal_error(error), is_retryable=True)
        self._move(course, ended, TrainingEvent.EXITED_BAD, why="given up after repeated faults")
        self._forget(training.name)
        if training.state is not TrainingState.CLAIMED:
            self._runner.stop(training.name)

    def _begin(self, course: Course, training: TrainingJob) -> None:
        if training.stop_cause:
            self._move(course, training, TrainingEvent.STOP_ASKED, why=f"asked to stop: {training.stop_cause}")
            return
        definition = course.job.spec.definition(training.definition)
        self._runner.start(
            Launch(
                name=training.name,
                arn=training_job_arn(training.name, self._region),
                tuning_job=course.job.name,
                region=self._region,
                hyperparameters=training_hyperparameters(definition, training.tuned),
                definition=definition.definition,
                attempt=training.attempt,
            )
        )
        self._move(course, training, TrainingEvent.SPAWNED, why=f"started, attempt {training.attempt}")

    def _read_log(self, course: Course, training: TrainingJob, *, sighting: Sighting) -> bool:
        """Record what the log emitted since the last time; say whether it was read up to its end."""
        now, name = self._now(), training.name
        reading = self._readings.get(name) or _Reading(self._trainings.log_offset(name))
        self._readings[name] = reading
        if not sighting.ending and reading.next_at and now < reading.next_at:
            return True
        found, until, is_read = self._emissions(course, training, reading.offset)
        if found:
            emitted_at = min(now, sighting.ended_at or now)  # nothing is emitted after the end, even if read later
            self._trainings.record(name, found, since=reading.recorded, until=until, now=emitted_at)
            reading.recorded = until
            objectives = tuple(value for metric, value in found if metric == OBJECTIVE_METRIC)
            course.put(replace(training, history=training.history + objectives))
        reading.offset, reading.next_at = until, now + LOG_PAUSE if is_read else None
        return is_read

    def _emissions(
        self, course: Course, training: TrainingJob, offset: int
    ) -> tuple[list[tuple[str, float]], int, bool]:
        """Return what the log emits from `offset` on, where reading ended, and whether that is its end by now."""
        found: list[tuple[str, float]] = []
        for _ in range(READS_AT_ONCE):
            lines, end = self._runner.read_log(training.name, offset)
            if end == offset:
                return found, offset, True
            found += [each for line in lines for each in emissions(line, course.metrics_of(training))]
            offset = end
        return found, offset, False

    def _finish(self, course: Course, training: TrainingJob, *, sighting: Sighting, ending: Ending) -> None:
        training, event = _with_sighting(training, sighting), EVENTS[ending]
        is_lost = ending is Ending.LOST
        if is_lost and training.state is TrainingState.RUNNING and training.attempt <= _retries(course, training):
            self._move(course, training, TrainingEvent.WILL_RETRY, why=sighting.failure_reason or "lost")
            return
        ended = _with_failure(training, event, reason=sighting.failure_reason, is_retryable=is_lost)
        self._move(course, ended, event, why=sighting.failure_reason or f"ended as {ending}")
        self._forget(training.name)

    def _move(self, course: Course, training: TrainingJob, event: TrainingEvent, *, why: str) -> TrainingJob:
        return course.put(self._trainings.move(training, event, now=self._now(), why=why))

    def _forget(self, name: str) -> None:
        self._readings.pop(name, None)
        self._asked_to_stop.discard(name)


def _retries(course: Course, training: TrainingJob) -> int:
    strategy = course.job.spec.definition(training.definition).definition.get("RetryStrategy") or {}
    return int(strategy.get("MaximumRetryAttempts", 0))


def _with_failure(
    training: TrainingJob, event: TrainingEvent, *, reason: str | None, is_retryable: bool
) -> TrainingJob:
    if advance_training(training.state, event) is not TrainingState.FAILED:
        return training
    return replace(training, failure_reason=reason, is_retryable=is_retryable)


def _with_sighting(training: TrainingJob, sighting: Sighting) -> TrainingJob:
    return replace(
        training,
        transitions=sighting.transitions,
        started_at=sighting.training_started_at,
        ended_at=sighting.ended_at,
    )

"""What happens next to a tuning job."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_hpt.domain.counters import objective_counters, tally, training_counters
from airflow_hpt.domain.planner import (
    DETAILS,
    Action,
    MoveTuning,
    NoteConvergence,
    StartTraining,
    StopTraining,
    plan,
)
from airflow_hpt.domain.records import StopCause, TrainingJob, TuningJob
from airflow_hpt.domain.states import (
    TrainingEvent,
    TrainingState,
    TuningEvent,
    TuningState,
    advance_training,
    advance_tuning,
)
from tests.domain.builders import EPOCH, at, categories, make_job, make_part, make_request, make_training

START = StartTraining(None)
FINISH = MoveTuning(TuningEvent.FINISHED)
LATER = at(10_000)

CLAIMED, RUNNING, STOPPING = TrainingState.CLAIMED, TrainingState.RUNNING, TrainingState.STOPPING
COMPLETED, FAILED, STOPPED = TrainingState.COMPLETED, TrainingState.FAILED, TrainingState.STOPPED


def make_trainings(*states: TrainingState, **changes: Any) -> list[TrainingJob]:
    return [make_training(index, state=state, **changes) for index, state in enumerate(states, 1)]


def limits(total: int, parallel: int = 2, **more: int) -> dict[str, int]:
    return {"MaxNumberOfTrainingJobs": total, "MaxParallelTrainingJobs": parallel, **more}


def failure(attempts: int) -> MoveTuning:
    return MoveTuning(TuningEvent.FAILED, f"No training job succeeded after {attempts} attempts. {DETAILS}")


def stopped_names(actions: list[Action]) -> list[str]:
    return [action.name for action in actions if isinstance(action, StopTraining)]


@pytest.mark.parametrize(
    ("states", "starts"),
    [
        ((), 2),
        ((CLAIMED,), 1),
        ((RUNNING, STOPPING), 0),
        ((COMPLETED, RUNNING), 1),
        ((COMPLETED, COMPLETED, COMPLETED), 1),
        ((COMPLETED, COMPLETED, COMPLETED, RUNNING), 0),
    ],
)
def test_free_places_are_filled_within_both_limits(states: tuple[TrainingState, ...], starts: int) -> None:
    assert plan(make_job(), make_trainings(*states), EPOCH) == [START] * starts


@pytest.mark.parametrize("state", [TuningState.COMPLETED, TuningState.FAILED, TuningState.STOPPED])
def test_nothing_happens_to_a_tuning_job_that_ended(state: TuningState) -> None:
    assert plan(make_job(state=state), make_trainings(COMPLETED), LATER) == []


@pytest.mark.parametrize(
    ("states", "ending"),
    [
        ((COMPLETED,) * 4, FINISH),
        ((COMPLETED, FAILED, FAILED, FAILED), FINISH),
        ((STOPPED, FAILED, FAILED, FAILED), FINISH),  # it was stopped early, with an objective
        ((FAILED,) * 4, failure(4)),
    ],
)
def test_a_used_up_budget_ends_the_tuning_job(states: tuple[TrainingState, ...], ending: MoveTuning) -> None:
    assert plan(make_job(), make_trainings(*states), EPOCH) == [ending]


def test_a_training_job_without_its_metric_is_no_failed_attempt() -> None:
    job = make_job(make_request(limits=limits(6)))
    assert plan(job, make_trainings(*[COMPLETED] * 6, history=()), EPOCH) == [FINISH]


def test_the_tuning_job_fails_when_its_first_five_training_jobs_fail() -> None:
    job = make_job(make_request(limits=limits(10)))
    trainings = make_trainings(*[FAILED] * 5, RUNNING, CLAIMED)
    stops = plan(job, trainings, EPOCH)
    assert stopped_names(stops) == [trainings[5].name, trainings[6].name]
    assert plan(job, trainings[:5], EPOCH) == [failure(5)]


def test_five_failures_after_a_success_are_endured() -> None:
    job = make_job(make_request(limits=limits(10)))
    assert plan(job, make_trainings(COMPLETED, *[FAILED] * 5), EPOCH) == [START, START]


def test_a_success_that_ends_after_five_failures_comes_too_late() -> None:
    job = make_job(make_request(limits=limits(10)))
    trainings = [*make_trainings(*[FAILED] * 5), make_training(6, state=COMPLETED)]
    assert plan(job, trainings, EPOCH) == [failure(5)]


def test_a_training_job_that_cannot_start_fails_the_tuning_job() -> None:
    trainings = [make_training(1), make_training(2, state=FAILED, failure_reason="ValidationError: no such script")]
    reason = f"One or more training jobs failed with ValidationError. {DETAILS}"
    assert plan(make_job(), trainings, EPOCH) == [MoveTuning(TuningEvent.FAILED, reason)]


def test_an_exhausted_space_ends_the_tuning_job_once_its_training_jobs_end() -> None:
    assert plan(make_job(), make_trainings(COMPLETED, RUNNING), EPOCH, exhausted=True) == []
    assert plan(make_job(), make_trainings(COMPLETED, COMPLETED), EPOCH, exhausted=True) == [FINISH]


def test_a_stop_by_the_user_stops_every_live_training_job_once() -> None:
    job = make_job(state=TuningState.STOPPING)
    trainings = make_trainings(COMPLETED, RUNNING, CLAIMED, STOPPING)
    actions = plan(job, trainings, EPOCH)
    assert stopped_names(actions) == [trainings[1].name, trainings[2].name]
    assert {action.cause for action in actions if isinstance(action, StopTraining)} == {StopCause.USER}


def test_a_stopping_tuning_job_waits_for_its_training_jobs() -> None:
    job = make_job(state=TuningState.STOPPING)
    assert plan(job, make_trainings(COMPLETED, STOPPING), EPOCH) == []
    assert plan(job, make_trainings(COMPLETED, STOPPED), EPOCH) == [MoveTuning(TuningEvent.CHILDREN_GONE)]


def stall(jobs: int, *, first: float = 0.9) -> list[TrainingJob]:
    """Return a good training job and `jobs` later ones that do not improve on it."""
    return [make_training(1, history=(first,)), *(make_training(i, history=(0.5,)) for i in range(2, jobs + 2))]


TARGET = {"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.9}}
LOW_TARGET = {
    "TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.9},
    "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "accuracy"},
}
NOT_IMPROVING = {
    "TuningJobCompletionCriteria": {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}
}
CONVERGENCE = {"TuningJobCompletionCriteria": {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}}


@pytest.mark.parametrize(
    ("config", "trainings", "now", "why"),
    [
        (TARGET, [make_training(1, history=(0.1, 0.9))], EPOCH, "reached the target 0.9"),
        (LOW_TARGET, [make_training(1, history=(0.1,))], EPOCH, "reached the target 0.9"),
        (NOT_IMPROVING, stall(3), EPOCH, "3 training jobs in a row did not improve"),
        (CONVERGENCE, stall(10), EPOCH, "converged"),
        ({"limits": limits(30, MaxRuntimeInSeconds=600)}, [make_training(1)], at(600), "MaxRuntimeInSeconds, 600"),
    ],
)
def test_completion_criteria_stop_what_runs_and_then_complete(
    config: dict[str, Any], trainings: list[TrainingJob], now: Any, why: str
) -> None:
    job = make_job(make_request(**{"limits": limits(30), **config}), converged_at=EPOCH)
    running = make_training(20, state=RUNNING)
    (stop,) = plan(job, [*trainings, running], now)
    assert isinstance(stop, StopTraining)
    assert (stop.name, stop.cause) == (running.name, StopCause.TUNING_ENDED)
    assert why in stop.why
    assert plan(job, trainings, now) == [FINISH]


@pytest.mark.parametrize(
    ("config", "trainings", "now"),
    [
        (TARGET, [make_training(1, history=(0.9, 0.1))], EPOCH),  # the final objective counts, not the best
        (TARGET, [make_training(1, history=(0.95,), state=FAILED)], EPOCH),
        (LOW_TARGET, [make_training(1, history=(0.95,))], EPOCH),
        (NOT_IMPROVING, stall(2), EPOCH),
        ({}, stall(12), EPOCH),
        ({"limits": limits(30, MaxRuntimeInSeconds=600)}, [make_training(1)], at(599)),
    ],
)
def test_a_tuning_job_goes_on_until_a_criterion_holds(
    config: dict[str, Any], trainings: list[TrainingJob], now: Any
) -> None:
    job = make_job(make_request(**{"limits": limits(30), **config}), converged_at=EPOCH)
    assert plan(job, trainings, now) == [START, START]


def test_an_ending_once_begun_is_carried_through() -> None:
    job = make_job(make_request(limits=limits(30), **NOT_IMPROVING))
    late = make_training(5, history=(0.99,), state=STOPPED, stop_cause=StopCause.TUNING_ENDED)  # an improvement
    assert plan(job, [*stall(3)[:3], late], EPOCH) == [FINISH]


def test_convergence_is_noted_once_even_when_it_completes_nothing() -> None:
    job = make_job(make_request(limits=limits(30)))
    trainings = stall(10)
    noted = plan(job, trainings, EPOCH)
    assert noted == [NoteConvergence(trainings[-1].modified_at), START, START]
    assert plan(replace(job, converged_at=EPOCH), trainings, EPOCH) == [START, START]


def test_a_time_limit_that_no_training_job_survived_fails_the_tuning_job() -> None:
    job = make_job(make_request(limits=limits(30, MaxRuntimeInSeconds=600)))
    assert plan(job, make_trainings(FAILED, FAILED), at(600)) == [failure(2)]


def test_a_bad_training_job_is_stopped_by_the_median_rule() -> None:
    job = make_job(make_request(TrainingJobEarlyStoppingType="Auto"))
    peers = [make_training(i, history=(0.5, 0.6, 0.7)) for i in (1, 2, 3)]
    running = make_training(4, state=RUNNING, history=(0.5, 0.54))
    (stop,) = plan(job, [*peers, running], EPOCH)
    assert isinstance(stop, StopTraining)
    assert (stop.name, stop.cause) == (running.name, StopCause.MEDIAN_RULE)
    assert plan(make_job(), [*peers, running], EPOCH) == []


def test_hyperband_stops_what_falls_behind() -> None:
    job = make_job(make_request(Strategy="Hyperband"))
    peers = [make_training(i, history=(0.6 + i / 100, 0.9)) for i in (1, 2)]
    running = make_training(3, state=RUNNING, history=(0.5,))
    stop, start = plan(job, [*peers, running], EPOCH)
    assert isinstance(stop, StopTraining)
    assert (stop.name, stop.cause, start) == (running.name, StopCause.HYPERBAND, START)


def test_hyperband_compares_within_one_definition() -> None:
    job = make_job(make_request(Strategy="Hyperband", definitions=[make_part("a"), make_part("b")]))
    peers = [make_training(i, history=(0.9,), definition="a") for i in (1, 2)]
    running = make_training(3, state=RUNNING, history=(0.5,), definition="b")
    assert stopped_names(plan(job, [*peers, running], EPOCH)) == []


def test_every_definition_of_a_tuning_job_gets_its_share() -> None:
    job = make_job(make_request(definitions=[make_part("a"), make_part("b")], limits=limits(4, parallel=4)))
    assert plan(job, [], EPOCH) == [StartTraining(name) for name in "abab"]


# Whole tuning jobs against random outcomes


@dataclass
class Simulation:
    """A stand-in for the engine that may lose any part of a plan, as a crash would."""

    job: TuningJob
    random: Random
    trainings: list[TrainingJob] = field(default_factory=list)
    clock: int = 0

    def run(self) -> None:
        while not self.job.state.is_terminal:
            self.clock += 1
            assert self.clock < 3000, "the tuning job does not end"
            self.check()
            for action in plan(self.job, self.trainings, at(self.clock)):
                if self.random.random() < 0.1:
                    break  # crash: the rest of the plan is lost
                self.apply(action)
            self.happen()
        self.check()
        assert plan(self.job, self.trainings, at(self.clock)) == []

    def apply(self, action: Action) -> None:
        if isinstance(action, StartTraining):
            index = len(self.trainings) + 1
            facts = {"state": CLAIMED, "history": (), "definition": action.definition, "modified_at": at(self.clock)}
            self.trainings.append(make_training(index, **facts))
        elif isinstance(action, StopTraining):
            self.move(action.name, TrainingEvent.STOP_ASKED, stop_cause=action.cause)
        elif isinstance(action, MoveTuning):
            state = advance_tuning(self.job.state, action.event)
            self.job = replace(self.job, state=state, failure_reason=action.failure_reason)
        else:
            self.job = replace(self.job, converged_at=action.at)

    def happen(self) -> None:
        """Let the world move: training jobs start, print, end; now and then the user stops the tuning job."""
        for training in self.trainings:
            if training.state is CLAIMED:
                self.move(training.name, TrainingEvent.SPAWNED)
            elif training.state.is_live:
                self.live(training)
        if self.random.random() < 0.02 and self.job.state is TuningState.IN_PROGRESS:
            self.job = replace(self.job, state=TuningState.STOPPING)

    def live(self, training: TrainingJob) -> None:
        value = self.random.choice([None, 0.1, 0.5, 0.9])
        history = training.history if value is None else (*training.history, value)
        ends = [TrainingEvent.EXITED_OK, TrainingEvent.EXITED_BAD, TrainingEvent.WAS_STOPPED]
        if training.state is RUNNING:
            ends.append(TrainingEvent.WILL_RETRY)
        event = self.random.choice([None, None, *ends])
        if event:
            self.move(training.name, event, history=history)
        else:
            self.replace(training.name, history=history)

    def move(self, name: str, event: TrainingEvent, **changes: Any) -> None:
        state = next(each.state for each in self.trainings if each.name == name)
        self.replace(name, state=advance_training(state, event), modified_at=at(self.clock), **changes)

    def replace(self, name: str, **changes: Any) -> None:
        self.trainings = [replace(each, **changes) if each.name == name else each for each in self.trainings]

    def check(self) -> None:
        live = sum(each.state.is_live for each in self.trainings)
        counts = tally(self.trainings)
        statuses, objectives = training_counters(counts), objective_counters(counts)
        assert live <= self.job.spec.limits.parallel
        assert len(self.trainings) <= self.job.spec.limits.total
        assert sum(statuses.values()) == sum(objectives.values()) == len(self.trainings)
        assert statuses["InProgress"] == objectives["Pending"] == live
        assert not (self.job.state.is_terminal and live)


PARTS = [make_part("a"), make_part("b", ranges=categories(kind=["x", "y"]), kind="Minimize")]


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    total=st.integers(1, 9),
    parallel=st.integers(1, 4),
    config=st.sampled_from(
        [
            {},
            TARGET,
            NOT_IMPROVING,
            CONVERGENCE,
            {"TrainingJobEarlyStoppingType": "Auto"},
            {"Strategy": "Hyperband"},
            {"definitions": PARTS},
        ]
    ),
    runtime=st.sampled_from([{}, {"MaxRuntimeInSeconds": 120}]),
)
def test_every_tuning_job_ends_within_its_limits(
    seed: int, total: int, parallel: int, config: dict[str, Any], runtime: dict[str, int]
) -> None:
    request = make_request(limits=limits(total, parallel, **runtime), **config)
    simulation = Simulation(make_job(request), Random(seed))
    simulation.run()
    job = simulation.job
    assert (job.failure_reason is not None) == (job.state is TuningState.FAILED)
    if job.state is TuningState.COMPLETED and not (config or runtime):
        assert len(simulation.trainings) == total

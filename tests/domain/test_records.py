"""Final objectives, the best training job, and the counters of the API."""

from typing import Any

import pytest

from airflow_hpt.domain.counters import objective_counters, objective_status, tally, training_counters
from airflow_hpt.domain.records import best
from airflow_hpt.domain.states import TrainingState
from tests.domain.builders import make_job, make_training

COMPLETED, FAILED, STOPPED = TrainingState.COMPLETED, TrainingState.FAILED, TrainingState.STOPPED


@pytest.mark.parametrize(
    ("changes", "objective", "status"),
    [
        ({"history": (0.9, 0.7)}, 0.7, "Succeeded"),  # the last value, not the best
        ({"history": (0.9,), "state": STOPPED}, 0.9, "Succeeded"),
        ({"history": ()}, None, "Failed"),
        ({"history": (), "state": STOPPED}, None, "Failed"),
        ({"history": (0.9,), "state": FAILED}, None, "Failed"),
        ({"history": (0.9,), "state": TrainingState.RUNNING}, None, "Pending"),
        ({"history": (0.9,), "state": TrainingState.STOPPING}, None, "Pending"),
    ],
)
def test_the_final_objective_is_the_last_value_of_a_job_that_ended(
    changes: dict[str, Any], objective: float | None, status: str
) -> None:
    training = make_training(**changes)
    assert (training.objective, objective_status(training)) == (objective, status)


@pytest.mark.parametrize(("maximize", "index"), [(True, 2), (False, 1)])
def test_the_earlier_training_job_wins_a_tie(maximize: bool, index: int) -> None:
    trainings = [make_training(i, history=(value,)) for i, value in enumerate((0.1, 0.9, 0.9, 0.1), 1)]
    winner = best(trainings, maximize=maximize)
    assert winner
    assert winner.index == index


def test_without_objectives_there_is_no_best_training_job() -> None:
    assert best([make_training(history=())], maximize=True) is None


def test_counters_name_every_status_even_at_zero() -> None:
    assert training_counters(tally([])) == {
        "Completed": 0,
        "InProgress": 0,
        "RetryableError": 0,
        "NonRetryableError": 0,
        "Stopped": 0,
    }
    assert objective_counters(tally([])) == {"Succeeded": 0, "Pending": 0, "Failed": 0}


def test_counters_tell_faults_of_the_platform_from_those_of_the_script() -> None:
    states = [*TrainingState, FAILED, FAILED]
    trainings = [
        make_training(i, state=state, is_retryable=i > len(TrainingState)) for i, state in enumerate(states, 1)
    ]
    assert training_counters(tally(trainings)) == {
        "Completed": 1,
        "InProgress": 3,
        "RetryableError": 2,
        "NonRetryableError": 1,
        "Stopped": 1,
    }
    assert objective_counters(tally(trainings)) == {"Succeeded": 2, "Pending": 3, "Failed": 3}


def test_a_tuning_job_is_called_what_its_request_calls_it() -> None:
    assert make_job().name == "tune"

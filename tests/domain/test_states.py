"""The legal moves of tuning jobs and training jobs."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.domain.states import (
    TRAINING_MOVES,
    TrainingEvent,
    TrainingState,
    TuningEvent,
    TuningState,
    advance_training,
    advance_tuning,
)
from airflow_hpt.errors import IllegalTransition


@given(st.sampled_from(TrainingState), st.sampled_from(TrainingEvent))
def test_a_training_job_that_ended_stays_as_it_is(state: TrainingState, event: TrainingEvent) -> None:
    if (state, event) in TRAINING_MOVES:
        assert state.is_live
        assert advance_training(state, event) is TRAINING_MOVES[state, event]
    else:
        with pytest.raises(IllegalTransition, match=f"in state {state} can take {event}"):
            advance_training(state, event)


@pytest.mark.parametrize("state", [each for each in TuningState if each.is_terminal])
@pytest.mark.parametrize("event", list(TuningEvent))
def test_a_tuning_job_that_ended_stays_as_it_is(state: TuningState, event: TuningEvent) -> None:
    with pytest.raises(IllegalTransition, match="it accepts nothing"):
        advance_tuning(state, event)


def test_a_stop_leads_through_stopping_to_stopped() -> None:
    stopping = advance_tuning(TuningState.IN_PROGRESS, TuningEvent.STOP_ASKED)
    assert stopping is TuningState.STOPPING
    assert not stopping.is_terminal
    assert advance_tuning(stopping, TuningEvent.CHILDREN_GONE) is TuningState.STOPPED


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (TrainingState.CLAIMED, "InProgress"),
        (TrainingState.RUNNING, "InProgress"),
        (TrainingState.STOPPING, "Stopping"),
        (TrainingState.FAILED, "Failed"),
    ],
)
def test_a_claimed_training_job_is_in_progress_for_the_api(state: TrainingState, status: str) -> None:
    assert state.status == status


def test_an_illegal_transition_survives_pickling() -> None:
    fault = IllegalTransition("Failed", "spawned", [])
    assert str(pickle.loads(pickle.dumps(fault))) == str(fault)

"""Early stopping and progress as functions of history."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.domain.records import TrainingJob
from airflow_hpt.domain.states import TrainingState
from airflow_hpt.domain.stopping import Progress, hyperband_rule, measure_progress, median_rule, reaches, rungs
from tests.domain.builders import at, make_job, make_part, make_request, make_training

PEERS = [(1.0, 3.0, 9.0), (2.0, 4.0, 9.0), (3.0, 5.0, 9.0)]  # running averages at epoch 2: 2, 3, 4


@pytest.mark.parametrize(
    ("history", "stops"),
    [
        ((9.0, 2.9), True),
        ((0.0, 3.0), False),  # as good as the median
        ((0.0, 3.1), False),
        ((1.0,), True),  # the median of the first values is 2
        ((), False),
        ((0.0, 0.0, 0.0), False),  # nobody went further than epoch 3
    ],
)
def test_the_median_rule_compares_with_running_averages(history: tuple[float, ...], stops: bool) -> None:
    assert bool(median_rule(history, PEERS, maximize=True)) is stops


def test_the_median_rule_says_what_it_compared() -> None:
    assert median_rule((9.0, 2.9), PEERS, maximize=True) == (
        "The objective at epoch 2 is 2.9, worse than 3, the median of the running averages of 3 training jobs up to "
        "that epoch."
    )


def test_the_median_rule_needs_three_peers_that_went_further() -> None:
    assert median_rule((0.0, 0.0), [*PEERS[:2], (9.0, 9.0)], maximize=True) is None


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=5), st.lists(st.lists(st.floats(-9, 9), max_size=7), max_size=6))
def test_minimising_mirrors_maximising(history: list[float], peers: list[list[float]]) -> None:
    def mirrored(values: list[float]) -> list[float]:
        return [-value for value in values]

    up = median_rule(history, peers, maximize=True)
    down = median_rule(mirrored(history), map(mirrored, peers), maximize=False)
    assert (up is None) == (down is None)
    up = hyperband_rule(history, peers, resources=(1, 9), maximize=True)
    down = hyperband_rule(mirrored(history), map(mirrored, peers), resources=(1, 9), maximize=False)
    assert (up is None) == (down is None)


def test_an_algorithm_that_emits_once_is_never_stopped() -> None:
    assert median_rule((0.0,), [(0.9,)] * 9, maximize=True) is None


@pytest.mark.parametrize(
    ("least", "most", "expected"), [(1, 10, [1, 3, 9]), (1, 9, [1, 3]), (2, 20, [2, 6, 18]), (4, 4, [])]
)
def test_rungs_grow_by_the_reduction_factor_below_the_most(least: int, most: int, expected: list[int]) -> None:
    assert list(rungs(least, most)) == expected


@pytest.mark.parametrize(
    ("history", "rivals", "stops"),
    [
        ((0.1,), [(0.2,), (0.3,)], True),
        ((0.25,), [(0.2,), (0.3,)], True),
        ((0.3,), [(0.2,), (0.3,)], False),  # tied for the best
        ((0.1,), [(0.2,)], False),  # too few to judge
        ((0.25,), [(0.2,), (0.3,), (0.1,)], False),  # second of four: the best third, rounded up
        ((0.9, 0.1), [(0.2,), (0.3,)], False),  # the first rung was passed, the second is not reached
        ((0.9, 0.9, 0.1), [(0.2, 0.2, 0.2), (0.3, 0.3, 0.3)], True),
        ((), [(0.2,), (0.3,)], False),
        ((0.9,) * 10, [], False),
        ((0.9,) * 11, [], True),
    ],
)
def test_hyperband_lets_the_best_third_of_a_rung_go_on(
    history: tuple[float, ...], rivals: list[tuple[float, ...]], stops: bool
) -> None:
    assert bool(hyperband_rule(history, rivals, resources=(1, 10), maximize=True)) is stops


def test_hyperband_protects_training_jobs_below_the_least_resource() -> None:
    assert hyperband_rule((0.0, 0.0), [(0.9,) * 9] * 9, resources=(3, 9), maximize=True) is None


def progress(*values: float | None, request: Any = None, **changes: Any) -> Progress:
    return measure_progress(make_job(request).spec, series(*values, **changes))


def series(*values: float | None, **changes: Any) -> list[TrainingJob]:
    histories = [() if value is None else (value,) for value in values]
    return [make_training(i, history=history, **changes) for i, history in enumerate(histories, 1)]


@pytest.mark.parametrize(
    ("values", "not_improving", "longest"),
    [
        ((), 0, 0),
        ((0.5,), 0, 0),
        ((0.5, 0.4, 0.3), 2, 2),
        ((0.5, 0.5049, 0.509), 2, 2),  # each beats the one before by less than 1 %
        ((0.5, 0.4, 0.3, 0.6), 0, 2),
        ((0.5, None, 0.4), 1, 1),
        ((0.0, 0.0, 1e-9), 0, 1),
        ((-1.0, -0.995, -0.98), 0, 1),
    ],
)
def test_a_training_job_improves_when_it_beats_the_best_by_one_percent(
    values: tuple[float | None, ...], not_improving: int, longest: int
) -> None:
    found = progress(*values)
    assert (found.not_improving, found.longest_stall) == (not_improving, longest)


def test_the_order_of_ends_counts_not_that_of_starts() -> None:
    trainings = [make_training(1, history=(0.9,), ended_at=at(999)), make_training(2, history=(0.5,))]
    assert measure_progress(make_job().spec, trainings).not_improving == 0


def test_live_and_failed_training_jobs_do_not_count() -> None:
    for state in (TrainingState.RUNNING, TrainingState.FAILED):
        assert progress(0.5, 0.4, 0.3, state=state) == Progress()


def test_convergence_is_dated_by_the_training_job_that_completed_the_run() -> None:
    assert progress(0.9, *[0.5] * 9).converged_at is None
    assert progress(0.9, *[0.5] * 10, 0.5, 0.99).converged_at == at(60 * 11)


def test_more_hyperparameters_take_longer_to_converge() -> None:
    ranges = {
        "IntegerParameterRanges": [{"Name": f"n{i}", "MinValue": "1", "MaxValue": "9"} for i in range(7)],
    }
    request = make_request(ranges=ranges)
    assert progress(0.9, *[0.5] * 13, request=request).converged_at is None
    assert progress(0.9, *[0.5] * 14, request=request).converged_at == at(60 * 15)


def test_each_objective_of_several_definitions_has_its_own_best() -> None:
    spec = make_job(make_request(definitions=[make_part("a"), make_part("b", kind="Minimize")])).spec
    values = [("a", 0.5), ("b", 9.0), ("b", 8.0), ("a", 0.6), ("b", 8.5)]
    trainings = [make_training(i, definition=name, history=(value,)) for i, (name, value) in enumerate(values, 1)]
    assert measure_progress(spec, trainings) == Progress(not_improving=1, longest_stall=1)


@pytest.mark.parametrize(
    ("value", "maximize", "reached"), [(0.9, True, True), (0.89, True, False), (0.9, False, True), (0.91, False, False)]
)
def test_a_target_is_reached_when_it_is_equalled(value: float, maximize: bool, reached: bool) -> None:
    assert reaches(value, 0.9, maximize=maximize) is reached

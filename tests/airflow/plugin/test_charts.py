"""Figures: whatever the values are, every mark lies within the drawing, and better means higher."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.plugin.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    Scale,
    lineage_chart,
    training_chart,
)
from airflow_hpt.plugin.records import Counters, Owner, TrainingJob, TuningJob

pytestmark = pytest.mark.airflow

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


def make_training(number: int, objective: float | None, status: str = "Completed") -> TrainingJob:
    return TrainingJob(f"job-{number:03d}", number, None, status, objective, {}, None, None, None)


def make_trainings(*objectives: float | None) -> list[TrainingJob]:
    return [
        make_training(number, each, "Completed" if each is not None else "Failed")
        for number, each in enumerate(objectives, 1)
    ]


def make_tuning_job(number: int, objective: float | None, *parents: str, maximize: bool = True) -> TuningJob:
    return TuningJob(
        name=f"tuning-{number}", status="Completed", is_live=False, owner=Owner("dag", "run", "task", -1), lineage="l",
        strategy="Random", created_at=BEGIN + timedelta(days=number), ended_at=None, counters=Counters(1, 0, 0, 0),
        budget=1, metric="score", objective=objective, maximize=maximize, warm_start_type=None, parents=parents,
    )  # fmt: skip


def drawn(*objectives: float | None, maximize: bool = True, to_beat: float | None = None) -> Chart:
    chart = training_chart(make_trainings(*objectives), maximize=maximize, to_beat=to_beat)
    assert chart is not None
    return chart


@given(st.lists(numbers, min_size=1, max_size=60), st.booleans(), st.none() | numbers)
def test_everything_lies_within_the_drawing(values: list[float], maximize: bool, to_beat: float | None) -> None:
    chart = drawn(*values, maximize=maximize, to_beat=to_beat)
    corners = [tuple(map(float, corner.split(","))) for corner in chart.steps.split()]
    places = [(mark.x, mark.y) for mark in chart.marks] + corners + [(tick.at, TOP) for tick in chart.across]
    assert len(chart.marks) == len(values)
    assert [each for each in places if not (LEFT <= each[0] <= WIDTH and TOP <= each[1] <= HEIGHT - BOTTOM)] == []
    assert 1 <= len(chart.up) <= 12


@given(st.lists(numbers, min_size=1, max_size=60), st.booleans())
def test_the_line_never_gets_worse(values: list[float], maximize: bool) -> None:
    ys = [float(corner.split(",")[1]) for corner in drawn(*values, maximize=maximize).steps.split()]
    assert ys == sorted(ys, reverse=maximize)


@given(st.lists(numbers, min_size=1, max_size=60), st.booleans())
def test_the_best_is_never_cut_off(values: list[float], maximize: bool) -> None:
    scale = Scale.over(values, maximize=maximize)
    assert not scale.is_beyond(max(values) if maximize else min(values))


@pytest.mark.parametrize(("maximize", "outlier"), [(True, -1e9), (False, 1e9)])
def test_an_outlier_does_not_flatten_the_others(maximize: bool, outlier: float) -> None:
    values = [0.5, 0.6, 0.7, 0.8, 0.9, outlier]
    chart = drawn(*values, maximize=maximize)
    ys = [mark.y for mark in chart.marks[:5]]
    assert max(ys) - min(ys) > 40
    assert [mark.is_cut for mark in chart.marks] == [False] * 5 + [True]


def test_larger_lies_higher() -> None:
    low, high = drawn(1.0, 2.0).marks
    assert high.y < low.y


def test_nothing_is_drawn_before_the_first_objective() -> None:
    assert training_chart([], maximize=True, to_beat=None) is None
    assert training_chart(make_trainings(None, None), maximize=True, to_beat=0.5) is None


def test_training_jobs_without_an_objective_are_marked_once_they_have_ended() -> None:
    trainings = [*make_trainings(0.5, None), make_training(3, None, "InProgress")]
    chart = training_chart(trainings, maximize=True, to_beat=None)
    assert chart is not None
    assert [(mark.kind, mark.label) for mark in chart.marks] == [
        ("completed", "1. job-001: Completed, 0.5"),
        ("failed", "2. job-002: Failed, no objective"),
    ]
    assert chart.summary == "1 of 3 training jobs have an objective; the best is 0.5."


def test_what_there_is_to_beat_is_on_the_scale() -> None:
    chart = drawn(0.5, 0.6, to_beat=0.95)
    assert chart.reference is not None
    assert chart.reference.text == "parents' best 0.95"
    assert TOP <= chart.reference.at < min(mark.y for mark in chart.marks)


def test_marks_go_from_left_to_right() -> None:
    xs = [mark.x for mark in drawn(*[0.1] * 500).marks]
    assert xs == sorted(xs)
    assert LEFT <= xs[0] < xs[-1] <= WIDTH - RIGHT


class TestLineage:
    def test_parents_are_joined_to_their_children(self) -> None:
        jobs = [make_tuning_job(1, 0.5), make_tuning_job(2, 0.6, "tuning-1", "gone"), make_tuning_job(3, None)]
        chart = lineage_chart(jobs, ["/1", "/2", "/3"])
        assert chart is not None
        first, second = chart.marks
        assert chart.lines == ((first.x, first.y, second.x, second.y),)
        assert [mark.link for mark in chart.marks] == ["/1", "/2"]

    def test_it_is_dated(self) -> None:
        chart = lineage_chart([make_tuning_job(number, 0.5) for number in range(30)], [""] * 30)
        assert chart is not None
        assert [tick.text for tick in chart.across][:2] == ["01 Nov 2026", "08 Nov 2026"]

    def test_nothing_is_drawn_of_tuning_jobs_that_found_nothing(self) -> None:
        assert lineage_chart([make_tuning_job(1, None)], ["/1"]) is None

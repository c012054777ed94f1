"""Metrics picked from log lines."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.domain.metrics import LINE_LIMIT, compile_metrics, compile_regex, emissions, single_precision
from airflow_hpt.domain.request import parse_request
from airflow_hpt.domain.space import Space
from airflow_hpt.domain.spec import MetricDefinition, Objective, TrainingSpec
from tests.domain.builders import make_request

XGBOOST = r".*\[[0-9]+\].*#011validation-auc:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*"


def found(line: str, *metrics: tuple[str, str], objective: str = "loss") -> list[tuple[str, float]]:
    definitions = tuple(MetricDefinition(name, regex) for name, regex in metrics)
    training = TrainingSpec(None, Objective(objective, maximize=False), Space(()), {}, {}, definitions)
    return emissions(line, compile_metrics(training))


LOSS = ("loss", "loss=([^ ]+)")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("loss=0.5", 0.5),
        ("epoch 3 loss=1e-3 done", single_precision(1e-3)),
        ("loss=-4", -4.0),
        ("loss=1 loss=2", 1.0),  # the first match of a line
    ],
)
def test_the_first_group_is_the_value_and_the_objective_counts_twice(line: str, value: float) -> None:
    assert found(line, LOSS) == [("loss", value), ("ObjectiveMetric", value)]


@pytest.mark.parametrize("line", ["", "accuracy=1", "loss=none", "loss=nan", "loss=inf", "loss=-inf", "loss=1e39"])
def test_what_is_not_a_finite_number_is_ignored(line: str) -> None:
    assert found(line, LOSS) == []


def test_a_group_that_took_no_part_is_ignored() -> None:
    assert found("loss", ("loss", "loss(=[0-9]+)?")) == []


def test_every_metric_is_looked_for_in_order() -> None:
    assert found("acc=0.5 loss=2", ("acc", "acc=([0-9.]+)"), LOSS) == [
        ("acc", 0.5),
        ("loss", 2.0),
        ("ObjectiveMetric", 2.0),
    ]


@pytest.mark.parametrize("line", ["[3]\ttrain-auc:0.9\tvalidation-auc:0.75", "[3]#011validation-auc:0.75"])
def test_a_tab_also_matches_as_log_transport_writes_it(line: str) -> None:
    metric = ("auc", XGBOOST)
    assert found(line, metric, objective="auc") == [("auc", 0.75), ("ObjectiveMetric", 0.75)]


def test_a_tab_matches_as_it_is() -> None:
    assert found("loss\t2", ("loss", r"loss\t([0-9])")) == [("loss", 2.0), ("ObjectiveMetric", 2.0)]


def test_a_progress_bar_is_several_lines() -> None:
    assert [value for name, value in found("loss=3\rloss=2\rloss=1", LOSS) if name == "loss"] == [3.0, 2.0, 1.0]


def test_only_the_first_part_of_a_long_line_is_searched() -> None:
    assert found("x" * LINE_LIMIT + "loss=1", LOSS) == []
    assert found("x" * (LINE_LIMIT - 6) + "loss=1", LOSS) != []


def test_the_metrics_of_a_request_end_with_the_objective() -> None:
    (training,) = parse_request(make_request()).definitions
    assert [name for name, _ in compile_metrics(training)] == ["accuracy", "ObjectiveMetric"]


@given(st.floats())
def test_values_are_single_precision_and_fit_json(value: float) -> None:
    for _, emitted in found(f"loss={value!r}", LOSS):
        assert single_precision(emitted) == emitted
        assert json.loads(json.dumps(emitted)) == emitted


@pytest.mark.parametrize(
    ("regex", "fault"),
    [("(", "unterminated subpattern"), ("a{99999999999}", "repetition number"), ("(?P<1>x)", "bad character")],
)
def test_a_broken_regex_is_a_value_error(regex: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        compile_regex(regex)


def test_an_odd_regex_compiles_without_a_warning(recwarn: Any) -> None:
    assert compile_regex("[[0-9]+(x)").groups == 1
    assert not recwarn.list

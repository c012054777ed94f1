"""What Autotune fills in."""

from typing import Any

import pytest

from airflow_hpt.domain.description import echo, request_from_description
from airflow_hpt.domain.request import parse_request
from airflow_hpt.domain.space import CategoricalRange, ContinuousRange, IntegerRange, Range, Scaling
from airflow_hpt.domain.spec import Completion, TuningSpec
from airflow_hpt.errors import InvalidRequest
from tests.domain.builders import categories, make_definition, make_part, make_request

ENABLED = {"Autotune": {"Mode": "Enabled"}}


def auto(**hints: str) -> dict[str, Any]:
    return {"AutoParameters": [{"Name": name, "ValueHint": hint} for name, hint in hints.items()]}


def tuned(ranges: dict[str, Any], **changes: Any) -> TuningSpec:
    limits = {"MaxNumberOfTrainingJobs": None}
    return parse_request(make_request(ranges=ranges, top=ENABLED, **{"limits": limits, **changes}))


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("0.01", ContinuousRange("a", 0.001, 0.1, Scaling.LOGARITHMIC)),
        ("-2.0", ContinuousRange("a", -20.0, -0.2, Scaling.LINEAR)),
        ("0.0", ContinuousRange("a", 0.0, 1.0, Scaling.LINEAR)),
        ("50", IntegerRange("a", 5, 500, Scaling.LOGARITHMIC)),
        ("3", IntegerRange("a", 1, 30, Scaling.LOGARITHMIC)),
        ("-50", IntegerRange("a", -500, -5, Scaling.LINEAR)),
        ("0", IntegerRange("a", 0, 1, Scaling.LINEAR)),
    ],
)
def test_a_number_becomes_a_range_around_it(hint: str, expected: Range) -> None:
    assert tuned({**auto(a=hint), **categories(c=["x", "y"])}).definitions[0].space.ranges == (
        expected,
        CategoricalRange("c", ("x", "y")),
    )


def test_a_hint_that_is_no_number_stays_static() -> None:
    (training,) = tuned(auto(a="0.1", b="adam", epochs="10")).definitions
    assert training.space.names == ("epochs", "a")
    assert training.static == {"sagemaker_program": '"train.py"', "b": "adam"}


@pytest.mark.parametrize(
    ("ranges", "total"),
    [
        (auto(a="0.1"), 20),
        (auto(a="0.1", b="7"), 40),
        (auto(**{f"a{i}": "0.1" for i in range(9)}), 100),
        (categories(c=["x", "y", "z"]), 3),
    ],
)
def test_a_budget_is_filled_in(ranges: dict[str, Any], total: int) -> None:
    assert tuned(ranges).limits.total == total


def test_given_limits_and_criteria_are_kept() -> None:
    criteria = {"TargetObjectiveMetricValue": 0.9}
    spec = tuned(auto(a="0.1"), limits={"MaxNumberOfTrainingJobs": 5}, TuningJobCompletionCriteria=criteria)
    assert (spec.limits.total, spec.completion) == (5, Completion(target=0.9))
    assert tuned(auto(a="0.1")).completion == Completion(on_convergence=True)


def test_a_grid_still_counts_for_itself() -> None:
    assert tuned(categories(c=["x", "y", "z"]), Strategy="Grid").limits.total == 3


def test_several_definitions_are_filled_in_each() -> None:
    definitions = [make_part("a", ranges=auto(x="1.0")), make_part("b", ranges=auto(y="0"))]
    spec = parse_request(make_request(definitions=definitions, limits={"MaxNumberOfTrainingJobs": None}, top=ENABLED))
    assert [each.space.names for each in spec.definitions] == [("x",), ("y",)]
    assert spec.limits.total == 40


def test_a_description_shows_what_was_filled_in() -> None:
    spec = tuned(auto(a="0.1"), definition=make_definition(StaticHyperParameters={"a": "0.1"}))
    shown = echo(spec)
    assert shown["Autotune"] == {"Mode": "Enabled"}
    config = shown["HyperParameterTuningJobConfig"]
    assert config["ParameterRanges"]["ContinuousParameterRanges"] == [
        {"Name": "a", "MinValue": "0.01", "MaxValue": "1.0", "ScalingType": "Logarithmic"}
    ]
    assert config["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 20
    (back,) = parse_request(request_from_description(shown)).definitions
    assert (back.space, back.static) == (spec.definitions[0].space, {})


def test_autotune_needs_something_to_tune() -> None:
    with pytest.raises(InvalidRequest, match="names no hyperparameter to tune"):
        tuned(auto(a="adam"))

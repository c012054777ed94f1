"""Every template field of every task, rendered to something that it cannot be."""

from typing import Any

import pytest

from airflow_hpt import (
    DataRefreshSensor,
    StopTuningJobOperator,
    TuningHook,
    TuningJobOperator,
    TuningJobSensor,
    WarmStartTuningJobOperator,
    latest,
)
from airflow_hpt._compat import airflow_error
from airflow_hpt.errors import ConnectionUnusable
from tests.airflow.conftest import make_connection, make_context
from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow

AirflowFailException = airflow_error("AirflowFailException")

GOOD: dict[type, dict[str, Any]] = {
    TuningJobOperator: {"config": make_config(), "wait_for_completion": False},
    WarmStartTuningJobOperator: {"config": make_config(), "parents": "parent", "wait_for_completion": False},
    StopTuningJobOperator: {"job_name": "parent"},
    TuningJobSensor: {"job_name": "parent"},
    DataRefreshSensor: {"inputs": "s3://bucket/data", "lineage": "digits"},
}
# What each field cannot be, and what its error then says.
NO_TEXT = [5.5, True, {"a": 1}, [None]]
NO_JOB = [5, None, "", {"status": "Failed"}, [None]]
WRONG: dict[str, tuple[list[Any], str]] = {
    "aws_conn_id": (
        ["", "  ", 5, {}, [None]],
        "aws_conn_id holds .* after rendering; it takes the id",
    ),
    "region_name": (
        ["", "  ", "eu west!", 5, {}],
        "region_name holds .* after rendering; it takes an AWS region",
    ),
    "verify": (["", 5, {}, [None]], "verify holds .* after rendering; it takes True, False, the path"),
    "config": (
        [5, "  ", "text", [1], {"a": 1}],
        "config must be|config was rendered to text|TuningJobConfig is missing",
    ),
    "overrides": ([5, "text", [1]], "overrides must be a dictionary|overrides was rendered to text that is not JSON"),
    "name_prefix": (NO_TEXT, "name_prefix holds .* after rendering; it takes a text"),
    "lineage": (NO_TEXT, "lineage holds .* after rendering; it takes a text"),
    "data_fingerprint": (
        [5, "text", [1], {"a": 1}],
        "is not a data fingerprint; it|has no data_fingerprint",
    ),
    "baseline": ([5, "text", [1], {"a": 1}], "is not a data fingerprint; it|has no data_fingerprint"),
    "warm_start_type": ([5, None, "", {}, [None]], "warm_start_type is .*; it is one of 'auto'"),
    "parents": ([*NO_JOB, latest("x", limit="many")], "parents holds .* after rendering; "),  # type: ignore[arg-type]
    "job_name": (
        [*NO_JOB, [], ["one", "two"]],
        "job_name holds .* after rendering; |job_name must name one",
    ),
    "inputs": (
        [5, None, "", "bucket/data", {}, [], {"a": 1}],
        "inputs holds .* after rendering; |inputs must hold",
    ),
    "listings": ([5, "bucket/data", {"a": 1}], "listings holds .* after rendering; it takes locations like s3://"),
}
WAYS: dict[str, dict[str, Any]] = {"blocking": {"deferrable": False}, "deferred": {"deferrable": True}}
CASES = [
    pytest.param(kind, way, field, value, WRONG[field][1], id=f"{kind.__name__}-{name}-{field}-{value!r}")
    for kind in GOOD
    for name, way in ({"stops": {}} if kind is StopTuningJobOperator else WAYS).items()
    for field in kind.template_fields  # type: ignore[attr-defined]
    for value in WRONG[field][0]
]


@pytest.mark.parametrize(("kind", "way", "field", "value", "message"), CASES)
def test_it_fails_at_once_and_says_what_was_given(
    fake: FakeSageMaker, kind: Any, way: dict[str, Any], field: str, value: Any, message: str
) -> None:
    fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName="parent"))
    end(fake.jobs["parent"])
    operator = kind(task_id="task", **{"aws_conn_id": "fake", **GOOD[kind], field: value, **way})
    with pytest.raises(AirflowFailException, match=message):
        operator.execute(make_context(operator))
    assert list(fake.jobs) == ["parent"]


@pytest.mark.parametrize("kind", GOOD)
def test_a_connection_that_is_missing_is_never_replaced(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ACCESS_KEY_ID": "of",
        "SECRET_ACCESS_KEY": "the machine",
        "DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    operator = kind(task_id="task", **{**GOOD[kind], "aws_conn_id": "nowhere"})
    with pytest.raises(ConnectionUnusable, match=r"no connection 'nowhere'.*aws_conn_id=None"):
        operator.execute(make_context(operator))


@pytest.mark.parametrize("kind", [kind for kind in GOOD if kind is not DataRefreshSensor])  # S3 needs no region
@pytest.mark.parametrize(("region", "said"), [(None, "no AWS region"), ("eu west!", "no AWS region but 'eu west!'")])
def test_a_connection_without_region_says_where_to_put_it(
    kind: Any, region: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_NO_REGION", make_connection("http://127.0.0.1:1", region_name=region))
    operator = kind(task_id="task", **{**GOOD[kind], "aws_conn_id": "no_region"})
    with pytest.raises(ConnectionUnusable, match=rf"{said}\. Add \"region_name\" to its extra, .* or pass region_name"):
        operator.execute(make_context(operator))


@pytest.mark.parametrize(("given", "kept"), [(7, "7"), ("", "retrain"), ("  ", "retrain"), (None, "retrain")])
def test_a_lineage_may_be_a_number_and_is_the_dag_s_id_by_default(fake: FakeSageMaker, given: Any, kept: str) -> None:
    operator = TuningJobOperator(task_id="task", **GOOD[TuningJobOperator], aws_conn_id="fake", lineage=given)
    assert operator.execute(make_context(operator))["lineage"] == kept


def test_parents_of_another_region_are_sought_where_the_task_works(
    fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tuning job cannot start from one of another region, so there it does not exist."""
    operator = WarmStartTuningJobOperator(
        task_id="task",
        config=make_config(),
        parents={"job_name": "far-away", "region": "us-east-1"},
        aws_conn_id="fake",
    )
    with pytest.raises(AirflowFailException, match="no tuning job far-away in region eu-west-1"):
        operator.execute(make_context(operator))
    assert TuningHook("fake").region == "eu-west-1"

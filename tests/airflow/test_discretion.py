"""What a tuning task keeps to itself, and what it does not ask for."""

from importlib.util import find_spec
from typing import Any

import pytest

from airflow_hpt.operators.tuning import TuningJobOperator
from tests.airflow.conftest import make_context
from tests.airflow.fake_sagemaker import FakeSageMaker
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow


def make_secretive_config() -> dict[str, Any]:
    config = make_config()
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://of-another-account/data/"}
    config["TrainingJobDefinition"] |= {
        "Environment": {"TOKEN": "hunter2"},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
    }
    config["TrainingJobDefinition"]["StaticHyperParameters"]["password"] = "correct horse"
    return config


def start(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    settings = {"task_id": "tune", "config": config, "aws_conn_id": "fake", "wait_for_completion": False}
    operator = TuningJobOperator(**{**settings, **changes})
    return operator.execute(make_context(operator))


def test_the_log_of_a_task_does_not_hold_its_request(
    fake: FakeSageMaker, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("INFO"):
        start(make_secretive_config())
    printed = capfd.readouterr()
    logged = caplog.text + printed.out + printed.err
    assert "Created tuning job" in logged
    assert [secret for secret in ("hunter2", "correct horse") if secret in logged] == []


def test_only_rights_on_the_tuning_api_are_needed(fake: FakeSageMaker) -> None:
    """The training role reads the data, so the task need not be able to."""
    start(make_secretive_config())
    assert {operation for operation, _ in fake.calls} <= {
        "CreateHyperParameterTuningJob",
        "DescribeHyperParameterTuningJob",
        "ListTags",
        "ListTrainingJobsForHyperParameterTuningJob",
    }


def test_without_waiting_nothing_is_deferred(fake: FakeSageMaker) -> None:
    assert start(make_config(), deferrable=True)["status"] == "InProgress"


def test_deferring_needs_no_aiobotocore() -> None:
    """The tests of deferred tasks would not run here if it did."""
    assert find_spec("aiobotocore") is None

"""The data of a tuning job, when it is to be read and cannot be."""

from typing import Any

import pytest

from airflow_hpt import TuningJobOperator, WarmStartTuningJobOperator
from airflow_hpt._compat import airflow_error
from airflow_hpt.errors import HptError, ObjectUnavailable, ServiceUnavailable
from tests.airflow.conftest import make_context
from tests.airflow.fake_s3 import FakeS3
from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow

CREATE = "CreateHyperParameterTuningJob"
S3_SOURCE = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/data/"}}
FILE_SYSTEM = {
    "FileSystemDataSource": {
        "FileSystemId": "fs-0123456789",
        "FileSystemAccessMode": "ro",
        "FileSystemType": "EFS",
        "DirectoryPath": "/data",
    }
}
QUICK = {"retries": {"total_max_attempts": 1}}


def make_data_config(source: dict[str, Any] = S3_SOURCE) -> dict[str, Any]:
    config = make_config()
    config["TrainingJobDefinition"]["InputDataConfig"] = [{"ChannelName": "train", "DataSource": source}]
    return config


def start(kind: Any = TuningJobOperator, **changes: Any) -> dict[str, Any]:
    settings = {"task_id": "tune", "config": make_data_config(), "aws_conn_id": "fake", "wait_for_completion": False}
    operator = kind(**{**settings, "botocore_config": QUICK, **changes})
    return operator.execute(make_context(operator))


def retune(fake: FakeSageMaker, **changes: Any) -> dict[str, Any]:
    """Start from a parent that saw what is at s3://bucket/data/ now, the type left open."""
    fake.CreateHyperParameterTuningJob(make_data_config() | {"HyperParameterTuningJobName": "parent"})
    end(fake.jobs["parent"])
    return start(WarmStartTuningJobOperator, parents="parent", **changes)


@pytest.mark.parametrize(
    ("fault", "source", "error", "message"),
    [
        (("AccessDenied", 403), S3_SOURCE, ObjectUnavailable, "Allow s3:ListBucket on arn:aws:s3:::bucket"),
        (("NoSuchBucket", 404), S3_SOURCE, ObjectUnavailable, "Create the bucket, or correct the location"),
        (("SlowDown", 503), S3_SOURCE, ServiceUnavailable, "was turned away"),
        (None, FILE_SYSTEM, airflow_error("AirflowFailException"), "takes locations like s3://bucket/prefix"),
    ],
)
def test_what_is_asked_for_and_cannot_be_read_fails_before_anything_is_started(
    fake: FakeSageMaker, fake_s3: FakeS3, fault: Any, source: Any, error: type[HptError], message: str
) -> None:
    fake_s3.faults = [fault] if fault else []
    with pytest.raises(error, match=f"{message}.*data_fingerprint='auto'; leave that out"):
        start(config=make_data_config(source), data_fingerprint="auto")
    assert fake.count(CREATE) == 0


@pytest.mark.parametrize(
    ("fault", "source"), [(("AccessDenied", 403), S3_SOURCE), (("SlowDown", 503), S3_SOURCE), (None, FILE_SYSTEM)]
)
def test_where_only_the_type_depends_on_it_the_data_is_taken_for_changed(
    fake: FakeSageMaker, fake_s3: FakeS3, caplog: pytest.LogCaptureFixture, fault: Any, source: Any
) -> None:
    """A tuning job needs no rights of its task on the data."""
    fake_s3.faults = [fault] if fault else []
    with caplog.at_level("WARNING"):
        result = retune(fake, config=make_data_config(source))
    assert result["warm_start_type"] == "TransferLearning"
    assert result["warm_start_reason"].startswith("It is not known whether the input data changed")
    assert result["data_fingerprint"] is None
    assert "Whether the input data has changed is therefore not known" in caplog.text


@pytest.mark.parametrize("given", [None, "", "None", {"data_fingerprint": None}])
def test_without_a_fingerprint_the_data_is_read_to_choose_the_type(
    fake: FakeSageMaker, fake_s3: FakeS3, given: Any
) -> None:
    fake_s3.listing = lambda bucket: [("data/a", 1, "e")]
    result = retune(fake, data_fingerprint=given)
    assert result["data_fingerprint"].endswith("-1-1")
    assert result["warm_start_reason"] == "It is not known what data parent saw."


def test_a_type_that_is_given_needs_no_data(fake: FakeSageMaker, fake_s3: FakeS3) -> None:
    assert retune(fake, warm_start_type="TransferLearning")["data_fingerprint"] is None
    assert fake_s3.requests == []


@pytest.mark.parametrize(
    "run", [lambda fake: start(data_fingerprint="auto"), retune], ids=["asked for", "for the type"]
)
def test_an_empty_prefix_fails_before_anything_is_started(fake: FakeSageMaker, fake_s3: FakeS3, run: Any) -> None:
    with pytest.raises(ObjectUnavailable, match=r"no data in s3://bucket/data/, .* DataRefreshSensor"):
        run(fake)
    assert fake.count(CREATE) == 0


def test_a_text_that_is_no_fingerprint_is_refused(fake: FakeSageMaker) -> None:
    with pytest.raises(airflow_error("AirflowFailException"), match="'Auto' is not a data fingerprint"):
        start(data_fingerprint="Auto")

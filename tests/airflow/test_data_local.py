"""Refreshed data with the real local service: its folder for S3, its search by tags."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_hpt.hooks.data import DataHook
from airflow_hpt.hooks.identity import DATA_TAG, LINEAGE_TAG
from airflow_hpt.hooks.refresh import RefreshWatch
from airflow_hpt.hooks.tuning import TuningHook
from airflow_hpt.sensors.data import DataRefreshSensor
from airflow_hpt.testing import LocalService
from tests.driving import Driver

pytestmark = pytest.mark.airflow

INPUTS = {"train": "s3://refreshed/train/"}


@pytest.fixture(params=["hpt_local", None], ids=["connection", "variables"])
def connection(request: pytest.FixtureRequest, hpt_airflow: LocalService) -> str | None:
    """What leads to the local service: the Airflow connection, or boto3's own variables."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def tune(hpt_airflow: LocalService, tmp_path: Path) -> Callable[..., None]:
    """Run a tuning job with tags."""

    def run(tags: dict[str, str], body: str = "print('score=1')") -> None:
        driver = Driver(hpt_airflow.client(), tmp_path)
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        driver.run(driver.request(body, Tags=listed))

    return run


def test_the_tag_of_the_latest_tuning_job_is_the_baseline(
    connection: str | None, tune: Callable[..., None], hpt_airflow: LocalService
) -> None:
    lineage = f"digits-{connection}"
    owner: Any = DataRefreshSensor(
        task_id="refresh", inputs=INPUTS, lineage=lineage, listings="s3://refreshed/listings", aws_conn_id=connection
    )
    data = DataHook(TuningHook(connection))
    data.write("s3://refreshed/train/a.csv", io.BytesIO(b"1"))
    data.write("s3://refreshed/train/b.csv", io.BytesIO(b"2"))
    assert (hpt_airflow.s3 / "refreshed" / "train" / "a.csv").read_text() == "1"
    first = RefreshWatch(owner).look()
    assert first
    assert first.report["change"] == "first"
    tune({LINEAGE_TAG: lineage, DATA_TAG: first.report["data_fingerprint"]})
    assert RefreshWatch(owner).look() is None
    data.write("s3://refreshed/train/a.csv", io.BytesIO(b"one"))
    refresh = RefreshWatch(owner).look()
    assert refresh
    assert (refresh.report["summary"], refresh.report["changed_bytes"]) == ("changed 1 (train/a.csv)", 3)
    (hpt_airflow.s3 / "refreshed" / "train" / "b.csv").unlink()


def test_a_tuning_job_that_failed_has_not_learnt_the_data(tune: Callable[..., None]) -> None:
    owner: Any = DataRefreshSensor(task_id="refresh", inputs=INPUTS, lineage="failing", aws_conn_id="hpt_local")
    DataHook(TuningHook("hpt_local")).write("s3://refreshed/train/a.csv", io.BytesIO(b"1"))
    first = RefreshWatch(owner).look()
    assert first
    tune({LINEAGE_TAG: "failing", DATA_TAG: first.report["data_fingerprint"]}, body="sys.exit(1)")
    assert RefreshWatch(owner).look()

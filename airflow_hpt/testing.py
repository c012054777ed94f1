"""Pytest fixtures for tests of your own DAGs against a live local service.

    # conftest.py
    pytest_plugins = ["airflow_hpt.testing"]

    # test_my_dag.py
    def test_the_dag_tunes(hpt_airflow):
        dag.test()  # its tasks use aws_conn_id="hpt_local"
        job = hpt_airflow.client().describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=...)

The service starts once per session, in a folder and on a port of its own, and is stopped at the end.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_hpt.local import daemon
from airflow_hpt.local.client import sagemaker
from airflow_hpt.local.environment import variables
from airflow_hpt.local.home import Home, Settings

STOP_PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class LocalService:
    """A local service that runs for the tests."""

    home: Home
    settings: Settings

    @property
    def endpoint(self) -> str:
        """Return the URL of the service."""
        return self.settings.endpoint

    @property
    def env(self) -> Mapping[str, str]:
        """Return the variables that `airflow-hpt local env` prints."""
        return variables(self.home, self.settings)

    @property
    def s3(self) -> Path:
        """Return the folder that stands for S3; `s3://bucket/key` is the file `bucket/key` in it."""
        return self.home.s3_root(self.settings)

    def client(self) -> Any:
        """Return a new boto3 client of SageMaker for this service."""
        return sagemaker(self.home)


@pytest.fixture(scope="session")
def hpt_local_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """Run a local service for the session."""
    home = Home(tmp_path_factory.mktemp("airflow-hpt"))
    service = daemon.start(home, Settings(port=0))
    local = LocalService(home, service.settings)
    yield local
    _stop_tuning_jobs(local.client())
    daemon.stop(home)


def _stop_tuning_jobs(client: Any) -> None:
    """Stop what the tests left running; training jobs would outlive the service."""
    for page in client.get_paginator("list_hyper_parameter_tuning_jobs").paginate(StatusEquals="InProgress"):
        for job in page["HyperParameterTuningJobSummaries"]:
            client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=job["HyperParameterTuningJobName"])
    deadline = time.monotonic() + STOP_PATIENCE_SECONDS
    while time.monotonic() < deadline and client.list_training_jobs(StatusEquals="Stopping")["TrainingJobSummaries"]:
        time.sleep(0.1)


@pytest.fixture
def hpt_airflow(hpt_local_service: LocalService, monkeypatch: pytest.MonkeyPatch) -> LocalService:
    """Give the tests the Airflow connection `hpt_local` and the variables of the service, for one test."""
    for name, value in hpt_local_service.env.items():
        monkeypatch.setenv(name, value)
    return hpt_local_service

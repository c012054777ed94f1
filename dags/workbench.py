"""What `make demo` and `make up` have in common: a local service and an Airflow in a folder of the project."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_hpt.local import daemon
from airflow_hpt.local.client import sagemaker
from airflow_hpt.local.environment import variables
from airflow_hpt.local.home import Home, Settings

DAGS = Path(__file__).parent
PROJECT = DAGS.parent
STOP_SECONDS = 30


@contextmanager
def local_service(folder: Path) -> Iterator[Mapping[str, str]]:
    """Run a local service; yield the variables that point clients at it; stop it and what it trains."""
    home = Home(folder)
    if daemon.running(home) is None:
        daemon.start(home, Settings(port=0))
    try:
        yield variables(home, home.last_settings())
    finally:
        _stop_tuning(sagemaker(home))
        daemon.stop(home)


def _stop_tuning(client: Any) -> None:
    """Stop every tuning job and wait for its training jobs, which would outlive the service."""
    for status in ("InProgress", "Stopping"):
        for page in client.get_paginator("list_hyper_parameter_tuning_jobs").paginate(StatusEquals=status):
            for job in page["HyperParameterTuningJobSummaries"]:
                _stop(client, job["HyperParameterTuningJobName"])


def _stop(client: Any, name: str) -> None:
    def status() -> str:
        return client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)[
            "HyperParameterTuningJobStatus"
        ]

    if status() == "InProgress":
        client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    deadline = time.monotonic() + STOP_SECONDS
    while status() == "Stopping" and time.monotonic() < deadline:
        time.sleep(0.2)


def airflow_environment(folder: Path, service: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an Airflow that lives in `folder`, its database ready."""
    unrelated = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "HPT_"))}
    environment = {
        **unrelated,
        **service,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # Airflow starts itself by name
    }
    folder.mkdir(parents=True, exist_ok=True)
    migrating = [sys.executable, "-m", "airflow", "db", "migrate"]
    done = subprocess.run(migrating, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"Airflow's database cannot be made ready:\n{done.stdout}{done.stderr}")
    return environment

"""Data that changes, in the eyes of a real triggerer: retuned once per change, and sensed without a worker."""

import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from airflow_hpt.hooks.identity import DATA_TAG
from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.standalone.conftest import Airflow, until

pytestmark = pytest.mark.standalone

REMEMBERS = bool(find_spec("airflow.triggers.shared_stream"))  # as watchers do from Airflow 3.3 on


def put(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    folder.joinpath(name).write_text(name)


def await_retuning(airflow: Airflow, number: int) -> None:
    """Wait until that many files have been reported and every run of the watched DAG has ended well."""

    def is_done() -> bool:
        runs = airflow.call("GET", "/api/v2/dags/watched/dagRuns")["dag_runs"]
        if {run["state"] for run in runs} != {"success"}:
            return False
        try:
            told = reports(airflow)
        except HTTPError:  # Airflow 3.1 cannot tell of an event whose run has not begun
            return False
        return len(runs) == len(told) and told[-1]["objects"] == number

    until(is_done, what=f"{number} files have been reported and retuned on")


def reports(airflow: Airflow) -> list[dict[str, Any]]:
    """Return what the watcher has reported, the oldest first."""
    found = airflow.call("GET", "/api/v2/assets/events?order_by=timestamp")["asset_events"]
    return [event["extra"]["payload"] for event in found]


def parents(job: dict[str, Any]) -> list[str]:
    listed = job.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", ())
    return [each["HyperParameterTuningJobName"] for each in listed]


def test_each_change_of_watched_data_is_retuned_once(airflow: Airflow, service: FakeSageMaker) -> None:
    service.on_describe = end
    until(lambda: airflow.knows("watched"), what="Airflow has read the DAG")
    for number in (1, 2):
        put(airflow.data / "watched", f"part-{number}.csv")
        await_retuning(airflow, number)
    airflow.signal_triggerers(signal.SIGTERM)
    put(airflow.data / "watched", "part-3.csv")
    airflow.start_triggerer()
    await_retuning(airflow, 3)
    airflow.pause("watched")  # before Airflow 3.3, a triggerer that is started reports the data once more
    told = reports(airflow)
    if not REMEMBERS:  # a triggerer that takes over reports the data once more
        assert {each["objects"] for each in told} == {1, 2, 3}
        return
    assert [(each["objects"], each["baseline_objects"]) for each in told] == [(1, None), (2, 1), (3, 2)]
    names, jobs = list(service.jobs), list(service.jobs.values())
    assert [parents(job) for job in jobs] == [[], names[:1], names[1::-1]]
    tags = [service.tags[job["HyperParameterTuningJobArn"]][DATA_TAG] for job in jobs]
    assert tags == [each["data_fingerprint"] for each in told]


def test_a_deferred_sensor_returns_what_the_triggerer_has_seen(airflow: Airflow) -> None:
    put(airflow.data / "sensed", "part-1.csv")
    run = airflow.start("sensed")
    run.await_state("success")
    report = run.result()
    added = [airflow.data.joinpath("sensed", "part-1.csv").as_uri()]
    assert (report["change"], report["objects"], report["added"]) == ("first", 1, added)

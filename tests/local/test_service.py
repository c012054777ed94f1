"""The service put together: real threads, real processes, real clock."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_hpt.errors import ServiceUnavailable
from airflow_hpt.local.runner.objects import FolderObjects
from airflow_hpt.local.runner.processes import ProcessRunner
from airflow_hpt.local.service.assembly import Service
from tests.requests import make_training_definition, make_tuning_config, make_tuning_request

SCRIPT = """
import sys, time
print("score=" + sys.argv[sys.argv.index("-x") + 1], flush=True)
while "--wait" in sys.argv:
    time.sleep(0.05)
"""
DEADLINE_SECONDS = 60


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Callable[[], Service]]:
    running: list[Service] = []
    home = tmp_path / "home"
    home.mkdir()

    def make() -> Service:
        objects = FolderObjects(home / "s3")
        runner = ProcessRunner(home / "jobs", objects, grace_seconds=2)
        service = Service(home, region="eu-west-1", slots=2, runner=runner, objects=objects)
        service.start()
        running.append(service)
        return service

    yield make
    for service in running:
        service.stop()


def request(
    folder: Path, name: str = "digits", *, static: dict[str, str] | None = None, **config: Any
) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(SCRIPT)
    names = {"sagemaker_program": "train.py", "sagemaker_submit_directory": folder.as_uri(), **(static or {})}
    return make_tuning_request(
        name,
        HyperParameterTuningJobConfig=make_tuning_config(**config),
        TrainingJobDefinition=make_training_definition(StaticHyperParameters=names),
    )


def wait(service: Service, done: Callable[[dict[str, Any]], bool], name: str = "digits") -> dict[str, Any]:
    """Describe until `done`."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        shown = service.operations.call("DescribeHyperParameterTuningJob", {"HyperParameterTuningJobName": name})
        assert shown
        if done(shown):
            return shown
        time.sleep(0.02)
    raise AssertionError(f"not done in time: {shown}")


def is_over(shown: dict[str, Any]) -> bool:
    return bool(shown["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped"))


def runs(count: int) -> Callable[[dict[str, Any]], bool]:
    return lambda shown: bool(shown["TrainingJobStatusCounters"]["InProgress"] == count)


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
def test_a_tuning_job_runs_to_its_end(make_service: Callable[[], Service], tmp_path: Path, strategy: str) -> None:
    service = make_service()
    service.operations.call(
        "CreateHyperParameterTuningJob", request(tmp_path / "code", jobs=3, parallel=2, Strategy=strategy)
    )
    shown = wait(service, is_over)
    assert shown["HyperParameterTuningJobStatus"] == "Completed"
    assert shown["ObjectiveStatusCounters"] == {"Succeeded": 3, "Pending": 0, "Failed": 0}
    best = shown["BestTrainingJob"]
    value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert value == pytest.approx(float(best["TunedHyperParameters"]["x"]))


def test_training_jobs_outlive_the_service_and_are_adopted_by_the_next(
    make_service: Callable[[], Service], tmp_path: Path
) -> None:
    service = make_service()
    asked = request(tmp_path / "code", static={"wait": "1"}, jobs=4, parallel=2)
    service.operations.call("CreateHyperParameterTuningJob", asked)
    wait(service, runs(2))
    service.stop()
    again = make_service()
    again.operations.call("StopHyperParameterTuningJob", {"HyperParameterTuningJobName": "digits"})
    shown = wait(again, is_over)
    assert shown["HyperParameterTuningJobStatus"] == "Stopped"
    assert shown["TrainingJobStatusCounters"]["Stopped"] == 2
    assert len(list((tmp_path / "home" / "jobs").iterdir())) == 2


def test_a_service_that_is_stopped_twice_or_never_started_stops_quietly(
    make_service: Callable[[], Service], tmp_path: Path
) -> None:
    make_service().stop()
    objects = FolderObjects(tmp_path / "s3")
    runner = ProcessRunner(tmp_path / "jobs", objects)
    Service(tmp_path, region="eu-west-1", slots=1, runner=runner, objects=objects).stop()


def test_a_home_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("something else entirely, and long enough to be read as a header" * 40)
    objects = FolderObjects(tmp_path / "s3")
    with pytest.raises(ServiceUnavailable, match="cannot be opened as the state of a local service"):
        Service(tmp_path, region="r", slots=1, runner=ProcessRunner(tmp_path / "jobs", objects), objects=objects)

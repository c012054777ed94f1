"""What users do with a local service: tune, look, stop, retune, crash and go on."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from airflow_hpt.local import daemon
from airflow_hpt.local.home import Home, Settings
from airflow_hpt.testing import LocalService
from tests.driving import PRINT_SCORE, Driver, eventually
from tests.requests import make_tuning_config
from tests.serving import airflow_hpt


def warm_start(kind: str, *parents: str) -> dict[str, Any]:
    listed = [{"HyperParameterTuningJobName": parent} for parent in parents]
    return {"ParentHyperParameterTuningJobs": listed, "WarmStartType": kind}


def test_boto3_finds_the_service_by_the_variables_alone(hpt_airflow: LocalService, tmp_path: Path) -> None:
    name = Driver(boto3.client("sagemaker"), tmp_path).run(Driver(hpt_airflow.client(), tmp_path).request())
    listed = boto3.client("sagemaker").list_hyper_parameter_tuning_jobs(
        NameContains=name["HyperParameterTuningJobName"]
    )
    assert [job["HyperParameterTuningJobStatus"] for job in listed["HyperParameterTuningJobSummaries"]] == ["Completed"]


def test_the_model_of_the_best_training_job_lies_where_describe_says(
    hpt_local_service: LocalService, tuning: Driver
) -> None:
    body = f'{PRINT_SCORE}; open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write(str(args.x))'
    best = tuning.run(tuning.request(body))["BestTrainingJob"]
    artifact = tuning.training(best["TrainingJobName"])["ModelArtifacts"]["S3ModelArtifacts"]
    archive = hpt_local_service.s3 / artifact.removeprefix("s3://")
    shutil.unpack_archive(archive, tmp := tuning.folder / "unpacked")
    assert float((tmp / "model.txt").read_text()) == pytest.approx(float(best["TunedHyperParameters"]["x"]))


@pytest.mark.parametrize("strategy", ["Bayesian", "Random"])
@pytest.mark.parametrize("kind", ["IdenticalDataAndAlgorithm", "TransferLearning"])
def test_a_retuning_job_learns_from_its_parent(tuning: Driver, kind: str, strategy: str) -> None:
    config = make_tuning_config(jobs=3, parallel=1, Strategy=strategy)
    parent = tuning.request(HyperParameterTuningJobConfig=config)
    tuning.run(parent)
    child = parent | {
        "HyperParameterTuningJobName": f"{parent['HyperParameterTuningJobName']}-child",
        "WarmStartConfig": warm_start(kind, parent["HyperParameterTuningJobName"]),
    }
    described = tuning.run(child)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["WarmStartConfig"] == child["WarmStartConfig"]
    tried = [
        [training["TunedHyperParameters"]["x"] for training in tuning.children(request["HyperParameterTuningJobName"])]
        for request in (parent, child)
    ]
    if kind == "IdenticalDataAndAlgorithm":
        assert not set(tried[0]) & set(tried[1]), "a configuration of the parent was tried again"


def test_jobs_and_report_show_what_there_is(hpt_local_service: LocalService, tuning: Driver) -> None:
    parent = tuning.run(tuning.request())["HyperParameterTuningJobName"]
    static = tuning.describe(parent)["TrainingJobDefinition"]["StaticHyperParameters"]
    body = 'sys.exit("no luck") if "-002-" in job else print(f"score={args.x}")'
    request = tuning.request(body, WarmStartConfig=warm_start("TransferLearning", parent))
    assert (
        static.keys() - {"_tuning_objective_metric"} == request["TrainingJobDefinition"]["StaticHyperParameters"].keys()
    )
    described = tuning.run(request)
    name, best = described["HyperParameterTuningJobName"], described["BestTrainingJob"]
    jobs = airflow_hpt("jobs", "--home", hpt_local_service.home.path)
    (row,) = [line for line in jobs.splitlines() if line.strip().startswith(f"{name} ")]
    assert "Completed" in row
    assert "2 done, 1 failed of 3" in row
    report = airflow_hpt("report", name, "--home", hpt_local_service.home.path)
    assert f"TransferLearning from {parent}" in report
    assert f"by {best['TrainingJobName']}" in report
    assert f"x = {best['TunedHyperParameters']['x']}" in report
    assert "no luck" in report
    log = airflow_hpt("local", "logs", best["TrainingJobName"], "--home", hpt_local_service.home.path)
    assert "score=" in log


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[LocalService]:
    """Run a service of this test alone, because it is going to be killed."""
    home = Home(tmp_path / "home")
    service = LocalService(home, daemon.start(home, Settings(port=0, slots=2)).settings)
    yield service
    daemon.stop(home)


def restart(service: LocalService) -> None:
    daemon.start(service.home, service.settings)


def test_a_service_that_is_killed_again_and_again_loses_no_training_job_and_runs_none_twice(
    own_service: LocalService, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    body = f'open("{marks}/" + job, "a").write("ran\\n"); time.sleep(0.3); {PRINT_SCORE}'
    driver = Driver(own_service.client(), tmp_path)
    name = driver.create(driver.request(body, HyperParameterTuningJobConfig=make_tuning_config(jobs=14, parallel=2)))
    for finished in (1, 4, 5, 9):
        eventually(lambda: len(list(marks.iterdir())) > finished, what="a training job")  # noqa: B023
        pid = own_service.home.serving_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: own_service.home.serving_pid() is None, what="the end of the service")
        restart(own_service)
    described = driver.ended(name)
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    assert described["TrainingJobStatusCounters"]["Completed"] == 14
    assert {mark.name: mark.read_text() for mark in marks.iterdir()} == {
        child["TrainingJobName"]: "ran\n" for child in driver.children(name)
    }


def test_training_jobs_outlive_a_stop_and_are_taken_over_at_the_next_start(
    own_service: LocalService, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    body = f'while not os.path.exists("{gate}"): time.sleep(0.02)\n{PRINT_SCORE}'
    driver = Driver(own_service.client(), tmp_path)
    name = driver.create(driver.request(body))
    driver.seen(name, lambda job: job["TrainingJobStatusCounters"]["InProgress"])
    assert daemon.stop(own_service.home) is not None
    gate.touch()
    restart(own_service)
    assert driver.ended(name)["TrainingJobStatusCounters"]["Completed"] == 3


def aws_variables(service: LocalService) -> Mapping[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return inherited | dict(service.env) | {"AWS_PAGER": ""}


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")
def test_the_aws_cli_creates_describes_lists_stops_and_deletes(hpt_local_service: LocalService, tuning: Driver) -> None:
    def aws(operation: str, *arguments: str) -> str:
        command = ["aws", "--endpoint-url", hpt_local_service.endpoint, "sagemaker", operation, *arguments]
        return subprocess.check_output([*command, "--output", "text"], text=True, env=aws_variables(hpt_local_service))

    request = tuning.request("time.sleep(60)")
    name = request["HyperParameterTuningJobName"]
    which = ("--hyper-parameter-tuning-job-name", name)
    assert name in aws("create-hyper-parameter-tuning-job", "--cli-input-json", json.dumps(request))
    query = ("--query", "HyperParameterTuningJobStatus")
    assert aws("describe-hyper-parameter-tuning-job", *which, *query).strip() == "InProgress"
    assert aws("stop-hyper-parameter-tuning-job", *which) == ""
    assert tuning.ended(name)["HyperParameterTuningJobStatus"] == "Stopped"
    assert name in aws("list-hyper-parameter-tuning-jobs", "--name-contains", name)
    assert aws("delete-hyper-parameter-tuning-job", *which) == ""
    assert name not in aws("list-hyper-parameter-tuning-jobs", "--name-contains", name)


def test_report_names_the_definitions_of_a_job_with_several_algorithms(
    hpt_local_service: LocalService, tuning: Driver
) -> None:
    request = tuning.request()
    definition, config = request.pop("TrainingJobDefinition"), request["HyperParameterTuningJobConfig"]
    parts = {
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    request["TrainingJobDefinitions"] = [definition | parts | {"DefinitionName": name} for name in ("first", "second")]
    name = tuning.run(request)["HyperParameterTuningJobName"]
    shown = airflow_hpt("report", name, "--home", hpt_local_service.home.path)
    used = {child["TrainingJobDefinitionName"] for child in tuning.children(name)}
    assert used <= {"first", "second"}
    assert [definition for definition in used if definition not in shown] == []

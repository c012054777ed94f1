"""Airflow's own SageMaker operator and sensor, unmodified, against a local service whose S3 is a moto server."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from airflow_hpt.local import daemon
from airflow_hpt.local.home import Home, Settings
from airflow_hpt.testing import LocalService
from tests.driving import Driver

pytestmark = pytest.mark.airflow

SCRIPT = """
assert os.listdir(os.environ["SM_CHANNEL_TRAIN"]) == ["part.csv"]
open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write("a model")
print(f"score={args.x}")
"""


@pytest.fixture(scope="module")
def s3_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """Run a service that keeps its objects in a moto server; both take any keys."""
    moto = ThreadedMotoServer("127.0.0.1", port=0)
    moto.start()
    port = moto.get_host_and_port()[1]
    home = Home(tmp_path_factory.mktemp("stock"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "any")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "any")
        running = daemon.start(home, Settings(port=0, s3_endpoint=f"http://127.0.0.1:{port}"))
    yield LocalService(home, running.settings)
    daemon.stop(home)
    moto.stop()


@pytest.fixture
def config(s3_service: LocalService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Give a request whose script and data lie in S3."""
    for name, value in s3_service.env.items():
        monkeypatch.setenv(name, value)
    driver = Driver(s3_service.client(), tmp_path)
    static = driver.script(SCRIPT)
    with tarfile.open(tmp_path / "source.tar.gz", "w:gz") as archive:
        archive.add(static["sagemaker_submit_directory"].removeprefix("file://") + "/train.py", "train.py")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="models")
    s3.upload_file(str(tmp_path / "source.tar.gz"), "models", "code/source.tar.gz")
    s3.put_object(Bucket="models", Key="data/part.csv", Body=b"1,2\n")
    request = driver.request()
    definition = request["TrainingJobDefinition"]
    definition["StaticHyperParameters"]["sagemaker_submit_directory"] = "s3://models/code/source.tar.gz"
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://models/data"}
    definition["InputDataConfig"] = [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
    return request


def test_the_stock_operator_waits_for_a_tuning_job_of_the_local_service(config: dict[str, Any]) -> None:
    from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTuningOperator

    operator = SageMakerTuningOperator(task_id="tune", config=config, aws_conn_id="hpt_local", check_interval=1)
    described = operator.execute({})["Tuning"]
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    artifact = f"out/{described['BestTrainingJob']['TrainingJobName']}/output/model.tar.gz"
    assert artifact in [entry["Key"] for entry in boto3.client("s3").list_objects_v2(Bucket="models")["Contents"]]


def test_the_stock_operator_reports_a_failed_tuning_job(config: dict[str, Any]) -> None:
    from airflow.providers.amazon.aws.operators.sagemaker import SageMakerTuningOperator
    from airflow.sdk.exceptions import AirflowException

    config["TrainingJobDefinition"]["StoppingCondition"]["MaxRuntimeInSeconds"] = 60
    config["TrainingJobDefinition"]["InputDataConfig"][0]["ChannelName"] = "other"  # the script does not know it
    operator = SageMakerTuningOperator(task_id="tune", config=config, aws_conn_id="hpt_local", check_interval=1)
    with pytest.raises(AirflowException, match="No training job succeeded after 3 attempts"):
        operator.execute({})


def test_the_stock_sensor_sees_the_end_of_a_tuning_job(config: dict[str, Any], s3_service: LocalService) -> None:
    from airflow.providers.amazon.aws.sensors.sagemaker import SageMakerTuningSensor

    s3_service.client().create_hyper_parameter_tuning_job(**config)
    name = config["HyperParameterTuningJobName"]
    sensor = SageMakerTuningSensor(
        task_id="wait", job_name=name, aws_conn_id="hpt_local", poke_interval=0.2, timeout=60
    )
    sensor.execute({})
    (job,) = s3_service.client().list_hyper_parameter_tuning_jobs(NameContains=name)["HyperParameterTuningJobSummaries"]
    assert job["HyperParameterTuningJobStatus"] == "Completed"

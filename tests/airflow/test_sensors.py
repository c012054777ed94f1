"""TuningJobSensor: waits for a job of somebody else, also for one that does not exist yet."""

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred

from airflow_hpt.errors import InvalidRequest, TuningJobFailed, TuningJobStopped, TuningJobUnsuccessful
from airflow_hpt.sensors.tuning import TuningJobSensor
from tests.airflow.conftest import make_context
from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow

DESCRIBE = "DescribeHyperParameterTuningJob"


def make_sensor(**changes: Any) -> TuningJobSensor:
    settings = {"task_id": "wait", "job_name": "tune", "aws_conn_id": "fake", "poke_interval": 0.01}
    return TuningJobSensor(**{**settings, **changes})


def run(sensor: TuningJobSensor) -> Any:
    return sensor.execute(make_context(sensor))


@pytest.fixture
def job(fake: FakeSageMaker) -> dict[str, Any]:
    fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName="tune"))
    return fake.jobs["tune"]


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("job_name", ["tune", {"job_name": "tune"}])
def test_a_job_that_has_ended_gives_its_result(
    fake: FakeSageMaker, job: dict[str, Any], deferrable: bool, job_name: Any
) -> None:
    end(job)
    assert run(make_sensor(deferrable=deferrable, job_name=job_name))["best_objective"] == 0.9


def test_it_pokes_until_the_job_ends(fake: FakeSageMaker, job: dict[str, Any]) -> None:
    fake.on_describe = lambda job: end(job) if fake.count(DESCRIBE) == 3 else None
    assert run(make_sensor())["status"] == "Completed"


def test_passing_faults_are_sat_out(fake: FakeSageMaker, job: dict[str, Any]) -> None:
    end(job)
    fake.fail_next("ThrottlingException", times=2)
    assert run(make_sensor(botocore_config={"retries": {"total_max_attempts": 1}}))["status"] == "Completed"


def test_a_job_that_never_appears_times_out(fake: FakeSageMaker) -> None:
    with pytest.raises(AirflowSensorTimeout):
        run(make_sensor(timeout=0.05))


def test_a_deferred_wait_ends_with_the_sensor_s_timeout(fake: FakeSageMaker, job: dict[str, Any]) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        run(make_sensor(deferrable=True, timeout=77))
    assert (deferred.value.timeout.total_seconds(), deferred.value.trigger.wait_until_created) == (77, True)


@pytest.mark.parametrize(
    ("status", "stopped", "error"),
    [("Failed", "succeed", TuningJobFailed), ("Stopped", "fail", TuningJobStopped), ("Stopped", "succeed", None)],
)
@pytest.mark.parametrize("resumed", [True, False])
def test_ends_mean_what_they_mean_to_the_operator(
    fake: FakeSageMaker, job: dict[str, Any], status: str, stopped: str, error: type | None, resumed: bool
) -> None:
    end(job, status)
    sensor = make_sensor(stopped=stopped)
    event = {"job_name": "tune", "status": status, "problem": None}
    finish = (lambda: sensor.execute_complete(make_context(sensor), event)) if resumed else (lambda: run(sensor))
    if error:
        with pytest.raises(error, match=status):
            finish()
    else:
        assert finish()["status"] == status


def test_a_problem_of_the_trigger_fails_the_sensor(fake: FakeSageMaker) -> None:
    sensor = make_sensor()
    with pytest.raises(TuningJobUnsuccessful, match="No rights"):
        sensor.execute_complete(make_context(sensor), {"job_name": "tune", "problem": "No rights."})


@pytest.mark.parametrize("job_name", [None, ["a", "b"], {}])
def test_what_names_no_job_is_refused(fake: FakeSageMaker, job_name: Any) -> None:
    with pytest.raises(InvalidRequest, match="job_name"):
        run(make_sensor(job_name=job_name))

"""TuningJobSensor: waits for a job of somebody else, also for one that does not exist yet."""

import asyncio
from typing import Any

import pytest

from airflow_hpt._compat import airflow_error
from airflow_hpt.errors import TuningJobFailed, TuningJobStopped, TuningJobUnsuccessful
from airflow_hpt.sensors.tuning import TuningJobSensor
from tests.airflow.conftest import make_context
from tests.airflow.fake_sagemaker import FakeSageMaker, end, training
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow

AirflowSensorTimeout = airflow_error("AirflowSensorTimeout")
TaskDeferred = airflow_error("TaskDeferred")

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


class TestTarget:
    """With a target, the sensor waits for a training job that is good enough."""

    @pytest.fixture(autouse=True)
    def _best_so_far(self, job: dict[str, Any]) -> None:
        job["BestTrainingJob"] = training("tune-001-abcdef01", objective=0.9)

    @pytest.mark.parametrize(
        ("kind", "target", "reached"),
        [("Maximize", 0.9, True), ("Maximize", 0.95, False), ("Minimize", 0.95, True), ("Minimize", 0.5, False)],
    )
    def test_it_depends_on_the_direction(
        self, fake: FakeSageMaker, job: dict[str, Any], kind: str, target: float, reached: bool
    ) -> None:
        job["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["Type"] = kind
        sensor = make_sensor(target_objective=target)
        seen = sensor.poke(make_context(sensor))
        assert bool(seen) is reached
        assert not reached or (seen.xcom_value["status"], seen.xcom_value["best_objective"]) == ("InProgress", 0.9)

    def test_a_job_that_ends_below_it_is_a_failure(self, fake: FakeSageMaker, job: dict[str, Any]) -> None:
        end(job)
        with pytest.raises(TuningJobFailed, match=r"without reaching the objective 0\.99: its best is .* 0\.9"):
            run(make_sensor(target_objective=0.99))

    def test_the_trigger_fires_when_it_is_reached(self, fake: FakeSageMaker, job: dict[str, Any]) -> None:
        sensor = make_sensor(target_objective=0.95, deferrable=True)
        with pytest.raises(TaskDeferred) as deferred:
            run(sensor)
        trigger = deferred.value.trigger
        assert trigger.shared_stream_key() is None
        job["BestTrainingJob"] = training("tune-002-abcdef01", objective=0.96)

        async def first() -> Any:
            return (await asyncio.wait_for(anext(trigger.run()), 20)).payload

        event = asyncio.run(first())
        assert event == {"job_name": "tune", "status": "InProgress", "problem": None}
        assert sensor.execute_complete(make_context(sensor), event)["best_objective"] == 0.96


def test_a_problem_of_the_trigger_fails_the_sensor(fake: FakeSageMaker) -> None:
    sensor = make_sensor()
    with pytest.raises(TuningJobUnsuccessful, match="No rights"):
        sensor.execute_complete(make_context(sensor), {"job_name": "tune", "problem": "No rights."})

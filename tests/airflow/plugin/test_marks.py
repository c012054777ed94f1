"""A deferred task that is marked while nothing in the triggerer looks after its tuning job."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_hpt.plugin import marks
from airflow_hpt.plugin.registration import Marks
from airflow_hpt.triggers.tuning import TuningJobFinished
from tests.airflow.fake_sagemaker import FakeSageMaker
from tests.airflow.plugin.pages import add_job

pytestmark = pytest.mark.airflow

STOP = "StopHyperParameterTuningJob"
EVENTS = ("on_task_instance_success", "on_task_instance_failed", "on_task_instance_skipped")


def waiting(job_name: str, *, stop_on_kill: bool = True) -> Any:
    """Return what listeners are given of a task that was deferred for a tuning job."""
    trigger = TuningJobFinished(job_name, aws_conn_id="fake", stop_on_kill=stop_on_kill)
    classpath, kwargs = trigger.serialize()
    return SimpleNamespace(trigger_id=1, trigger=SimpleNamespace(classpath=classpath, kwargs=kwargs))


def tell(event: str, task_instance: Any) -> None:
    """Have Airflow tell the plugin's listener of an event, and see the work that comes of it through."""
    from airflow.listeners.listener import get_listener_manager

    manager = get_listener_manager()
    details = {"error": None} if event == "on_task_instance_failed" else {}
    manager.clear()
    with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        patch.setattr(marks, "GRACE_SECONDS", 0.0)
        patch.setattr(marks, "_pool", pool)
        manager.add_listener(Marks())
        getattr(manager.hook, event)(previous_state=None, task_instance=task_instance, **details)
        manager.clear()


@pytest.mark.parametrize("event", EVENTS)
def test_a_tuning_job_that_nothing_has_stopped_is_stopped(
    fake: FakeSageMaker, caplog: pytest.LogCaptureFixture, event: str
) -> None:
    job = add_job(fake, "job")
    with caplog.at_level("INFO", "airflow_hpt"):
        tell(event, waiting("job"))
    assert job["HyperParameterTuningJobStatus"] == "Stopping"
    assert "Stopped tuning job job: a user has ended its task" in caplog.text


@pytest.mark.parametrize("status", ["Stopping", "Stopped", "Completed"])
def test_one_that_its_trigger_has_stopped_is_left_alone(fake: FakeSageMaker, status: str) -> None:
    add_job(fake, "job")["HyperParameterTuningJobStatus"] = status
    tell("on_task_instance_failed", waiting("job"))
    assert fake.count(STOP) == 0


@pytest.mark.parametrize(
    "task_instance",
    [
        waiting("job", stop_on_kill=False),
        SimpleNamespace(trigger_id=None, trigger=None),  # did not wait
        SimpleNamespace(trigger_id=1, trigger=None),  # its trigger is gone
        SimpleNamespace(trigger_id=1, trigger=SimpleNamespace(classpath="another.Trigger", kwargs={})),
        SimpleNamespace(task_id="tune"),  # as a worker's task process has it
    ],
)
def test_other_ends_are_of_no_concern(fake: FakeSageMaker, task_instance: Any) -> None:
    add_job(fake, "job")
    tell("on_task_instance_failed", task_instance)
    assert fake.calls[1:] == []


@pytest.mark.parametrize(
    ("connection", "said"),
    [("fake", "AccessDenied"), ("forgotten", "forgotten")],
    ids=["no rights", "no connection"],
)
def test_a_tuning_job_that_cannot_be_stopped_is_named(
    fake: FakeSageMaker, caplog: pytest.LogCaptureFixture, connection: str, said: str
) -> None:
    add_job(fake, "job")
    fake.fail_next("AccessDeniedException")
    task_instance = waiting("job")
    task_instance.trigger.kwargs["aws_conn_id"] = connection
    tell("on_task_instance_failed", task_instance)
    assert "Tuning job job may go on although its task was ended" in caplog.text
    assert said in caplog.text

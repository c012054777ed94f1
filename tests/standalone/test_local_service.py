"""The provider and the local service together, when either has a bad day."""

import os
import signal

import pytest

from tests.standalone.conftest import Airflow, until
from tests.standalone.local_jobs import Counts, LocalJobs

pytestmark = pytest.mark.standalone

RUNNING = "InProgress"


def test_a_service_that_is_killed_and_started_again_loses_nothing(airflow: Airflow, local: LocalJobs) -> None:
    run = airflow.start("short")
    run.await_state("deferred")
    until(lambda: local.training_statuses() == [RUNNING, RUNNING], what="both training jobs run")
    local.kill()
    local.start()
    run.await_state("success")
    assert local.counts() == Counts(created=1, stopped=0, running=0)
    assert local.training_statuses() == ["Completed", "Completed"]


def test_who_may_stop_a_deferred_task_s_tuning_job_is_a_choice(airflow: Airflow, local: LocalJobs) -> None:
    kept, ended = airflow.start("kept"), airflow.start("ended")
    for run in (kept, ended):
        run.await_state("deferred")
    until(lambda: local.counts().created == 2 and local.waits == 2, what="both waits have begun")
    kept.mark("failed")
    ended.mark("failed")  # the triggerer hears of it later than of the other one
    until(lambda: local.counts().stopped == 1, what="one tuning job is stopped")
    until(lambda: "Stopped" in local.statuses(), what="its training jobs have ended")
    assert local.counts() == Counts(created=2, stopped=1, running=1)


def test_a_worker_that_is_shut_down_stops_the_tuning_job_if_that_was_asked_for(
    airflow: Airflow, local: LocalJobs
) -> None:
    run = airflow.start("guarded")
    run.await_state("running")
    until(lambda: local.training_statuses() == [RUNNING, RUNNING], what="both training jobs run")
    (task,) = run.tries()
    os.kill(task["pid"], signal.SIGTERM)
    until(lambda: local.statuses() == ["Stopped"], what="the tuning job is stopped")
    run.await_state("failed")
    assert local.counts() == Counts(created=1, stopped=1, running=0)


def test_airflow_s_execution_timeout_ends_the_tuning_job_too(airflow: Airflow, local: LocalJobs) -> None:
    run = airflow.start("timed")
    run.await_state("failed")
    until(lambda: local.statuses() == ["Stopped"], what="the tuning job is stopped")
    assert local.counts() == Counts(created=1, stopped=1, running=0)


@pytest.mark.parametrize(
    ("dag", "words"),
    [
        ("unanswered", ("No answer from the tuning service at http://127.0.0.1:", "airflow-hpt local start")),
        ("refused", ("Check the credentials of Airflow connection 'hpt_wrong_keys'", "airflow-hpt local env")),
        ("unconnected", ("Airflow knows no connection 'hpt_forgotten'", "AIRFLOW_CONN_HPT_FORGOTTEN")),
    ],
)
def test_a_start_that_cannot_be_made_says_why_in_the_task_s_log(
    airflow: Airflow, local: LocalJobs, dag: str, words: tuple[str, ...]
) -> None:
    run = airflow.start(dag)
    run.await_state("failed")
    log = run.log()
    assert [each for each in words if each not in log] == []
    assert local.counts() == Counts(created=0, stopped=0, running=0)


def test_triggers_that_call_aws_on_the_event_loop_do_not_lock_up_with_ours(
    airflow: Airflow, local: LocalJobs, connections: dict[str, str]
) -> None:
    airflow.store_connection("hpt_stored", connections["AIRFLOW_CONN_HPT_LOCAL"])
    run = airflow.start("crowded")
    until(lambda: run.state() == "success", what="everybody has been served", seconds=120)
    assert local.counts() == Counts(created=4, stopped=0, running=0)

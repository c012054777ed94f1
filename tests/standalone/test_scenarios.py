"""Whatever happens to worker, triggerer or user: no tuning job is orphaned, doubled or a false success."""

import os
import signal
import time
from importlib.util import find_spec

import pytest

from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.standalone.conftest import Airflow, Run, until

pytestmark = pytest.mark.standalone

CREATE, STOP, DESCRIBE, LIST = (
    "CreateHyperParameterTuningJob",
    "StopHyperParameterTuningJob",
    "DescribeHyperParameterTuningJob",
    "ListHyperParameterTuningJobs",
)
RUNNING, STOPPING = "InProgress", "Stopping"


def statuses(service: FakeSageMaker) -> list[str]:
    return [job["HyperParameterTuningJobStatus"] for job in service.jobs.values()]


def count(service: FakeSageMaker, operation: str) -> int:
    """Count the calls about this scenario's tuning jobs; tasks of the one before may still be at theirs."""
    named = (body["HyperParameterTuningJobName"] for called, body in service.calls if called == operation)
    return sum(name in service.jobs for name in named)


def end_all(service: FakeSageMaker) -> None:
    for job in service.jobs.values():
        if job["HyperParameterTuningJobStatus"] == RUNNING:
            end(job)


def start(airflow: Airflow, service: FakeSageMaker, dag: str, *, state: str) -> Run:
    """Start a run and wait until its tuning job runs and its task waits."""
    run = airflow.start(dag)
    run.await_state(state)
    # Two looks by the worker, one by who waits. Airflow tells a trigger of a user's act only once it has started.
    until(lambda: count(service, DESCRIBE) >= 3, what="the wait has begun")
    assert statuses(service) == [RUNNING]
    return run


class TestDeferred:
    def test_it_ends_with_its_tuning_job(self, airflow: Airflow, service: FakeSageMaker) -> None:
        run = start(airflow, service, "deferred", state="deferred")
        end_all(service)
        run.await_state("success")
        assert (count(service, CREATE), count(service, STOP)) == (1, 0)

    @pytest.mark.parametrize("state", ["failed", "success"])
    def test_a_user_who_marks_it_stops_the_tuning_job(
        self, airflow: Airflow, service: FakeSageMaker, state: str
    ) -> None:
        run = start(airflow, service, "deferred", state="deferred")
        run.mark(state)
        until(lambda: statuses(service) == [STOPPING], what="the tuning job is stopped")
        assert (count(service, CREATE), count(service, STOP)) == (1, 1)

    def test_a_user_who_fails_its_run_stops_the_tuning_job(self, airflow: Airflow, service: FakeSageMaker) -> None:
        run = start(airflow, service, "deferred", state="deferred")
        run.mark_run("failed")
        until(lambda: statuses(service) == [STOPPING], what="the tuning job is stopped")
        assert (count(service, CREATE), count(service, STOP)) == (1, 1)

    def test_a_user_who_marks_it_while_no_triggerer_runs_stops_the_tuning_job(
        self, airflow: Airflow, service: FakeSageMaker
    ) -> None:
        airflow.signal_triggerers(signal.SIGKILL)
        try:
            run = airflow.start("deferred")
            run.await_state("deferred")
            run.mark("failed")
            until(lambda: statuses(service) == [STOPPING], what="the tuning job is stopped")
        finally:
            airflow.start_triggerer()
        assert (count(service, CREATE), count(service, STOP)) == (1, 1)

    def test_a_user_who_clears_it_stops_the_tuning_job_and_gets_a_new_one(
        self, airflow: Airflow, service: FakeSageMaker
    ) -> None:
        run = start(airflow, service, "deferred", state="deferred")
        run.clear()
        until(lambda: statuses(service) == [STOPPING, RUNNING], what="one is stopped, another one runs")
        end_all(service)
        run.await_state("success")
        assert (statuses(service), count(service, CREATE)) == ([STOPPING, "Completed"], 2)

    def test_a_triggerer_that_restarts_goes_on_waiting(self, airflow: Airflow, service: FakeSageMaker) -> None:
        run = start(airflow, service, "deferred", state="deferred")
        airflow.signal_triggerers(signal.SIGKILL)
        time.sleep(3)
        assert statuses(service) == [RUNNING]
        airflow.start_triggerer()
        end_all(service)
        run.await_state("success", seconds=150)
        assert (count(service, CREATE), count(service, STOP)) == (1, 0)

    def test_a_triggerer_that_wakes_up_after_another_one_has_taken_over_stops_nothing(
        self, airflow: Airflow, service: FakeSageMaker
    ) -> None:
        run = start(airflow, service, "deferred", state="deferred")
        airflow.signal_triggerers(signal.SIGSTOP)
        looks = count(service, DESCRIBE)
        airflow.start_triggerer()
        until(lambda: count(service, DESCRIBE) > looks, what="another triggerer waits")
        airflow.signal_triggerers(signal.SIGCONT)
        until(lambda: "trigger completed" in run.log(), what="the first one has given up")
        airflow.signal_triggerers(signal.SIGKILL, but_newest=True)  # each triggerer lists for itself
        assert statuses(service) == [RUNNING]
        end_all(service)
        run.await_state("success")
        assert (count(service, CREATE), count(service, STOP)) == (1, 0)

    def test_a_wait_that_times_out_stops_the_tuning_job(self, airflow: Airflow, service: FakeSageMaker) -> None:
        run = airflow.start("impatient")
        run.await_state("failed")
        until(lambda: "trigger completed" in run.log(), what="the triggerer has given up, too")
        assert (statuses(service), count(service, CREATE), count(service, STOP)) == ([STOPPING], 1, 1)

    def test_a_service_that_is_out_of_order_for_a_while_is_waited_for(
        self, airflow: Airflow, service: FakeSageMaker
    ) -> None:
        run = start(airflow, service, "deferred", state="deferred")
        service.fail_next("InternalFailure", status=500, times=12)
        until(lambda: not service.faults, what="all faults were met")
        end_all(service)
        run.await_state("success")
        assert (count(service, CREATE), count(service, STOP)) == (1, 0)


class TestBlocking:
    def test_a_retry_after_a_killed_process_takes_over(self, airflow: Airflow, service: FakeSageMaker) -> None:
        run = start(airflow, service, "blocking", state="running")
        kill_task(airflow, run)
        until(lambda: [each["try_number"] for each in run.tries()] == [2], what="the second try")
        run.await_state("running")
        until(lambda: service.count("ListTags") > 0, what="the second try has found the job")
        end_all(service)
        run.await_state("success")
        assert (count(service, CREATE), count(service, STOP)) == (1, 0)

    def test_a_user_who_marks_it_stops_the_tuning_job(self, airflow: Airflow, service: FakeSageMaker) -> None:
        run = start(airflow, service, "blocking", state="running")
        run.mark("failed")
        until(lambda: statuses(service) == [STOPPING], what="the tuning job is stopped")
        assert count(service, CREATE) == 1

    def test_a_process_that_is_ended_from_outside_leaves_the_tuning_job_to_the_retry(
        self, airflow: Airflow, service: FakeSageMaker
    ) -> None:
        run = start(airflow, service, "blocking", state="running")
        kill_task(airflow, run, signal.SIGTERM)
        time.sleep(6)
        assert statuses(service) == [RUNNING]
        end_all(service)
        run.await_state("success")
        assert (count(service, CREATE), count(service, STOP)) == (1, 0)


def test_a_run_that_takes_too_long_stops_its_tuning_jobs(airflow: Airflow, service: FakeSageMaker) -> None:
    run = airflow.start("overdue")  # one task waits deferred, one in a worker
    run.await_state("skipped")
    until(lambda: statuses(service) == [STOPPING] * 2, what="both tuning jobs are stopped")
    assert (run.state(), count(service, CREATE), count(service, STOP)) == ("failed", 2, 2)


def test_twenty_mapped_tasks_have_twenty_tuning_jobs_and_share_their_listings(
    airflow: Airflow, service: FakeSageMaker
) -> None:
    run = airflow.start("mapped")
    run.await_state("deferred", seconds=240)
    until(lambda: count(service, DESCRIBE) >= 60, what="every wait has begun")
    assert statuses(service) == [RUNNING] * 20
    described, listed, began = count(service, DESCRIBE), service.count(LIST), time.monotonic()
    time.sleep(10)
    described, listed = count(service, DESCRIBE) - described, service.count(LIST) - listed
    seconds = time.monotonic() - began
    if find_spec("airflow.triggers.shared_stream"):  # new in Airflow 3.3; looking for it may import all of Airflow
        assert described == 0
        assert 1 <= listed <= seconds + 2
    end_all(service)
    run.await_state("success", seconds=240)
    assert (count(service, CREATE), count(service, STOP)) == (20, 0)
    assert {each["rendered_map_index"] for each in run.tries()} == {f"region-{i}" for i in range(20)}


def kill_task(airflow: Airflow, run: Run, sent: int = signal.SIGKILL) -> None:
    """Send a signal to the process that runs the task."""
    (ti,) = run.tries()
    os.kill(ti["pid"], sent)

"""The trigger that waits for a tuning job: what ends the wait, what is sat out, what a user's kill does."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from airflow_hpt.hooks import clients, polling
from airflow_hpt.hooks.tuning import TuningHook
from airflow_hpt.triggers import tuning as module
from airflow_hpt.triggers.tuning import TuningJobFinished
from tests.airflow.conftest import set_state
from tests.airflow.fake_sagemaker import FakeSageMaker, Refusal, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow

DESCRIBE = "DescribeHyperParameterTuningJob"
LIST = "ListHyperParameterTuningJobs"
EARLIER, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)


@contextmanager
def replaced(fake: FakeSageMaker, operation: str, answer: Callable[[dict[str, Any]], Any]) -> Iterator[None]:
    """Let the fake answer an operation in another way."""
    setattr(fake, operation, answer)
    try:
        yield
    finally:
        delattr(fake, operation)


def make_trigger(**changes: Any) -> TuningJobFinished:
    return TuningJobFinished(**{"job_name": "tune", "aws_conn_id": "fake", "poll_seconds": 0.01, **changes})


def belonging_to_a_task(trigger: TuningJobFinished) -> TuningJobFinished:
    ti = SimpleNamespace(dag_id="retrain", task_id="tune", run_id="run-1", map_index=-1)
    vars(trigger).update(task_instance=ti, _task_instance=ti)  # where Airflow 3.1 and 3.3 keep it
    return trigger


def first_event(trigger: TuningJobFinished, *, seconds: float = 20) -> Any:
    async def run() -> Any:
        return (await asyncio.wait_for(anext(trigger.run()), seconds)).payload

    return asyncio.run(run())


@pytest.fixture
def job(fake: FakeSageMaker) -> dict[str, Any]:
    fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName="tune"))
    return fake.jobs["tune"]


def test_it_can_be_rebuilt_in_another_process() -> None:
    path, arguments = make_trigger(botocore_config={"read_timeout": 9}, stop_on_kill=True).serialize()
    assert path == f"{TuningJobFinished.__module__}.{TuningJobFinished.__name__}"
    assert TuningJobFinished(**arguments).serialize() == (path, arguments)


@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped", "DeleteFailed"])
def test_it_fires_at_every_end(fake: FakeSageMaker, job: dict[str, Any], status: str) -> None:
    fake.on_describe = lambda job: end(job, status) if fake.count(DESCRIBE) == 3 else None
    assert first_event(make_trigger()) == {"job_name": "tune", "status": status, "problem": None}


def test_passing_faults_are_sat_out(fake: FakeSageMaker, job: dict[str, Any]) -> None:
    for code, status in (("ThrottlingException", 400), ("InternalFailure", 500), ("ExpiredTokenException", 400)):
        fake.fail_next(code, status=status)
    end(job)
    assert first_event(make_trigger(botocore_config={"retries": {"total_max_attempts": 1}}))["status"] == "Completed"
    assert fake.count(DESCRIBE) == 4


@pytest.mark.parametrize(
    ("changes", "code", "problem"),
    [
        ({}, "AccessDeniedException", "Check the credentials of Airflow connection 'fake'"),
        ({"aws_conn_id": "nowhere"}, None, "Airflow knows no connection 'nowhere'"),
        ({"job_name": "gone"}, None, "can't find a tuning job called gone"),
    ],
)
def test_what_will_not_pass_is_reported(
    fake: FakeSageMaker, job: dict[str, Any], changes: dict[str, Any], code: str | None, problem: str
) -> None:
    if code:
        fake.fail_next(code)
    assert problem in first_event(make_trigger(**changes))["problem"]


def test_a_job_that_does_not_exist_yet_can_be_waited_for(fake: FakeSageMaker) -> None:
    def appear(body: dict[str, Any]) -> dict[str, Any]:
        if fake.count(DESCRIBE) == 3:
            fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName="tune"))
            end(fake.jobs["tune"])
        return FakeSageMaker.DescribeHyperParameterTuningJob(fake, body)

    with replaced(fake, DESCRIBE, appear):
        assert first_event(make_trigger(wait_until_created=True))["status"] == "Completed"


@pytest.mark.parametrize(("stop_on_kill", "status"), [(True, "Stopping"), (False, "InProgress")])
def test_a_user_who_ends_the_task_stops_the_job_if_asked_to(
    fake: FakeSageMaker, job: dict[str, Any], stop_on_kill: bool, status: str
) -> None:
    asyncio.run(make_trigger(stop_on_kill=stop_on_kill).on_kill())
    assert job["HyperParameterTuningJobStatus"] == status


@pytest.mark.parametrize(
    ("state", "status"),
    [("failed", "Stopping"), ("scheduled", "Stopping"), (None, "Stopping"), ("deferred", "InProgress")],
    ids=["marked", "cleared", "cleared in a paused DAG", "taken over by another triggerer"],
)
def test_a_kill_of_a_task_that_is_still_deferred_is_no_user_s(
    fake: FakeSageMaker, job: dict[str, Any], state: str | None, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_state(monkeypatch, state)
    asyncio.run(belonging_to_a_task(make_trigger(stop_on_kill=True)).on_kill())
    assert job["HyperParameterTuningJobStatus"] == status


def test_a_kill_counts_as_a_user_s_when_airflow_cannot_tell(
    fake: FakeSageMaker, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(ti: Any) -> bool:
        raise RuntimeError("the database is away")

    monkeypatch.setattr(module, "is_deferred", broken)
    asyncio.run(belonging_to_a_task(make_trigger(stop_on_kill=True)).on_kill())
    assert job["HyperParameterTuningJobStatus"] == "Stopping"


def test_a_kill_does_not_wait_for_airflow_for_ever(
    fake: FakeSageMaker, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = threading.Event()
    monkeypatch.setattr(module, "STATE_SECONDS", 0.1)
    monkeypatch.setattr(module, "is_deferred", lambda ti: stopped.wait(20))

    async def kill() -> None:
        await belonging_to_a_task(make_trigger(stop_on_kill=True)).on_kill()
        assert job["HyperParameterTuningJobStatus"] == "Stopping"
        stopped.set()

    asyncio.run(kill())


@pytest.mark.parametrize("has_on_kill", [True, False], ids=["Airflow 3.3", "before"])
def test_being_cancelled_anew_does_not_keep_it_from_stopping_the_job(
    fake: FakeSageMaker, job: dict[str, Any], has_on_kill: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow(ti: Any) -> bool:
        asked.set()
        answer.wait(20)
        return not has_on_kill  # not deferred, or marked

    monkeypatch.setattr(module, "is_deferred" if has_on_kill else "was_marked_by_a_user", slow)
    if not has_on_kill:
        monkeypatch.delattr("airflow.triggers.base.BaseTrigger.on_kill", raising=False)
    trigger = belonging_to_a_task(make_trigger(stop_on_kill=True))

    async def cancel_again() -> None:
        killed = asyncio.create_task(trigger.on_kill() if has_on_kill else trigger._stop_if_marked())
        while not asked.is_set():
            await asyncio.sleep(0.01)
        killed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killed
        answer.set()
        while job["HyperParameterTuningJobStatus"] == "InProgress":
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(cancel_again(), 20))
    assert job["HyperParameterTuningJobStatus"] == "Stopping"


def test_a_job_that_cannot_be_stopped_is_named_in_the_log(
    fake: FakeSageMaker, job: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    fake.fail_next("AccessDeniedException")
    asyncio.run(make_trigger(stop_on_kill=True).on_kill())
    assert "Tuning job tune may go on although its task was ended: StopHyper" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "timeout_after", "status"),
    [
        ("failed", None, "Stopping"),
        ("success", LATER, "Stopping"),
        ("failed", LATER.replace(tzinfo=None), "Stopping"),
        ("deferred", LATER, "InProgress"),
        ("scheduled", LATER, "InProgress"),
        ("failed", EARLIER, "InProgress"),  # resumed because of the time, and failed by then; stop_on_timeout decides
        ("failed", EARLIER.replace(tzinfo=None), "InProgress"),
    ],
)
def test_before_airflow_3_3_a_cancelled_trigger_asks_what_has_happened(
    fake: FakeSageMaker,
    job: dict[str, Any],
    state: str,
    timeout_after: datetime | None,
    status: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such an Airflow cancels triggers of marked tasks, of restarts and of timeouts, and says not why."""
    monkeypatch.delattr("airflow.triggers.base.BaseTrigger.on_kill", raising=False)
    set_state(monkeypatch, state)
    trigger = belonging_to_a_task(make_trigger(stop_on_kill=True))
    vars(trigger)["timeout_after"] = timeout_after

    async def cancel_while_waiting() -> None:
        waiting = asyncio.create_task(anext(trigger.run()))
        while not fake.count(DESCRIBE):
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(cancel_while_waiting())
    assert job["HyperParameterTuningJobStatus"] == status


def test_many_triggers_share_one_client(
    fake: FakeSageMaker, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    make = clients._make
    monkeypatch.setattr(clients, "_clients", {})
    monkeypatch.setattr(clients, "_make", lambda *args: made.append(args) or make(*args))
    end(job)

    async def run() -> None:
        await asyncio.gather(*(anext(make_trigger().run()) for _ in range(20)))

    asyncio.run(run())
    assert len(made) == 1


def test_threads_never_fetch_connections_while_the_loop_does(
    fake: FakeSageMaker, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection fetched in a thread while the loop fetches one too can lock up a triggerer for good."""
    end(job)
    loop_only: list[str] = []

    async def aget_connection(cls: type, conn_id: str) -> Any:
        loop_only.append(conn_id)
        return original(conn_id)

    original = TuningHook.get_connection
    monkeypatch.setattr(TuningHook, "aget_connection", classmethod(aget_connection))
    monkeypatch.setattr(TuningHook, "get_connection", lambda conn_id: pytest.fail("fetched in a thread"))
    assert first_event(make_trigger())["problem"] is None
    assert loop_only == ["fake"]


class TestSharedPolling:
    """Airflow 3.3 runs one stream for all triggers with the same key and hands each of them all that it yields."""

    @staticmethod
    async def follow(triggers: list[TuningJobFinished]) -> list[Any]:
        streams = pytest.importorskip("airflow.triggers.shared_stream", reason="new in Airflow 3.3")
        manager = streams.SharedStreamManager(log=structlog.get_logger())

        async def first(number: int, trigger: TuningJobFinished) -> Any:
            key = trigger.shared_stream_key()
            stream = manager.subscribe(trigger_id=number, trigger=trigger, key=key)
            event = await anext(trigger.filter_shared_stream(stream))
            await manager.unsubscribe(number, key)
            return event.payload

        return await asyncio.wait_for(asyncio.gather(*map(first, range(len(triggers)), triggers)), 30)

    def test_one_listing_serves_all_who_wait(self, fake: FakeSageMaker) -> None:
        names = [f"tune-{i}" for i in range(20)]
        for name in names:
            fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName=name))
        waits = 5

        def listed(body: dict[str, Any]) -> dict[str, Any]:
            if fake.count(LIST) == waits:
                for job in fake.jobs.values():
                    end(job)
            return FakeSageMaker.ListHyperParameterTuningJobs(fake, body)

        with replaced(fake, LIST, listed):
            payloads = asyncio.run(self.follow([make_trigger(job_name=name, poll_seconds=0.2) for name in names]))
        assert [each["status"] for each in payloads] == ["Completed"] * len(names)
        assert (fake.count(DESCRIBE), fake.count(LIST)) == (len(names), waits)

    def test_a_job_that_had_ended_before_is_not_waited_for(self, fake: FakeSageMaker, job: dict[str, Any]) -> None:
        end(job)
        (payload,) = asyncio.run(self.follow([make_trigger(poll_seconds=60)]))
        assert payload["status"] == "Completed"

    def test_who_may_not_list_looks_for_itself(self, fake: FakeSageMaker, job: dict[str, Any]) -> None:
        def refused(body: dict[str, Any]) -> dict[str, Any]:
            end(job)
            raise Refusal("AccessDeniedException", "not authorized to perform: List", 400)

        with replaced(fake, LIST, refused):
            (payload,) = asyncio.run(self.follow([make_trigger()]))
        assert (payload["status"], fake.count(DESCRIBE)) == ("Completed", 2)

    def test_a_job_that_no_listing_mentions_is_looked_at_by_itself(
        self, fake: FakeSageMaker, job: dict[str, Any]
    ) -> None:
        def forgetful(body: dict[str, Any]) -> dict[str, Any]:
            end(job)
            return {"HyperParameterTuningJobSummaries": []}

        with replaced(fake, LIST, forgetful):
            (payload,) = asyncio.run(self.follow([make_trigger()]))
        assert payload["status"] == "Completed"
        assert fake.count(LIST) == module.SILENT_INTERVALS

    def test_listings_go_on_after_faults_that_pass(self, fake: FakeSageMaker, job: dict[str, Any]) -> None:
        faults = iter(["ThrottlingException", "ThrottlingException"])

        def shaky(body: dict[str, Any]) -> dict[str, Any]:
            if code := next(faults, None):
                raise Refusal(code, "slow down", 400)
            end(job)
            return FakeSageMaker.ListHyperParameterTuningJobs(fake, body)

        with replaced(fake, LIST, shaky):
            quick = {"retries": {"total_max_attempts": 1}}
            (payload,) = asyncio.run(self.follow([make_trigger(botocore_config=quick)]))
        assert payload["status"] == "Completed"

    def test_listings_pause_longer_with_every_fault(self, fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch) -> None:
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        monkeypatch.setattr(polling.asyncio, "sleep", sleep)
        hook = TuningHook("fake", botocore_config={"retries": {"total_max_attempts": 1}})

        async def first() -> None:
            fake.fail_next("ThrottlingException", times=4)
            stream = polling.changes(hook, poll_seconds=60)
            await anext(stream)
            await anext(stream)

        asyncio.run(first())
        assert slept == [60, 120, 240, 300, 300, 60]

    @pytest.mark.parametrize(
        ("changes", "shared"),
        [
            ({"job_name": "other", "stop_on_kill": True}, True),
            ({"aws_conn_id": "other"}, False),
            ({"region_name": "us-east-1"}, False),
            ({"poll_seconds": 9}, False),
        ],
    )
    def test_who_shares_has_connection_region_and_interval_in_common(self, changes: dict, shared: bool) -> None:
        assert (make_trigger().shared_stream_key() == make_trigger(**changes).shared_stream_key()) is shared

    def test_it_can_be_turned_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__AIRFLOW_HPT__SHARED_POLLING", "False")
        assert make_trigger().shared_stream_key() is None


@pytest.mark.parametrize(("elapsed", "pause"), [(0.5, 7.5), (7.0, 1.0), (9.0, None)])
def test_events_keep_clear_of_the_scheduler_s_blind_moment(
    monkeypatch: pytest.MonkeyPatch, elapsed: float, pause: float | None
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    monkeypatch.setattr(module, "RACE_SECONDS", 8.0)
    asyncio.run(module.sit_out_the_race(elapsed))
    assert slept == ([] if pause is None else [pause])

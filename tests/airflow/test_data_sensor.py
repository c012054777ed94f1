"""DataRefreshSensor and DataRefreshed: the ways of waiting, and watching an asset across restarts."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger

from airflow_hpt._compat import airflow_error
from airflow_hpt.errors import InvalidRequest
from airflow_hpt.hooks.refresh import RefreshWatch
from airflow_hpt.sensors.data import DataRefreshSensor
from airflow_hpt.triggers.data import DataRefreshed
from tests.airflow.conftest import make_connection, make_context
from tests.airflow.fake_s3 import FakeS3
from tests.airflow.fake_sagemaker import FakeSageMaker

pytestmark = pytest.mark.airflow

AirflowException = airflow_error("AirflowException")
AirflowFailException = airflow_error("AirflowFailException")
AirflowRescheduleException = airflow_error("AirflowRescheduleException")
AirflowSensorTimeout = airflow_error("AirflowSensorTimeout")
TaskDeferred = airflow_error("TaskDeferred")

PATIENCE_SECONDS = 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("1")
    return tmp_path / "data"


def make_sensor(folder: Path, **changes: Any) -> DataRefreshSensor:
    settings = {
        "task_id": "refresh",
        "inputs": {"train": f"file://{folder}"},
        "quiet_seconds": 0,
        "poke_interval": 0.01,
        "timeout": PATIENCE_SECONDS,
        "deferrable": False,
    }
    return DataRefreshSensor(**{**settings, **changes})


def make_trigger(folder: Path, **changes: Any) -> DataRefreshed:
    settings = {"inputs": {"train": f"file://{folder}"}, "quiet_seconds": 0, "poll_seconds": 0.01}
    return DataRefreshed(**{**settings, **changes})


def fingerprint(folder: Path) -> str:
    refresh = RefreshWatch(make_sensor(folder)).look()
    assert refresh is not None
    return str(refresh.report["data_fingerprint"])


def run(sensor: DataRefreshSensor) -> dict[str, Any]:
    return sensor.execute(make_context(sensor))


def write_at_look(number: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a file just before the data is looked at for the `number`th time."""
    looks = 0
    real = RefreshWatch.look

    def look(watch: RefreshWatch) -> Any:
        nonlocal looks
        looks += 1
        if looks == number:
            path.write_text("new")
        return real(watch)

    monkeypatch.setattr(RefreshWatch, "look", look)


async def take(events: AsyncIterator[Any], count: int = 1) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [(await anext(events)).payload for _ in range(count)]


class TestBlocking:
    def test_it_waits_for_the_change_and_returns_the_report(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sensor = make_sensor(folder, baseline=fingerprint(folder))
        write_at_look(3, folder / "b", monkeypatch)
        assert run(sensor)["summary"] == "added 1 (train/b)"

    def test_it_looks_again_after_the_quiet_period(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        naps: list[float] = []

        def nap(seconds: float) -> None:
            naps.append(seconds)
            if naps.count(600) == 1:  # the first quiet period is not quiet
                (folder / "b").write_text("half")

        monkeypatch.setattr("time.sleep", nap)
        report = run(make_sensor(folder, quiet_seconds=600))
        assert (naps.count(600), report["objects"]) == (2, 2)

    def test_it_times_out_like_any_sensor(self, folder: Path) -> None:
        with pytest.raises(AirflowSensorTimeout):
            run(make_sensor(folder, baseline=fingerprint(folder), timeout=0.05))

    def test_in_reschedule_mode_it_frees_its_slot(self, folder: Path) -> None:
        sensor = make_sensor(folder, baseline=fingerprint(folder), mode="reschedule")
        context = make_context(sensor)
        context["ti"].get_first_reschedule_date = lambda context: None
        with pytest.raises(AirflowRescheduleException):
            sensor.execute(context)

    def test_what_it_would_forget_is_refused(self, folder: Path) -> None:
        sensor = make_sensor(folder, on_no_baseline="wait", mode="reschedule")
        context = make_context(sensor)
        context["ti"].get_first_reschedule_date = lambda context: None
        with pytest.raises(AirflowFailException, match="with mode='reschedule' it forgets; defer it"):
            sensor.execute(context)

    @pytest.mark.parametrize("deferrable", [True, False])
    @pytest.mark.parametrize(
        ("field", "value"), [("inputs", "data"), ("inputs", None), ("baseline", "yesterday"), ("listings", "here")]
    )
    def test_wrong_fields_fail_for_good(self, folder: Path, deferrable: bool, field: str, value: Any) -> None:
        with pytest.raises(AirflowFailException, match=f"{value!r}"):
            run(make_sensor(folder, deferrable=deferrable, **{field: value}))

    def test_passing_faults_are_sat_out(self, folder: Path, flaky_s3: FakeS3) -> None:
        flaky_s3.faults = [("SlowDown", 503)] * 4 + [("ExpiredToken", 400)]
        report = run(make_sensor(folder, inputs="s3://bucket/data", aws_conn_id="fake"))
        assert report["objects"] == 1
        assert not flaky_s3.faults

    def test_its_report_goes_with_the_asset_event(self, folder: Path) -> None:
        asset = Asset("digits-data")
        sensor = make_sensor(folder, outlets=[asset])
        context = make_context(sensor)
        report = sensor.execute(context)
        assert context["outlet_events"][asset].extra == report

    def test_fields_with_templates_are_assigned_as_they_are(self, folder: Path) -> None:
        template = "{{ ti.xcom_pull('tune') }}"
        sensor = make_sensor(folder, **dict.fromkeys(DataRefreshSensor.template_fields, template))
        assert {getattr(sensor, field) for field in sensor.template_fields} == {template}


@pytest.fixture
def flaky_s3(fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch) -> Any:
    service = FakeS3()
    service.listing = lambda bucket: [("data/a", 1, "e")]
    extra = {"service_config": {"s3": {"endpoint_url": service.endpoint}}}
    monkeypatch.setenv("AIRFLOW_CONN_FAKE", make_connection(fake.endpoint, **extra))
    yield service
    service.close()


def defer(sensor: DataRefreshSensor) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as deferral:
        run(sensor)
    return deferral.value


def rebuilt(trigger: DataRefreshed) -> DataRefreshed:
    path, kwargs = trigger.serialize()
    assert path == f"{DataRefreshed.__module__}.{DataRefreshed.__name__}"
    return DataRefreshed(**json.loads(json.dumps(kwargs)))


class TestDeferred:
    def test_it_waits_in_the_triggerer_and_returns_the_report(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sensor = make_sensor(folder, baseline={"data_fingerprint": fingerprint(folder)}, deferrable=True)
        deferral = defer(sensor)
        assert deferral.timeout is not None
        assert deferral.timeout.total_seconds() == PATIENCE_SECONDS
        write_at_look(3, folder / "b", monkeypatch)
        (event,) = asyncio.run(take(rebuilt(deferral.trigger).run()))
        report = getattr(sensor, deferral.method_name)(make_context(sensor), event)
        assert report["summary"] == "added 1 (train/b)"

    def test_it_asks_for_the_same_as_the_sensor(self, folder: Path) -> None:
        settings = {
            "lineage": "digits",
            "listings": "s3://bucket/listings",
            "quiet_seconds": 7,
            "min_objects": 1,
            "min_bytes": 2,
            "min_fraction": 0.3,
            "on_empty": "fail",
            "on_no_baseline": "fail",
            "examples": 4,
            "aws_conn_id": "fake",
            "region_name": "eu-west-1",
            "verify": False,
            "botocore_config": {"read_timeout": 5},
        }
        kwargs = defer(make_sensor(folder, deferrable=True, poke_interval=50, **settings)).trigger.serialize()[1]
        assert kwargs == {
            **settings,
            "inputs": {"train": f"file://{folder}"},
            "baseline": None,
            "poll_seconds": 50,
            "once": True,
        }

    def test_a_problem_fails_the_task_with_its_words(self, folder: Path, flaky_s3: FakeS3) -> None:
        sensor = make_sensor(folder, inputs="s3://bucket/data", aws_conn_id="fake", deferrable=True)
        flaky_s3.faults = [("AccessDenied", 403)]
        (event,) = asyncio.run(take(defer(sensor).trigger.run()))
        with pytest.raises(AirflowException, match=r"s3://bucket/data is out of reach .* Allow s3:ListBucket"):
            sensor.execute_complete(make_context(sensor), event)

    def test_it_ends_after_its_only_event(self, folder: Path) -> None:
        async def events() -> int:
            return len([event async for event in make_trigger(folder, once=True).run()])

        assert asyncio.run(events()) == 1

    def test_a_missing_connection_is_a_problem(self, folder: Path) -> None:
        trigger = make_trigger(folder, inputs="s3://bucket/data", aws_conn_id="no_such", once=True)
        (event,) = asyncio.run(take(trigger.run()))
        assert event["problem"].startswith("Airflow knows no connection 'no_such'")


class FakeStore:
    """The state of one asset, as Airflow 3.3 hands it to the triggers that watch it."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.state: dict[str, Any] = {}
        self.refusal = refusal

    async def aget(self, key: str) -> Any:
        if self.refusal:
            raise self.refusal
        return self.state.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.state[key] = value


def watching(folder: Path, store: Any, **changes: Any) -> DataRefreshed:
    """Return a trigger as the triggerer hands out one that watches an asset."""
    trigger = make_trigger(folder, **changes)
    trigger.asset_state_store = store
    return trigger


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


class TestWatching:
    def test_an_asset_can_be_watched_with_it(self, folder: Path) -> None:
        trigger = make_trigger(folder)
        watcher = AssetWatcher(name="refresh", trigger=trigger)
        assert watcher.trigger is trigger
        hashes = {BaseEventTrigger.hash(*make_trigger(folder).serialize()) for _ in range(2)}
        assert len(hashes) == 1

    def test_what_cannot_be_watched_is_refused_when_the_dag_is_parsed(self, folder: Path) -> None:
        with pytest.raises(InvalidRequest, match="inputs holds 'data'"):
            make_trigger(folder, inputs="data")

    def test_it_fires_for_every_refresh_once(self, folder: Path) -> None:
        async def scenario() -> list[str]:
            events = make_trigger(folder).run()
            found = await take(events)
            for name in ("b", "c"):
                (folder / name).write_text("new")
                found += await take(events)
            return [event["summary"] for event in found]

        assert asyncio.run(scenario()) == ["added 1 (train/a)", "added 1 (train/b)", "added 1 (train/c)"]

    def test_after_a_restart_it_does_not_repeat_itself(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = FakeStore()

        async def scenario() -> list[dict[str, Any]]:
            events = watching(folder, store).run()
            first = await take(events)
            remembering = asyncio.ensure_future(anext(events))
            await until(lambda: store.state)
            remembering.cancel()
            write_at_look(3, folder / "b", monkeypatch)
            return first + await take(watching(folder, store).run())

        first, second = asyncio.run(scenario())
        assert second["baseline_fingerprint"] == first["data_fingerprint"]

    def test_it_remembers_what_it_saw_first(self, folder: Path) -> None:
        store = FakeStore()

        async def scenario() -> None:
            waiting = asyncio.ensure_future(anext(watching(folder, store, on_no_baseline="wait").run()))
            await until(lambda: store.state)
            waiting.cancel()

        asyncio.run(scenario())
        assert list(store.state.values()) == [fingerprint(folder)]

    @pytest.mark.parametrize("store", [None, FakeStore(ValueError("Task has 2 concrete inlets and outlets"))])
    def test_without_a_memory_it_reports_again_rather_than_never(self, folder: Path, store: Any) -> None:
        async def restarted() -> str:
            (event,) = await take(watching(folder, store).run())
            return str(event["data_fingerprint"])

        assert asyncio.run(restarted()) == asyncio.run(restarted()) == fingerprint(folder)

    def test_it_outlives_problems(self, folder: Path, flaky_s3: FakeS3) -> None:
        flaky_s3.faults = [("AccessDenied", 403), ("NoSuchBucket", 404)]
        trigger = make_trigger(folder, inputs="s3://bucket/data", aws_conn_id="fake", poll_seconds=0.01)
        (event,) = asyncio.run(take(trigger.run()))
        assert event["objects"] == 1

    def test_pauses_grow_with_every_failure_up_to_a_limit(self, folder: Path) -> None:
        trigger = make_trigger(folder, poll_seconds=60)
        pauses = [trigger._pause(misses) for misses in (0, 1, 2, 3, 999)]
        assert all(0.9 <= pause / longest <= 1 for pause, longest in zip(pauses, (60, 120, 240, 300, 300), strict=True))


MEASURE_IMPORTS = """
import importlib, os, sys, airflow.sdk
for module in sys.argv[1:]:
    if os.fork() == 0:
        before = set(sys.modules)
        importlib.import_module(module)
        print(*set(sys.modules) - before, flush=True)
        os._exit(0)
    os.wait()
"""


def test_importing_them_stays_within_the_budget() -> None:
    modules = ("airflow_hpt.sensors.data", "airflow_hpt.triggers.data")
    command = [sys.executable, "-c", MEASURE_IMPORTS, *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for imported in map(str.split, done.stdout.splitlines()[-2:]):
        assert set(modules) & set(imported)
        assert len(imported) <= 30
        heavy = {name.partition(".")[0] for name in imported} | {".".join(name.split(".")[:2]) for name in imported}
        assert not heavy & {"boto3", "botocore", "numpy", "airflow.providers"}

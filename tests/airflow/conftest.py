"""Airflow for tests: a home of its own, one migrated database, fakes of what a task gets from Airflow."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.airflow.fake_s3 import FakeS3
from tests.airflow.fake_sagemaker import REGION, FakeSageMaker

# Airflow reads its configuration at its first import, so all of this comes before any test module is collected.
HOME = Path(tempfile.mkdtemp(prefix="airflow-hpt-tests-"))
os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(HOME / "dags"),
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__LOGGING__LOGGING_LEVEL="INFO",
    AWS_EC2_METADATA_DISABLED="true",
    AWS_MAX_ATTEMPTS="1",
)
for name in [each for each in os.environ if each.startswith(("AIRFLOW_CONN_", "AWS_DEFAULT_", "AWS_ENDPOINT_"))]:
    del os.environ[name]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Keep `make fast` fast: a run that leaves Airflow's tests out does not import Airflow to find them."""
    return True if "not airflow" in config.getoption("markexpr") else None


def pytest_sessionfinish() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


def make_connection(endpoint: str, **extra: Any) -> str:
    """Return an Airflow connection, as an environment variable holds it."""
    return json.dumps(
        {
            "conn_type": "aws",
            "login": "AKIATEST",
            "password": "secret",
            "extra": {"endpoint_url": endpoint, "region_name": REGION, **extra},
        }
    )


@pytest.fixture(scope="session")
def fake_server() -> Iterator[FakeSageMaker]:
    """One server for the session, so that clients, which are slow to make, are made once."""
    service = FakeSageMaker()
    yield service
    service.close()


@pytest.fixture
def fake(fake_server: FakeSageMaker, monkeypatch: pytest.MonkeyPatch) -> FakeSageMaker:
    """A fake SageMaker without any jobs, behind the Airflow connection `fake`."""
    fake_server.reset()
    monkeypatch.setenv("AIRFLOW_CONN_FAKE", make_connection(fake_server.endpoint))
    return fake_server


@pytest.fixture
def fake_s3(fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    """A fake S3 behind the connection `fake`."""
    service = FakeS3()
    extra = {"service_config": {"s3": {"endpoint_url": service.endpoint}}}
    monkeypatch.setenv("AIRFLOW_CONN_FAKE", make_connection(fake.endpoint, **extra))
    yield service
    service.close()


@pytest.fixture(autouse=True)
def no_scheduler_to_race_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_hpt.triggers.tuning.RACE_SECONDS", 0.0)


class FakeTaskInstance(SimpleNamespace):
    """What operators use of a running task instance."""

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, *, task_ids: str, key: str, map_indexes: int) -> Any:
        return self.xcoms.get(key)


def set_state(monkeypatch: pytest.MonkeyPatch, state: str | None) -> None:
    """Let Airflow take every task for being in a state."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    def get_task_states(dag_id: str, *, task_ids: list[str], run_ids: list[str], map_index: int) -> Any:
        return {run: dict.fromkeys(task_ids, state) for run in run_ids}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(get_task_states))


class FakeOutletEvents:
    """What a task says with the events of its outlets; assets cannot be keys on every Airflow."""

    def __init__(self) -> None:
        self._events: list[tuple[Any, Any]] = []

    def __getitem__(self, asset: Any) -> Any:
        for known, event in self._events:
            if known == asset:
                return event
        self._events.append((asset, SimpleNamespace(extra={})))
        return self._events[-1][1]


def make_context(operator: Any, *, max_tries: int = 0, run_id: str = "run-1", map_index: int = -1) -> dict[str, Any]:
    """Return the context of one try of a task."""
    ti = FakeTaskInstance(
        dag_id="retrain", run_id=run_id, task_id=operator.task_id, map_index=map_index, max_tries=max_tries,
        task=operator, xcoms={},
    )  # fmt: skip
    return {"ti": ti, "task_instance": ti, "outlet_events": FakeOutletEvents()}


@pytest.fixture(scope="session")
def airflow_db(request: pytest.FixtureRequest) -> Path:
    """A migrated metadata database in Airflow's home, made once and kept between runs for each Airflow version."""
    from airflow import __version__

    template = request.config.cache.mkdir("airflow") / f"airflow-{__version__}.db"
    if not template.exists():
        subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True, capture_output=True)
        shutil.copy(HOME / "airflow.db", template)
    return Path(shutil.copy(template, HOME / "airflow.db"))


def bundle(name: str) -> tuple[Any, dict[str, Any]]:
    """Make a bundle of DAGs known to the database; return the home of DAG bags, and what else these take."""
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.merge(DagBundleModel(name=name))
    try:
        return import_module("airflow.dag_processing.dagbag"), {"bundle_name": name}
    except ImportError:  # before Airflow 3.2
        return import_module("airflow.models.dagbag"), {}


@pytest.fixture
def run_dag(airflow_db: Path) -> Callable[[Any], Any]:
    """Run a DAG as Airflow does, in this process; return the run."""

    def run(dag: Any, **settings: Any) -> Any:
        home, more = bundle("tests")
        bag = home.DagBag(dag_folder=os.devnull, **more)
        bag.bag_dag(dag)
        home.sync_bag_to_db(bag, "tests", None)
        return dag.test(**settings)

    return run

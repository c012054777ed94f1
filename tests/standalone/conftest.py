"""One real Airflow for the session; a fake SageMaker that tests are in charge of, and a real local service."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from airflow_hpt.local import daemon
from airflow_hpt.local.environment import CONNECTION, variables
from airflow_hpt.local.home import Home, Settings
from tests.airflow.fake_sagemaker import REGION, FakeSageMaker
from tests.standalone.local_jobs import LocalJobs

ROOT = Path(__file__).parents[2]
DAGS = Path(__file__).parent / "dags"
PARTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
ENDS = {"success", "failed"}
collect_ignore = ["dags", "training"]  # for Airflow and for training jobs to import, not for pytest
ADMIN, PASSWORD = "admin", "a password of the tests"
START_SECONDS = 240
PATIENCE_SECONDS = 90
STOP_SECONDS = 15


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if "not standalone" in config.getoption("markexpr") else None


def until(condition: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS, what: str = "") -> Any:
    """Return what a condition gives as soon as it is true; fail when it stays false."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what or condition}")
        time.sleep(0.2)
    return found


@dataclass
class Airflow:
    """A running Airflow, used through its public API."""

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    port: int
    log: Path
    runs: int = 0
    triggerers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """Return the folder whose data the scenarios watch."""
        return Path(self.environment["SCENARIO_DATA"])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        request = Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        if path.startswith(("/api/v2/dags", "/api/v2/connections", "/api/v2/assets")):
            request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        with urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")

    @cached_property
    def token(self) -> str:
        """What shows Airflow that a request comes from the administrator."""
        found: str = self.call("POST", "/auth/token", {"username": ADMIN, "password": PASSWORD})["access_token"]
        return found

    def is_ready(self) -> bool:
        try:
            health = self.call("GET", "/api/v2/monitor/health")
        except (OSError, ValueError):
            return False
        return all((health.get(part) or {}).get("status") == "healthy" for part in PARTS)

    def knows(self, dag: str) -> bool:
        try:
            return bool(self.call("GET", f"/api/v2/dags/{dag}"))
        except HTTPError:
            return False

    def start(self, dag: str) -> "Run":
        until(lambda: self.knows(dag), what=f"Airflow has read the DAG {dag}")
        self.runs += 1
        run = f"run-{self.runs}"
        self.call("POST", f"/api/v2/dags/{dag}/dagRuns", {"dag_run_id": run, "logical_date": None})
        return Run(self, dag, run)

    def pause(self, dag: str) -> None:
        self.call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": True})

    def store_connection(self, name: str, value: str) -> None:
        """Keep a connection in Airflow's database, where processes get it from by asking the API server."""
        known = json.loads(value)
        known["extra"] = json.dumps(known["extra"])
        self.call("POST", "/api/v2/connections", {"connection_id": name, **known})

    def signal_triggerers(self, sent: int, *, but_newest: bool = False) -> None:
        """Send a signal to every triggerer: SIGKILL for a power cut, SIGSTOP and SIGCONT for a machine that stalls."""
        for each in (self.process, *(self.triggerers[:-1] if but_newest else self.triggerers)):
            for pid in members(each.pid):
                with suppress(OSError):
                    if b"triggerer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, sent)

    def start_triggerer(self) -> None:
        with self.log.open("a") as output:
            command = [sys.executable, "-m", "airflow", "triggerer"]
            started = subprocess.Popen(
                command, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
        self.triggerers.append(started)


@dataclass
class Run:
    """One run of a DAG."""

    airflow: Airflow
    dag: str
    run: str

    @property
    def path(self) -> str:
        return f"/api/v2/dags/{self.dag}/dagRuns/{self.run}"

    def tries(self) -> list[dict[str, Any]]:
        found = self.airflow.call("GET", f"{self.path}/taskInstances?limit=100")["task_instances"]
        return [each for each in found if each["task_id"] == "tune"]

    def states(self) -> set[str | None]:
        return {each["state"] for each in self.tries()}

    def await_state(self, *states: str, seconds: float = PATIENCE_SECONDS) -> None:
        def is_there() -> bool:
            now = self.states()
            if now and now <= ENDS and not now <= set(states):
                pytest.fail(f"{self.dag} has ended as {now}, not {states}:\n{self.log()[-3000:]}")
            return bool(now) and now <= set(states)

        until(is_there, seconds=seconds, what=f"{self.dag} in {states}")

    def state(self) -> str:
        return str(self.airflow.call("GET", self.path)["state"])

    def log(self) -> str:
        """Return the log of the first try."""
        return json.dumps(self.airflow.call("GET", f"{self.path}/taskInstances/tune/logs/1?full_content=true"))

    def result(self) -> Any:
        """Return what the task has returned."""
        path = f"{self.path}/taskInstances/tune/xcomEntries/return_value?stringify=false"
        return self.airflow.call("GET", path)["value"]

    def mark(self, state: str) -> None:
        self.airflow.call("PATCH", f"{self.path}/taskInstances/tune", {"new_state": state})

    def mark_run(self, state: str) -> None:
        self.airflow.call("PATCH", self.path, {"state": state})

    def links(self) -> dict[str, str | None]:
        """Return where the buttons on the task's page lead."""
        found: dict[str, str | None] = self.airflow.call("GET", f"{self.path}/taskInstances/tune/links")["extra_links"]
        return found

    def clear(self) -> None:
        body = {"dry_run": False, "dag_run_id": self.run, "task_ids": ["tune"], "only_failed": False}
        self.airflow.call("POST", f"/api/v2/dags/{self.dag}/clearTaskInstances", body)


@pytest.fixture(scope="session")
def server() -> Iterator[FakeSageMaker]:
    service = FakeSageMaker()
    yield service
    service.close()


@pytest.fixture
def service(server: FakeSageMaker) -> FakeSageMaker:
    server.reset()
    return server


@pytest.fixture(scope="session")
def local_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalJobs]:
    home = Home(tmp_path_factory.mktemp("local"))
    service = daemon.start(home, Settings(port=0, slots=8))
    yield LocalJobs(home, service.settings)
    daemon.stop(home)


@pytest.fixture
def local(local_session: LocalJobs) -> Iterator[LocalJobs]:
    local_session.forget()
    yield local_session
    local_session.stop_all()


@pytest.fixture(scope="session")
def nobody() -> Iterator[str]:
    """An address that refuses connections and will not be given to anybody else."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="session")
def connections(server: FakeSageMaker, local_session: LocalJobs, nobody: str) -> dict[str, str]:
    """The connections of the scenarios, as environment variables."""
    local = variables(local_session.home, local_session.settings)[CONNECTION]
    return {
        CONNECTION: local,
        "AIRFLOW_CONN_HPT_WRONG_KEYS": json.dumps(json.loads(local) | {"password": "out of date"}),
        "AIRFLOW_CONN_HPT_NOBODY": make_connection(nobody),
        "AIRFLOW_CONN_FAKE": make_connection(server.endpoint),
    }


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory, connections: dict[str, str]) -> Iterator[Airflow]:
    """Airflow with the DAGs of the scenarios, started once."""
    home = tmp_path_factory.mktemp("airflow")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = make_environment(home, port) | connections
    (home / "passwords.json").write_text(json.dumps({ADMIN: PASSWORD}))
    log = home / "standalone.log"
    with log.open("w") as output:
        command = [sys.executable, "-m", "airflow", "standalone"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    running = Airflow(process, environment, port, log)
    try:
        until(lambda: process.poll() is not None or running.is_ready(), seconds=START_SECONDS, what="Airflow is ready")
        assert process.poll() is None, log.read_text()[-3000:]
        yield running
    finally:
        for each in (*running.triggerers, process):
            stop(each)


def make_connection(endpoint: str) -> str:
    """Return an Airflow connection, as an environment variable holds it."""
    extra = {"endpoint_url": endpoint, "region_name": REGION}
    return json.dumps({"conn_type": "aws", "login": "AKIATEST", "password": "secret", "extra": extra})


def make_environment(home: Path, port: int) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "HPT_"))}
    return {
        **own,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}",  # Airflow starts itself by name
        "PYTHONPATH": str(ROOT),
        "SCENARIO_DATA": str(home),
        "AIRFLOW_HOME": str(home),
        # SQLite lets one process write at a time, and on a busy machine five seconds are too few for the others.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__AIRFLOW_HPT__PAGE_CONNECTIONS": "fake, hpt_local",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": "0",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": "0",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    }


def stop(process: subprocess.Popen[bytes]) -> None:
    """End Airflow and all that it has started."""
    for sent in (signal.SIGINT, signal.SIGKILL):
        for pid in members(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, sent)
        deadline = time.monotonic() + STOP_SECONDS
        while (process.poll() is None or members(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.2)


def members(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        with suppress(OSError):
            if os.getsid(pid) == session and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(pid)
    return found

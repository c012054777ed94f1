"""On Python 3.11 a trigger that looks up a connection in a thread while another one does on the loop stops them all.

`functools.cached_property` holds a lock of the class while it computes. The thread has it and waits for Airflow's
answer, which only the event loop can take in; the loop waits for the lock. Here the real runner of Airflow's triggers
has a supervisor that withholds every answer to the one trigger until the other one is on the loop, so that this happens
whenever it can.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.fake_sagemaker import REGION, FakeSageMaker, end
from tests.airflow.requests import make_config
from tests.driving import eventually

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).parents[2]
RUNNER = """
import faulthandler, signal, sys
faulthandler.register(signal.SIGUSR1, file=open(sys.argv[1], "a"))
from airflow.jobs.triggerer_job_runner import TriggerRunner
TriggerRunner().run()
"""
DEADLINE_SECONDS = 90
IN_THREAD, ON_LOOP = 1, 2  # the triggers
CARELESS = "tests.airflow.careless.LooksInAThread", {"conn_id": "one"}
OURS = "airflow_hpt.triggers.tuning.TuningJobFinished", {"job_name": "tune", "aws_conn_id": "one", "poll_seconds": 0.1}


@dataclass
class Supervisor:
    """Speaks to a runner of triggers as Airflow's supervisor does, and answers at the worst moment."""

    process: subprocess.Popen[bytes]
    wire: socket.socket
    folder: Path
    endpoint: str
    waiting: list[dict[str, Any]] = field(default_factory=list)
    withheld: list[tuple[int, Path]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    finished: set[int] = field(default_factory=set)
    said: str = ""

    def run(self, classpath: str, arguments: dict[str, Any]) -> None:
        """Start a trigger, and another one that looks up a connection on the loop when this one does."""
        on_loop = {"conn_id": "other", "folder": str(self.folder)}
        self.waiting = [
            make_workload(IN_THREAD, classpath, arguments),
            make_workload(ON_LOOP, "tests.airflow.careless.LooksOnTheLoop", on_loop),
        ]
        self._answer(0, {"type": "StartTriggerer"})

    def serve(self, until: Callable[[], bool], *, what: str) -> None:
        def is_done() -> bool:
            while self._take():
                pass
            self._release()
            return until()

        eventually(is_done, seconds=DEADLINE_SECONDS, what=what)

    def end_the_looks_on_the_loop(self) -> None:
        self.folder.joinpath("enough").touch()

    def is_locked_up(self) -> bool:
        """Say whether the loop waits for a lock of a thread that waits for the loop."""
        dump = self.folder / "stacks"
        dump.write_text("")
        self.process.send_signal(signal.SIGUSR1)
        stacks = [each for each in dump.read_text().split("\n\n") if "careless.py" in each]
        loop = [each for each in stacks if " in run\n" in each and "functools.py" in each.splitlines()[1]]
        thread = [each for each in stacks if " in run_child\n" in each and " in send\n" in each]
        return bool(loop and thread)

    def _take(self) -> bool:
        """Answer what the runner asks next, if it asks."""
        from airflow.sdk.execution_time.comms import _RequestFrame
        from msgspec.msgpack import Decoder

        self.wire.settimeout(0.1)
        try:
            size = self.wire.recv(4, socket.MSG_WAITALL)
        except TimeoutError:
            return False
        assert size, self.folder.joinpath("log").read_text()[-3000:]
        self.wire.settimeout(None)
        request = Decoder(_RequestFrame).decode(self.wire.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
        if request.body["type"] == "GetConnection":
            self._connect(request.id, request.body["conn_id"])
        elif request.body["type"] == "TriggerStateChanges":
            self._answer(request.id, self._sync(request.body))
        else:
            self._answer(request.id, None)
        return True

    def _sync(self, body: dict[str, Any]) -> dict[str, Any]:
        self.said += str(body)
        self.finished |= set(body.get("finished") or ())
        new, self.waiting = self.waiting, []
        return {"type": "TriggerStateSync", "to_create": new, "to_cancel": []}

    def _connect(self, request: int, name: str) -> None:
        look = self.asked[name]
        self.asked[name] += 1
        if name == "other":
            self._answer(request, self._connection(name))
        else:
            self.folder.joinpath(f"go-{look}").touch()
            self.withheld.append((request, self.folder / f"going-{look}"))

    def _release(self) -> None:
        """Answer what was withheld if the other trigger is on the loop by now."""
        for request, sign in [each for each in self.withheld if each[1].exists()]:
            self._answer(request, self._connection("one"))
            self.withheld.remove((request, sign))

    def _connection(self, name: str) -> dict[str, Any]:
        extra = json.dumps({"endpoint_url": self.endpoint, "region_name": REGION})
        known = {"conn_type": "aws", "login": "AKIATEST", "password": "secret", "extra": extra}
        return {"type": "ConnectionResult", "conn_id": name, **known, **dict.fromkeys(("host", "schema", "port"))}

    def _answer(self, request: int, body: dict[str, Any] | None) -> None:
        from airflow.sdk.execution_time.comms import _ResponseFrame

        self.wire.sendall(_ResponseFrame(request, body).as_bytes())


def make_workload(number: int, classpath: str, arguments: dict[str, Any]) -> dict[str, Any]:
    from airflow.models.trigger import Trigger

    kwargs = Trigger.encrypt_kwargs(arguments)
    return {"type": "RunTrigger", "id": number, "ti": None, "classpath": classpath, "encrypted_kwargs": kwargs}


@pytest.fixture
def supervisor(fake: FakeSageMaker, tmp_path: Path) -> Iterator[Supervisor]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")}
    ours, theirs = socket.socketpair()
    with ours, theirs, tmp_path.joinpath("log").open("wb") as log:
        command = [sys.executable, "-c", RUNNER, str(tmp_path / "stacks")]
        process = subprocess.Popen(command, stdin=theirs, stdout=log, stderr=log, cwd=ROOT, env=environment)
        theirs.close()
        yield Supervisor(process, ours, tmp_path, fake.endpoint)
        process.kill()
        process.wait()


def test_ours_never_holds_a_lock_that_the_loop_needs(supervisor: Supervisor, fake: FakeSageMaker) -> None:
    fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName="tune"))
    end(fake.jobs["tune"])
    supervisor.run(*OURS)
    supervisor.serve(lambda: IN_THREAD in supervisor.finished, what="our trigger has ended")
    supervisor.end_the_looks_on_the_loop()
    supervisor.serve(lambda: ON_LOOP in supervisor.finished, what="the other trigger has ended")
    assert "Completed" in supervisor.said
    assert supervisor.asked["one"] == supervisor.asked["other"] > 0


def test_a_careless_one_locks_up_where_python_holds_the_lock(supervisor: Supervisor) -> None:
    supervisor.run(*CARELESS)
    if sys.version_info < (3, 12):
        supervisor.serve(supervisor.is_locked_up, what="loop and thread wait for each other")
        assert supervisor.finished == set()
    else:
        supervisor.serve(lambda: IN_THREAD in supervisor.finished, what="the careless trigger has ended")

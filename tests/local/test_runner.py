"""The process runner with real processes: how training jobs start, end, and survive what happens around them."""

import dataclasses
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_hpt.local.runner import processes
from airflow_hpt.local.runner.base import Ending, Launch
from airflow_hpt.local.runner.folder import JobFolder, Status
from airflow_hpt.local.runner.objects import FolderObjects
from airflow_hpt.local.runner.processes import LINE_BYTES, ProcessRunner
from tests.contracts.runner import (
    RunnerContract,
    await_condition,
    await_ending,
    await_line,
    await_sighting,
    read_whole_log,
)
from tests.contracts.runner_launches import make_launch_of


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    return FolderObjects(tmp_path / "s3")


@pytest.fixture
def runner(tmp_path: Path, objects: FolderObjects) -> Iterator[ProcessRunner]:
    runner = ProcessRunner(tmp_path / "jobs", objects, grace_seconds=0.3)
    yield runner
    for folder in (tmp_path / "jobs").glob("*/status.json"):  # nothing outlives its test
        runner.stop(folder.parent.name)
        await_ending(runner, folder.parent.name)


@pytest.fixture
def make_launch(tmp_path: Path) -> Callable[..., Launch]:
    """Return a builder of launches from the text of a script."""

    def make(script: str, *, name: str = "job", **changes: Any) -> Launch:
        code = tmp_path / f"code-{name}"
        code.mkdir(exist_ok=True)
        (code / "train.py").write_text(script)
        return make_launch_of(code, name=name, **changes)

    return make


class TestProcessRunner(RunnerContract):
    """The promises of every runner."""


def folder_of(tmp_path: Path, name: str = "job") -> JobFolder:
    return JobFolder(tmp_path / "jobs" / name)


def supervisor_of(tmp_path: Path) -> int:
    status = folder_of(tmp_path).read_status()
    assert status is not None
    assert status.pid is not None
    return status.pid


def processes_with(text: str) -> list[int]:
    """Return the live processes whose command line contains a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


# Ends of the supervisor, the service and the script


def test_a_killed_supervisor_is_seen_as_lost_and_its_script_is_ended(runner, make_launch, tmp_path) -> None:
    runner.start(make_launch("print('up', flush=True); import time; time.sleep(600)"))
    await_line(runner, "job", "up")
    os.kill(supervisor_of(tmp_path), signal.SIGKILL)
    sighting = await_ending(runner, "job")
    assert sighting.ending is Ending.LOST
    assert sighting.failure_reason.startswith("InternalServerError: ")
    assert not processes_with(f"{tmp_path}/jobs") + processes_with("train.py --mark")
    assert runner.sight("job") == sighting


def test_a_lost_attempt_can_be_retried_and_the_log_goes_on(runner, make_launch, tmp_path) -> None:
    script = (
        "import os, time; print('attempt', flush=True); open(os.environ['SM_MODEL_DIR'] + '/m', 'x'); time.sleep({})"
    )
    runner.start(make_launch(script.format(600)))
    await_line(runner, "job", "attempt")
    os.kill(supervisor_of(tmp_path), signal.SIGKILL)
    await_ending(runner, "job")
    _, offset = runner.read_log("job", 0)
    again = make_launch(script.format(0), attempt=2)
    runner.start(again)
    sighting = await_sighting(runner, "job", lambda sighting: sighting.ending is Ending.COMPLETED)
    assert runner.read_log("job", offset)[0] == ["attempt"]
    statuses = [transition.status for transition in sighting.transitions]
    first, second = ["Starting", "Downloading", "Training"], ["Uploading", "Completed"]
    assert statuses == [*first, *first, *second]
    runner.start(make_launch("raise SystemExit(1)"))  # attempt 1 again, from a service that knows no better
    assert runner.sight("job") == sighting


def test_a_training_job_outlives_its_service(runner, make_launch, tmp_path, objects) -> None:
    launch = make_launch("import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('done')")
    runner.start(launch)
    later = ProcessRunner(tmp_path / "jobs", objects)
    later.start(dataclasses.replace(launch, hyperparameters={}))  # both services hold the same claim
    await_sighting(later, "job", lambda sighting: len(sighting.transitions) == 3)
    (folder_of(tmp_path).base / "code" / "go").touch()
    assert await_ending(later, "job").ending is Ending.COMPLETED
    assert read_whole_log(later, "job") == ["done"]


class Killed(BaseException):
    """Stands for kill -9 of the service."""


def test_a_service_killed_between_claim_and_start_leaves_nothing_in_the_way(runner, make_launch, monkeypatch) -> None:
    def die(*_: object) -> None:
        raise Killed("here")

    launch = make_launch("print('ran')")
    with monkeypatch.context() as patched:
        patched.setattr(processes, "_spawn", die)
        with pytest.raises(Killed, match="here"):
            runner.start(launch)
    runner.start(launch)
    assert await_ending(runner, "job").ending is Ending.COMPLETED
    assert read_whole_log(runner, "job") == ["ran"]


SERVICE = """
import pickle, sys
from pathlib import Path
from airflow_hpt.local.runner.objects import FolderObjects
from airflow_hpt.local.runner.processes import ProcessRunner
root = Path(sys.argv[1])
runner = ProcessRunner(root / "jobs", FolderObjects(root / "s3"))
for launch in pickle.loads((root / "launches").read_bytes()):
    print("starting", flush=True)
    runner.start(launch)
"""


@pytest.mark.parametrize("started", [1, 3])
def test_a_killed_service_loses_no_training_job_and_runs_none_twice(runner, make_launch, tmp_path, started) -> None:
    script = f"import os; open({str(tmp_path / 'ran')!r}, 'a').write(os.environ['TRAINING_JOB_NAME'] + ' ')"
    launches = [make_launch(script, name=f"job-{number}") for number in range(4)]
    (tmp_path / "launches").write_bytes(pickle.dumps(launches))
    command = [sys.executable, "-c", SERVICE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as service:
        for _ in range(started):
            service.stdout.readline()
        service.kill()
    for launch in launches:
        runner.start(launch)
    assert {await_ending(runner, launch.name).ending for launch in launches} == {Ending.COMPLETED}
    assert sorted((tmp_path / "ran").read_text().split()) == [launch.name for launch in launches]


def test_a_stop_that_comes_before_the_supervisor_is_up_is_heeded(runner, make_launch) -> None:
    runner.start(make_launch("import time; time.sleep(600)"))
    runner.stop("job")
    assert await_ending(runner, "job").ending is Ending.STOPPED


def test_a_stopped_script_may_save_its_model_on_sigterm(runner, make_launch, tmp_path, objects) -> None:
    script = """
import os, signal, sys, time
def save(*_):
    open(os.environ["SM_MODEL_DIR"] + "/model.txt", "w").write("best so far")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("up", flush=True)
time.sleep(600)
"""
    runner.start(make_launch(script))
    await_line(runner, "job", "up")
    runner.stop("job")
    sighting = await_ending(runner, "job")
    assert sighting.ending is Ending.STOPPED
    assert [transition.status for transition in sighting.transitions][-3:] == ["Stopping", "Uploading", "Stopped"]
    assert objects.exists("s3://bucket/out/job/output/model.tar.gz")


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
kinds = sys.argv[sys.argv.index("--kinds") + 1].split("+")
for kind in kinds:
    subprocess.Popen(
        [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)", sys.argv[-1]],
        start_new_session=kind == "session",
        env={} if kind == "bare" else None,
    )
print("up", flush=True)
if "leave" in kinds:
    sys.exit(0)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("kinds", "ending"),
    [
        ("plain", Ending.STOPPED),
        ("plain+session+bare", Ending.STOPPED),
        ("plain+session+bare+leave", Ending.COMPLETED),  # what the script leaves running ends with it
    ],
)
def test_nothing_of_a_training_job_is_left_behind(runner, make_launch, tmp_path, kinds, ending) -> None:
    mark = f"zmark-{os.urandom(8).hex()}"
    runner.start(make_launch(STUBBORN, hyperparameters={"kinds": kinds, "zmark": mark}))
    await_line(runner, "job", "up")
    if ending is Ending.STOPPED:
        runner.stop("job")
    assert await_ending(runner, "job").ending is ending
    assert processes_with(mark) == []


def test_nothing_of_a_lost_training_job_is_left_behind(runner, make_launch, tmp_path) -> None:
    mark = f"zmark-{os.urandom(8).hex()}"
    runner.start(make_launch(STUBBORN, hyperparameters={"kinds": "plain+session", "zmark": mark}))
    await_line(runner, "job", "up")
    os.kill(supervisor_of(tmp_path), signal.SIGKILL)
    assert await_ending(runner, "job").ending is Ending.LOST
    assert processes_with(mark) == []


def test_the_time_limit_stops_the_training_job(runner, make_launch, objects) -> None:
    script = "import os, time; open(os.environ['SM_MODEL_DIR'] + '/m', 'x'); time.sleep(600)"
    runner.start(make_launch(script, StoppingCondition={"MaxRuntimeInSeconds": 1}))
    sighting = await_ending(runner, "job")
    assert (sighting.ending, sighting.failure_reason) == (Ending.STOPPED, None)
    assert sighting.transitions[-1].status == "MaxRuntimeExceeded"
    assert objects.exists("s3://bucket/out/job/output/model.tar.gz")


def test_the_time_limit_covers_all_attempts(runner, make_launch, tmp_path) -> None:
    launch = make_launch("import time; time.sleep(600)", attempt=2, StoppingCondition={"MaxRuntimeInSeconds": 60})
    job = folder_of(tmp_path)
    job.root.mkdir(parents=True)
    first = Status(1, pid=1, training_started_at=0.0)
    first.transitions = [{"status": "Training", "started_at": 0.0, "ended_at": 59.5, "message": ""}]
    first.end("Lost", reason="InternalServerError: gone")
    job.write_status(first)
    runner.start(launch)
    assert await_ending(runner, "job").transitions[-1].status == "MaxRuntimeExceeded"


def test_the_time_between_a_loss_and_its_discovery_is_not_training(runner, make_launch, tmp_path) -> None:
    runner.start(make_launch("print('up', flush=True); import time; time.sleep(600)"))
    await_line(runner, "job", "up")
    os.kill(supervisor_of(tmp_path), signal.SIGKILL)
    await_condition(lambda: folder_of(tmp_path).last_sign_of_life() < time.time() - 0.2)
    sighting = await_ending(runner, "job")
    training = sighting.transitions[-1]
    assert training.ended_at == sighting.ended_at
    assert training.started_at <= training.ended_at
    assert training.ended_at.timestamp() == pytest.approx(folder_of(tmp_path).log.stat().st_mtime, abs=0.05)


def test_a_stop_during_the_preparation_ends_it(runner, make_launch, tmp_path) -> None:
    launch = make_launch("print('ran')")
    code = tmp_path / "code-job"
    (code / "requirements.txt").write_text("./slow\n")
    (code / "slow").mkdir()
    (code / "slow" / "setup.py").write_text("import time; time.sleep(600)")
    runner.start(launch)
    await_condition(lambda: bool(processes_with(str(tmp_path / "jobs" / ".requirements"))))
    runner.stop("job")
    sighting = await_ending(runner, "job")
    assert sighting.ending is Ending.STOPPED
    assert "ran" not in read_whole_log(runner, "job")
    assert "Training" not in [transition.status for transition in sighting.transitions]


def test_an_unwritable_jobs_folder_is_told(tmp_path, objects, make_launch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        ProcessRunner(tmp_path / "file" / "jobs", objects).start(make_launch("pass"))


def test_an_unwritable_output_location_fails_the_training_job(runner, make_launch, tmp_path) -> None:
    (tmp_path / "s3").mkdir()
    (tmp_path / "s3" / "bucket").touch()
    runner.start(make_launch("import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'x')"))
    sighting = await_ending(runner, "job")
    assert sighting.ending is Ending.FAILED
    assert sighting.failure_reason.startswith("ClientError: The output could not be stored: ")


# The log


def test_the_last_line_needs_no_newline(runner, make_launch) -> None:
    runner.start(make_launch("import sys; sys.stdout.write('a\\nscore=0.5')"))
    await_ending(runner, "job")
    assert read_whole_log(runner, "job") == ["a", "score=0.5"]


def test_any_bytes_may_be_printed(runner, make_launch) -> None:
    script = "import sys; sys.stdout.buffer.write(bytes(range(256)) + '\\nnaïve 火\\r\\n\u2028x\\n'.encode())"
    runner.start(make_launch(script))
    await_ending(runner, "job")
    lines = read_whole_log(runner, "job")
    assert len(lines) == 4
    assert lines[2:] == ["naïve 火", "\u2028x"]


def test_very_long_lines_come_in_pieces(runner, make_launch) -> None:
    length = 10 * LINE_BYTES + 7
    runner.start(make_launch(f"print('x' * {length}); print('score=0.5')"))
    await_ending(runner, "job")
    lines = read_whole_log(runner, "job")
    assert lines[-1] == "score=0.5"
    assert "".join(lines[:-1]) == "x" * length
    assert max(map(len, lines)) == LINE_BYTES


def test_a_hundred_megabytes_of_log_are_read_in_bounded_steps(runner, make_launch) -> None:
    script = "line = 'y' * 99 + '\\n'\nfor _ in range(100): print(line * 10_000, end='')\nprint('score=0.5')"
    runner.start(make_launch(script))
    await_ending(runner, "job")
    count, offset, before, last = 0, 0, -1, []
    while offset != before:
        before = offset
        lines, offset = runner.read_log("job", offset)
        assert offset - before <= 2**23
        count, last = count + len(lines), lines or last
    assert (count, last[-1]) == (1_000_001, "score=0.5")


def test_standard_output_and_error_share_the_log(runner, make_launch) -> None:
    runner.start(make_launch("import sys; print('out'); print('err', file=sys.stderr); print('out')"))
    await_ending(runner, "job")
    assert read_whole_log(runner, "job") == ["out", "err", "out"]


# Failures


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("import sys; sys.exit(3)", 'AlgorithmError: ExecuteUserScriptError:\nExitCode 3\nCommand "{python} train.py"'),
        (
            "print('x'); raise KeyError('age')",
            "AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage \"KeyError: 'age'\"\n"
            'Command "{python} train.py"',
        ),
        (
            "import sys; sys.exit('bad input')",
            'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "bad input"\n'
            'Command "{python} train.py"',
        ),
        (
            "import os; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('ü' * 5000); os._exit(1)",
            "AlgorithmError: " + "ü" * 1008,
        ),
        (
            "import os; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('ClientError: no rows'); os._exit(1)",
            "ClientError: no rows",
        ),
    ],
)
def test_the_failure_reason_says_what_happened(runner, make_launch, script, expected) -> None:
    runner.start(make_launch(script))
    sighting = await_ending(runner, "job")
    assert (sighting.ending, sighting.failure_reason) == (Ending.FAILED, expected.format(python=sys.executable))
    assert sighting.transitions[-1].status == "Failed"


def test_a_killed_script_most_likely_ran_out_of_memory(runner, make_launch) -> None:
    runner.start(make_launch("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    reason = await_ending(runner, "job").failure_reason
    assert reason.startswith('AlgorithmError: ExecuteUserScriptError:\nExitCode 137\nErrorMessage "OutOfMemory')


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"sagemaker_program": "other.py"}, "sagemaker_program 'other.py' is not in"),
        ({"sagemaker_submit_directory": "/no/such/folder"}, "There is no folder or archive /no/such/folder"),
        ({"sagemaker_submit_directory": "s3://bucket/none.tar.gz"}, "No objects are stored under s3://bucket/none.tar"),
        ({"bad": '"\\u0000"'}, "Hyperparameter 'bad' has a character"),
        ({"bad": '"\\ud800"'}, "Hyperparameter 'bad' has a character"),
    ],
)
def test_what_the_request_got_wrong_is_a_client_error(runner, make_launch, change, match) -> None:
    runner.start(make_launch("pass", hyperparameters=change))
    sighting = await_ending(runner, "job")
    assert sighting.ending is Ending.FAILED
    assert sighting.failure_reason.startswith("ClientError: ")
    assert match in sighting.failure_reason


def test_an_interpreter_that_does_not_exist_is_told(tmp_path, objects, make_launch) -> None:
    runner = ProcessRunner(tmp_path / "jobs", objects, python="/no/such/python")
    runner.start(make_launch("pass"))
    assert "ClientError: /no/such/python could not be run" in str(await_ending(runner, "job").failure_reason)

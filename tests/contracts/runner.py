"""What every Runner promises; a subclass supplies `runner` and `make_launch`, which turns a script into a Launch."""

import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from airflow_hpt.local.runner.base import Ending, Launch, Runner, Sighting

MakeLaunch = Callable[..., Launch]
PATIENCE_SECONDS = 30.0


def await_ending(runner: Runner, name: str) -> Sighting:
    """Return the last sighting of a training job; fail when it does not end."""
    return await_sighting(runner, name, lambda sighting: sighting.ending is not None)


def await_sighting(runner: Runner, name: str, is_due: Callable[[Sighting], bool]) -> Sighting:
    """Look at a training job until it is as expected; fail when that takes too long."""
    await_condition(lambda: is_due(runner.sight(name)))
    return runner.sight(name)


def await_condition(is_met: Callable[[], bool]) -> None:
    """Wait for a condition; fail when that takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_met():
        assert time.monotonic() < deadline, "this takes too long"
        time.sleep(0.005)


def read_whole_log(runner: Runner, name: str) -> list[str]:
    """Return every line of a training job's log."""
    lines: list[str] = []
    offset, before = 0, -1
    while offset != before:
        before = offset
        more, offset = runner.read_log(name, offset)
        lines += more
    return lines


def await_line(runner: Runner, name: str, line: str) -> None:
    """Wait until a training job has printed a line."""
    await_condition(lambda: line in read_whole_log(runner, name))


class RunnerContract:
    """Promises of every Runner."""

    def test_a_script_that_exits_with_zero_completes(self, runner: Runner, make_launch: MakeLaunch) -> None:
        runner.start(make_launch("print('score=0.5')"))
        sighting = await_ending(runner, "job")
        assert (sighting.ending, sighting.failure_reason) == (Ending.COMPLETED, None)
        assert read_whole_log(runner, "job") == ["score=0.5"]

    def test_the_secondary_statuses_follow_each_other_without_gaps(
        self, runner: Runner, make_launch: MakeLaunch
    ) -> None:
        runner.start(make_launch("pass"))
        sighting = await_ending(runner, "job")
        transitions = sighting.transitions
        statuses = [transition.status for transition in transitions]
        assert statuses == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
        assert all(a.ended_at == b.started_at for a, b in pairwise(transitions))
        assert sighting.training_started_at is not None
        assert transitions[0].started_at <= sighting.training_started_at <= transitions[-1].started_at
        assert sighting.ended_at == transitions[-1].ended_at
        assert sighting.ended_at.tzinfo is not None

    def test_a_script_that_exits_otherwise_fails_with_a_reason(self, runner: Runner, make_launch: MakeLaunch) -> None:
        runner.start(make_launch("raise ValueError('no such column')"))
        sighting = await_ending(runner, "job")
        assert sighting.ending is Ending.FAILED
        assert sighting.failure_reason is not None
        assert sighting.failure_reason.startswith("AlgorithmError: ")
        assert "no such column" in sighting.failure_reason

    def test_an_attempt_runs_once_however_often_it_is_started(self, runner: Runner, make_launch: MakeLaunch) -> None:
        launch = make_launch("print('ran')")
        runner.start(launch)
        runner.start(launch)
        await_ending(runner, "job")
        runner.start(launch)
        assert runner.sight("job").ending is Ending.COMPLETED
        assert read_whole_log(runner, "job") == ["ran"]

    def test_a_running_training_job_can_be_stopped(self, runner: Runner, make_launch: MakeLaunch) -> None:
        runner.start(make_launch("print('up'); import time; time.sleep(60)"))
        await_line(runner, "job", "up")
        assert runner.sight("job").ending is None
        runner.stop("job")
        runner.stop("job")
        sighting = await_ending(runner, "job")
        assert (sighting.ending, sighting.failure_reason) == (Ending.STOPPED, None)

    def test_stopping_what_has_ended_changes_nothing(self, runner: Runner, make_launch: MakeLaunch) -> None:
        runner.start(make_launch("pass"))
        ended = await_ending(runner, "job")
        runner.stop("job")
        assert runner.sight("job") == ended

    def test_what_was_never_started_is_lost(self, runner: Runner) -> None:
        sighting = runner.sight("nobody")
        assert sighting.ending is Ending.LOST
        assert sighting.failure_reason is not None
        assert sighting.failure_reason.startswith("InternalServerError: ")
        runner.stop("nobody")
        assert runner.read_log("nobody", 0) == ([], 0)

    def test_training_jobs_do_not_see_each_other(self, runner: Runner, make_launch: MakeLaunch) -> None:
        for name in ("one", "two"):
            runner.start(make_launch(f"print({name!r})", name=name))
        for name in ("one", "two"):
            assert await_ending(runner, name).ending is Ending.COMPLETED
            assert read_whole_log(runner, name) == [name]

    @pytest.mark.parametrize("step", [1, 2, 3])
    def test_the_log_is_the_same_however_it_is_read(self, runner: Runner, make_launch: MakeLaunch, step: int) -> None:
        runner.start(make_launch("print('a'); print(); print('c')"))
        await_ending(runner, "job")
        whole = read_whole_log(runner, "job")
        assert whole == ["a", "", "c"]
        offsets = [0]
        for line in whole:
            offsets.append(offsets[-1] + len(line) + 1)
        assert runner.read_log("job", offsets[step])[0] == whole[step:]

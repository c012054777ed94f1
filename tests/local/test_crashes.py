"""Kill the service before and after every effect of a run: the next one must finish it, and repeat nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest

from airflow_hpt.domain.states import TrainingState, TuningState
from airflow_hpt.local.runner.base import Ending, Launch
from airflow_hpt.local.store.database import Database
from tests.local.fakes import Bench, FakeRunner, ManualClock, Process, Script
from tests.requests import make_training_definition, make_tuning_config, make_tuning_request


class Killed(BaseException):
    """kill -9: nothing catches it, nothing is tidied up."""


class Fuse:
    """Kills at the n-th effect."""

    def __init__(self, effects: int) -> None:
        self.left = effects

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


@dataclass(frozen=True)
class Story:
    """A run, and how it must end."""

    script: Callable[[Launch], Script]
    ends: tuple[str, ...]
    attempts: tuple[int, ...]
    retries: int = 0
    stopped_at: int | None = None  # a user stops the tuning job when so many training jobs run


def lose_the_first_attempt(launch: Launch) -> Script:
    is_lost = launch.attempt == 1 and "-002-" in launch.name
    return Script(("score=0.25", "score=0.5"), ending=Ending.LOST if is_lost else Ending.COMPLETED)


STORIES = {
    "all complete": Story(lambda launch: Script(("score=0.25", "noise", "score=0.5")), ("Completed",) * 3, (1, 1, 1)),
    "one is lost and retried": Story(lose_the_first_attempt, ("Completed",) * 3, (1, 2, 1), retries=2),
    "a user stops it": Story(
        lambda launch: Script(("score=0.25", "score=0.5"), ends=False), ("Stopped", "Stopped"), (1, 1), stopped_at=2
    ),
}


def request_of(story: Story) -> dict[str, Any]:
    retry = {"RetryStrategy": {"MaximumRetryAttempts": story.retries}} if story.retries else {}
    return make_tuning_request(
        HyperParameterTuningJobConfig=make_tuning_config(jobs=3, parallel=2),
        TrainingJobDefinition=make_training_definition(**retry),
    )


def play(bench: Bench, story: Story) -> None:
    for _ in range(40):
        running = [each for each in bench.trainings() if each.state is TrainingState.RUNNING]
        if len(running) == story.stopped_at and bench.job().state is TuningState.IN_PROGRESS:
            bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="digits")
        if not bench.store.tuning_jobs.active():
            return
        bench.clock.advance(1)
        bench.engine.tick()
        while bench.advisor.answer_next():
            pass
    raise AssertionError("it does not end")


@contextmanager
def burning(fuse: Fuse, runner: FakeRunner, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    write = Database.write

    @contextmanager
    def guarded(database: Database) -> Iterator[Connection]:
        fuse.burn()
        with write(database) as connection:
            yield connection
        fuse.burn()

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", guarded)
        patch.setattr(runner, "on_effect", fuse.burn)
        yield


def printed(process: Process) -> tuple[float, ...]:
    """Return the objectives that the last attempt of a training job printed."""
    lines = process.script.lines[: process.printed]
    return tuple(float(line.removeprefix("score=")) for line in lines if line.startswith("score="))


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_a_kill_at_any_moment_loses_nothing_and_repeats_nothing(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for effect in range(1, 500):
        home = tmp_path / str(effect)
        home.mkdir()
        runner = FakeRunner(ManualClock(), story.script)
        bench = Bench(home, runner=runner, slots=2)
        bench.operations.call("CreateHyperParameterTuningJob", request_of(story))
        fuse = Fuse(effect)
        with suppress(Killed), burning(fuse, runner, monkeypatch):
            play(bench, story)
        bench.close()
        again = Bench(home, runner=runner, slots=2)
        play(again, story)
        trainings = again.trainings()
        again.close()
        assert tuple(each.state.value for each in trainings) == story.ends, f"killed at effect {effect}"
        assert tuple(each.attempt for each in trainings) == story.attempts
        starts = [(each.name, at) for each in trainings for at in range(1, each.attempt + 1)]
        assert sorted(runner.starts) == sorted(starts), f"killed at effect {effect}"
        assert [each.history for each in trainings] == [printed(runner.processes[each.name]) for each in trainings]
        if fuse.left > 0:  # the whole run was shorter: nothing was killed, and every moment has been tried
            break
    assert effect > 20

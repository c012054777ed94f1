"""A scripted runner and a clock moved by hand, for the rules of the engine; and a service of them in one folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_hpt.domain.records import TrainingJob, Transition, TuningJob
from airflow_hpt.domain.request import parse_request
from airflow_hpt.local.runner.base import Ending, Launch, Sighting
from airflow_hpt.local.search import searcher_for
from airflow_hpt.local.search.base import Parent, Searcher
from airflow_hpt.local.service.advisor import Advisor
from airflow_hpt.local.service.engine import Engine
from airflow_hpt.local.service.operations import Operations
from airflow_hpt.local.service.operations.context import Context
from airflow_hpt.local.service.problems import parents_for
from airflow_hpt.local.store import Store

REGION = "eu-west-1"
START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Script:
    """What a training job prints, line by line and one line a look, and how it ends after the last one."""

    lines: tuple[str, ...] = ("score=0.5",)
    ending: Ending = Ending.COMPLETED
    failure_reason: str | None = None
    ends: bool = True


@dataclass
class Process:
    launch: Launch
    script: Script
    started_at: datetime
    log: str = ""
    printed: int = 0
    stop_asked: int = 0
    ended: Sighting | None = None


def by_x(launch: Launch) -> Script:
    """Score a training job by its hyperparameter x."""
    return Script(lines=(f"score={launch.hyperparameters.get('x', '0')}",))


@dataclass
class FakeRunner:
    """Keeps its processes over restarts of the service, as the real one does.

    Every look lets a training job print one more line; the one after the last line finds that it has ended.
    """

    clock: ManualClock
    script: Callable[[Launch], Script] = by_x
    processes: dict[str, Process] = field(default_factory=dict)
    starts: list[tuple[str, int]] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)
    on_effect: Callable[[], None] = lambda: None  # called before and after a training job is started or signalled

    def start(self, launch: Launch) -> None:
        self.on_effect()
        self._start(launch)
        self.on_effect()

    def _start(self, launch: Launch) -> None:
        self._fault("start", launch.name)
        known = self.processes.get(launch.name)
        if known and known.launch.attempt == launch.attempt:
            return
        self.starts.append((launch.name, launch.attempt))
        log = known.log if known else ""
        self.processes[launch.name] = Process(launch, self.script(launch), self.clock(), log)

    def sight(self, name: str) -> Sighting:
        self._fault("sight", name)
        process = self.processes[name]
        if process.ended:
            return process.ended
        if process.stop_asked:
            return self._end(process, Ending.STOPPED)
        if process.printed < len(process.script.lines):
            process.log += f"{process.script.lines[process.printed]}\n"
            process.printed += 1
            return self._running(process)
        return self._end(process, process.script.ending) if process.script.ends else self._running(process)

    def read_log(self, name: str, offset: int) -> tuple[list[str], int]:
        self._fault("read_log", name)
        log = self.processes[name].log
        return log[offset:].splitlines()[:2], offset + len("".join(log[offset:].splitlines(keepends=True)[:2]))

    def stop(self, name: str) -> None:
        self.on_effect()
        self._fault("stop", name)
        self.processes[name].stop_asked += 1
        self.on_effect()

    def _running(self, process: Process) -> Sighting:
        return Sighting((Transition("Training", process.started_at),), training_started_at=process.started_at)

    def _end(self, process: Process, ending: Ending) -> Sighting:
        running, now = self._running(process), self.clock()
        last = Transition(ending.value, now, now)
        transitions = (replace(running.transitions[0], ended_at=now), last)
        process.ended = replace(
            running,
            transitions=transitions,
            ending=ending,
            ended_at=now,
            failure_reason=process.script.failure_reason,
        )
        return process.ended

    def _fault(self, call: str, name: str) -> None:
        for prefix, fault in self.faults.items():
            if f"{call} {name}".startswith(prefix):
                raise fault


class Bench:
    """A store, a fake runner, an engine and the operations of one folder, driven one tick at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        slots: int = 4,
        script: Callable[[Launch], Script] = by_x,
        runner: FakeRunner | None = None,
        searcher: Callable[[Any], Searcher] = searcher_for,
        limit: int = 100,
    ) -> None:
        self.clock = runner.clock if runner else ManualClock()
        self.runner = runner or FakeRunner(self.clock, script)
        self.store = Store(folder / "state.db", parse=parse)
        self.advisor = Advisor(self._parents_of, on_ready=lambda: self.engine.stir(), searcher=searcher)
        self.engine = Engine(self.store, self.runner, self.advisor, slots=slots, region=REGION, now=self.clock)
        context = Context(
            store=self.store,
            parse=parse,
            admit=lambda definition: None,
            wake=self.engine.wake,
            now=self.clock,
            region=REGION,
            tuning_jobs_limit=limit,
        )
        self.operations = Operations(context)

    def call(self, operation: str, **request: Any) -> Any:
        return self.operations.call(operation, request)

    def tick(self, times: int = 1) -> None:
        """Let a second pass, look, and answer every question for a suggestion."""
        for _ in range(times):
            self.clock.advance(1)
            self.engine.tick()
            while self.advisor.answer_next():
                self.engine.tick()

    def run(self, *, limit: int = 500) -> None:
        """Go on until no tuning job is in progress."""
        for _ in range(limit):
            self.tick()
            if not self.store.tuning_jobs.active():
                return
        raise AssertionError(f"still in progress after {limit} ticks: {self.store.tuning_jobs.active()}")

    def job(self, name: str = "digits") -> TuningJob:
        found = self.store.tuning_jobs.find(name)
        assert found
        return found

    def trainings(self, name: str = "digits") -> list[TrainingJob]:
        return self.store.training_jobs.of(self.job(name))

    def describe(self, name: str = "digits") -> dict[str, Any]:
        return dict(self.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name))

    def close(self) -> None:
        self.store.close()

    def _parents_of(self, job: TuningJob) -> tuple[Parent, ...]:
        parents = self.store.tuning_jobs.parents_of(job)
        return parents_for(job, [(parent, self.store.training_jobs.of(parent)) for parent in parents])


def parse(request: Mapping[str, Any]) -> Any:
    return parse_request(request, image_metrics=lambda image: None)

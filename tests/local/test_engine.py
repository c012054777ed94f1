"""The engine carries tuning jobs to their end, with a scripted runner and a clock moved by hand."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_hpt.domain.records import StopCause
from airflow_hpt.domain.states import TrainingState, TuningState
from airflow_hpt.errors import SpaceExhausted
from airflow_hpt.local.runner.base import Ending, Launch
from airflow_hpt.local.search import searcher_for
from airflow_hpt.local.search.base import Problem
from tests.local.fakes import START, Bench, Script
from tests.requests import make_training_definition, make_tuning_config, make_tuning_request

FAILING = Script(lines=("oops",), ending=Ending.FAILED, failure_reason="AlgorithmError: Exit Code: 1")
ENDLESS = Script(lines=("score=0.5",), ends=False)


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**facts: Any) -> Bench:
        made.append(Bench(tmp_path, **facts))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def create(bench: Bench, name: str = "digits", *, definition: dict[str, Any] | None = None, **config: Any) -> None:
    bench.call(
        "CreateHyperParameterTuningJob",
        **make_tuning_request(
            name,
            HyperParameterTuningJobConfig=make_tuning_config(**config),
            TrainingJobDefinition=make_training_definition(**(definition or {})),
        ),
    )


def by_number(*scripts: Script) -> Callable[[Launch], Script]:
    """Script training jobs by their number; the last script goes for all further ones."""
    return lambda launch: scripts[min(number_of(launch.name), len(scripts)) - 1]


def number_of(name: str) -> int:
    return int(name.split("-")[-2])


def states(bench: Bench, name: str = "digits") -> list[str]:
    return [each.state.value for each in bench.trainings(name)]


def test_a_tuning_job_runs_its_budget_and_completes(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    create(bench, jobs=7, parallel=3)
    bench.run()
    assert bench.job().state is TuningState.COMPLETED
    assert states(bench) == ["Completed"] * 7
    assert [attempt for _, attempt in bench.runner.starts] == [1] * 7
    assert all(each.objective == pytest.approx(float(each.tuned["x"])) for each in bench.trainings())


@pytest.mark.parametrize(("parallel", "slots", "most"), [(1, 4, 1), (3, 4, 3), (9, 4, 4), (3, 1, 1)])
def test_never_more_run_at_once_than_the_job_and_the_host_allow(
    make_bench: Callable[..., Bench], parallel: int, slots: int, most: int
) -> None:
    bench = make_bench(slots=slots)
    create(bench, jobs=9, parallel=parallel)
    seen = set()
    while bench.store.tuning_jobs.active():
        bench.tick()
        seen.add(sum(each.state.is_live for each in bench.trainings()))
    assert max(seen) <= most
    assert max(len(each.script.lines) for each in bench.runner.processes.values()) == 1
    assert states(bench) == ["Completed"] * 9


def test_slots_are_shared_fairly_among_tuning_jobs(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(slots=4, script=lambda launch: ENDLESS)
    create(bench, "greedy", jobs=10, parallel=10)
    bench.tick()
    create(bench, "modest", jobs=10, parallel=2)
    assert states(bench, "greedy") == ["Running"] * 4
    for training in bench.trainings("greedy")[:2]:
        bench.call("StopTrainingJob", TrainingJobName=training.name)
    bench.tick(2)
    assert states(bench, "modest") == ["Running"] * 2
    assert states(bench, "greedy") == ["Stopped"] * 2 + ["Running"] * 2


@pytest.mark.parametrize(("parallel", "slots"), [(1, 1), (4, 4), (4, 2)])
def test_the_same_seed_draws_the_same_configurations_whatever_the_timing(
    make_bench: Callable[..., Bench], parallel: int, slots: int
) -> None:
    bench = make_bench(slots=slots, script=lambda launch: Script(("score=1",) * (1 + number_of(launch.name) % 3)))
    create(bench, jobs=6, parallel=parallel, RandomSeed=5)
    bench.run()
    drawn = [bench.trainings()[at].tuned["x"] for at in range(6)]
    space = bench.job().spec.definitions[0].space
    random = searcher_for(bench.job().spec.strategy)
    assert drawn == [repr(random.suggest(Problem(space, True, 5, at))["x"]) for at in range(6)]


def test_what_the_engine_remembers_is_what_the_store_holds(make_bench: Callable[..., Bench]) -> None:
    script = by_number(Script(("score=1", "x", "score=2")), FAILING, Script(("score=1",), ending=Ending.LOST), ENDLESS)
    bench = make_bench(script=script)
    create(bench, jobs=5, parallel=2, definition={"RetryStrategy": {"MaximumRetryAttempts": 1}})
    for _ in range(12):
        bench.tick()
        (course,) = bench.engine._courses.values()
        stored = [replace(each, modified_at=START) for each in bench.trainings()]
        assert [replace(each, modified_at=START) for each in course.trainings] == stored
        assert course.job.state == bench.job().state
        assert course.job.not_improving == bench.job().not_improving


def test_one_failure_among_successes_does_not_fail_the_tuning_job(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(script=by_number(Script(), FAILING, Script()))
    create(bench, jobs=3)
    bench.run()
    assert bench.job().state is TuningState.COMPLETED
    assert states(bench) == ["Completed", "Failed", "Completed"]
    assert bench.trainings()[1].failure_reason == "AlgorithmError: Exit Code: 1"


def test_five_failures_and_no_success_fail_the_tuning_job(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(script=lambda launch: FAILING)
    create(bench, jobs=9, parallel=2)
    bench.run()
    assert bench.job().state is TuningState.FAILED
    assert (bench.job().failure_reason or "").startswith("No training job succeeded after 5 attempts.")


def test_all_of_the_log_is_read_before_a_training_job_ends(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(script=lambda launch: Script(("\n".join(f"score={at}" for at in range(25)),)))
    create(bench, jobs=1)
    bench.run()
    assert bench.trainings()[0].history == tuple(float(at) for at in range(25))


def test_a_training_job_without_the_metric_completes_without_an_objective(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(script=lambda launch: Script(("nothing to see",)))
    create(bench, jobs=1)
    bench.run()
    (training,) = bench.trainings()
    assert (training.state, training.objective) == (TrainingState.COMPLETED, None)
    assert bench.describe()["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 1}


def test_stopping_a_tuning_job_stops_its_training_jobs_and_starts_no_more(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(script=lambda launch: ENDLESS)
    create(bench, jobs=9, parallel=2)
    bench.tick()
    bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="digits")
    assert bench.describe()["HyperParameterTuningJobStatus"] == "Stopping"
    bench.run()
    assert bench.job().state is TuningState.STOPPED
    assert states(bench) == ["Stopped"] * 2
    assert {each.stop_cause for each in bench.trainings()} == {StopCause.USER}
    assert all(each.objective == 0.5 for each in bench.trainings())
    assert [each.stop_asked for each in bench.runner.processes.values()] == [1, 1]


def test_a_tuning_job_stopped_before_it_began_ends_at_once(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    create(bench)
    bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="digits")
    bench.tick()
    assert bench.job().state is TuningState.STOPPED
    assert bench.trainings() == []


def test_stopping_one_training_job_lets_the_tuning_job_go_on(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(script=by_number(ENDLESS, Script()))
    create(bench, jobs=3)
    bench.tick()
    bench.call("StopTrainingJob", TrainingJobName=bench.trainings()[0].name)
    bench.run()
    assert states(bench) == ["Stopped", "Completed", "Completed"]
    assert bench.job().state is TuningState.COMPLETED


def test_a_claimed_training_job_that_is_stopped_is_never_started(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    create(bench, jobs=1)
    bench.runner.faults["start"] = OSError("no process can be made")
    bench.tick()
    (training,) = bench.trainings()
    assert training.state is TrainingState.CLAIMED
    bench.call("StopTrainingJob", TrainingJobName=training.name)
    bench.runner.faults.clear()
    bench.run()
    assert states(bench) == ["Stopped"]
    assert bench.runner.starts == []
    shown = bench.call("DescribeTrainingJob", TrainingJobName=training.name)
    assert [each["Status"] for each in shown["SecondaryStatusTransitions"]] == ["Starting", "Stopped"]


@pytest.mark.parametrize(
    ("retries", "losses", "state", "attempts"), [(0, 1, "Failed", 1), (2, 2, "Completed", 3), (2, 9, "Failed", 3)]
)
def test_a_lost_training_job_is_repeated_as_its_retry_strategy_allows(
    make_bench: Callable[..., Bench], retries: int, losses: int, state: str, attempts: int
) -> None:
    lost = Script(("score=0.25",), ending=Ending.LOST, failure_reason="InternalServerError: the process vanished")
    bench = make_bench(script=lambda launch: lost if launch.attempt <= losses else Script(("score=0.75",)))
    definition = {"RetryStrategy": {"MaximumRetryAttempts": retries}} if retries else {}
    create(bench, jobs=1, definition=definition)
    bench.run()
    (training,) = bench.trainings()
    assert (training.state.value, training.attempt) == (state, attempts)
    assert training.is_retryable == (state == "Failed")
    assert training.history == ((0.25,) if state == "Failed" else (0.75,))
    assert bench.runner.starts == [(training.name, at) for at in range(1, attempts + 1)]


def test_reaching_the_target_ends_the_rest(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(script=by_number(Script(("score=0.99",) * 20), ENDLESS))
    create(bench, jobs=9, parallel=3, TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 0.9})
    bench.run()
    assert bench.job().state is TuningState.COMPLETED
    assert states(bench) == ["Completed", "Stopped", "Stopped"]
    assert {each.stop_cause for each in bench.trainings()[1:]} == {StopCause.TUNING_ENDED}


def test_the_run_time_of_a_tuning_job_ends_it_without_any_other_event(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(script=lambda launch: ENDLESS)
    limits = {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 2, "MaxRuntimeInSeconds": 120}
    create(bench, ResourceLimits=limits)
    bench.tick(115)
    assert states(bench) == ["Running"] * 2
    bench.tick(9)
    assert bench.job().state is TuningState.COMPLETED
    assert states(bench) == ["Stopped"] * 2


def test_early_stopping_leaves_its_cause(make_bench: Callable[..., Bench]) -> None:
    good, bad = Script(("score=0.9",) * 4), Script(("score=0.1",) * 9)
    bench = make_bench(script=by_number(good, good, good, good, bad, good))
    create(bench, jobs=6, TrainingJobEarlyStoppingType="Auto")
    bench.run()
    assert states(bench) == ["Completed"] * 4 + ["Stopped", "Completed"]
    assert bench.trainings()[4].stop_cause is StopCause.MEDIAN_RULE


def test_progress_is_kept_up_to_date(make_bench: Callable[..., Bench]) -> None:
    scores = [0.5, 0.4, 0.9, 0.8, 0.7, 0.6]
    bench = make_bench(script=by_number(*(Script((f"score={score}",)) for score in scores)))
    create(bench, jobs=6)
    bench.run()
    assert bench.describe()["TuningJobCompletionDetails"] == {
        "NumberOfTrainingJobsObjectiveNotImproving": 3,
        "ConvergenceDetectedTime": None,
    }


def test_convergence_is_noted_without_being_a_criterion(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(script=lambda launch: Script(("score=0.5",)))
    create(bench, jobs=15)
    bench.run()
    details = bench.describe()["TuningJobCompletionDetails"]
    assert details["NumberOfTrainingJobsObjectiveNotImproving"] == 14
    assert details["ConvergenceDetectedTime"] == bench.trainings()[10].ended_at


class TestRestarts:
    def test_running_training_jobs_are_adopted(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench(script=lambda launch: Script(("score=0.1", "score=0.2", "score=0.3", "score=0.4")))
        create(bench, jobs=2, parallel=2)
        bench.tick(2)
        again = make_bench(runner=bench.runner)
        again.run()
        assert states(again) == ["Completed"] * 2
        assert len(again.runner.starts) == 2
        expected = tuple(pytest.approx(each) for each in (0.1, 0.2, 0.3, 0.4))
        assert [each.history for each in again.trainings()] == [expected] * 2

    def test_those_that_were_stopping_are_signalled_again(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench(script=lambda launch: ENDLESS)
        create(bench, jobs=1)
        bench.tick()
        bench.runner.faults["stop"] = OSError("the signal was lost with the service")
        bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="digits")
        bench.tick()
        assert states(bench) == ["Stopping"]
        bench.runner.faults.clear()
        again = make_bench(runner=bench.runner)
        again.run()
        assert (states(again), again.job().state) == (["Stopped"], TuningState.STOPPED)

    def test_fewer_slots_than_before_start_nothing_until_there_is_room(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench(slots=4, script=by_number(ENDLESS, ENDLESS, Script()))
        create(bench, jobs=5, parallel=4)
        bench.tick(3)
        again = make_bench(slots=1, runner=bench.runner)
        again.tick(5)
        assert sum(each.state.is_live for each in again.trainings()) == 2
        assert len(again.trainings()) == 5


class TestFaults:
    def test_one_that_passes_is_survived(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench()
        create(bench, jobs=2)
        bench.tick()
        bench.runner.faults["sight"] = OSError("for a moment")
        bench.tick()
        bench.runner.faults.clear()
        bench.run()
        assert states(bench) == ["Completed"] * 2

    @pytest.mark.parametrize("call", ["start", "sight", "read_log"])
    def test_one_that_lasts_fails_its_training_job_and_no_other(
        self, make_bench: Callable[..., Bench], call: str
    ) -> None:
        bench = make_bench(slots=2, script=lambda launch: Script(("score=0.5",) * 20))
        create(bench, "broken", jobs=3)
        create(bench, "sound", jobs=4)
        bench.runner.faults[f"{call} broken-001"] = OSError("disk on fire")
        bench.run()
        assert states(bench, "sound") == ["Completed"] * 4
        assert states(bench, "broken") == ["Failed", "Completed", "Completed"]
        failed = bench.trainings("broken")[0]
        assert failed.is_retryable
        assert failed.failure_reason == (
            "InternalServerError: the local service could not go on with this job: OSError: disk on fire"
        )
        assert [process.stop_asked for process in bench.runner.processes.values() if process.stop_asked] == (
            [] if call == "start" else [1]
        )

    def test_a_searcher_that_keeps_failing_fails_its_tuning_job_and_no_other(
        self, make_bench: Callable[..., Bench]
    ) -> None:
        class Broken:
            def suggest(self, problem: Problem) -> dict[str, Any]:
                if problem.index >= 2 and problem.seed == 13:
                    raise ArithmeticError("the matrix is singular")
                return {"x": 0.5}

        bench = make_bench(
            script=lambda launch: ENDLESS if launch.tuning_job == "broken" else Script(),
            searcher=lambda strategy: Broken(),
        )
        create(bench, "sound", jobs=4, parallel=2)
        create(bench, "broken", jobs=4, parallel=4, RandomSeed=13)
        bench.run()
        assert bench.job("sound").state is TuningState.COMPLETED
        assert bench.job("broken").state is TuningState.FAILED
        assert bench.job("broken").failure_reason == (
            "InternalServerError: the local service could not go on with this job: "
            "ArithmeticError: the matrix is singular"
        )
        assert states(bench, "broken") == ["Stopped"] * 2

    def test_a_searcher_that_fails_once_is_asked_again(self, make_bench: Callable[..., Bench]) -> None:
        class Stumbling:
            calls = 0

            def suggest(self, problem: Problem) -> dict[str, Any]:
                self.calls += 1
                if self.calls == 2:
                    raise ArithmeticError("bad luck")
                return {"x": 0.5}

        searcher = Stumbling()
        bench = make_bench(searcher=lambda strategy: searcher)
        create(bench, jobs=3)
        bench.run()
        assert states(bench) == ["Completed"] * 3

    def test_an_exhausted_space_completes_the_tuning_job(self, make_bench: Callable[..., Bench]) -> None:
        class Short:
            def suggest(self, problem: Problem) -> dict[str, Any]:
                if problem.index == 2:
                    raise SpaceExhausted("every configuration was tried")
                return {"x": 0.5}

        bench = make_bench(searcher=lambda strategy: Short())
        create(bench, jobs=9, parallel=2)
        bench.run()
        assert bench.job().state is TuningState.COMPLETED
        assert states(bench) == ["Completed"] * 2

    def test_a_wish_is_not_lost_when_the_store_fails_to_tell_it(
        self, make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench = make_bench()
        create(bench, jobs=1)
        with monkeypatch.context() as patch:
            patch.setattr(bench.store.tuning_jobs, "active", lambda: 1 / 0)
            with pytest.raises(ZeroDivisionError, match="division by zero"):
                bench.engine.tick()
        bench.run()
        assert states(bench) == ["Completed"]

    def test_a_stop_that_comes_first_wins_over_completion(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench()
        create(bench, jobs=1)
        bench.tick()
        (course,) = bench.engine._courses.values()
        bench.engine._take_wishes()
        bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="digits")
        bench.engine._has_wishes = False  # the engine has not seen the wish when it decides
        for _ in range(3):
            bench.clock.advance(1)
            bench.engine.tick()
        bench.run()
        assert bench.job().state is TuningState.STOPPED
        assert states(bench) == ["Completed"]
        assert course.job.name == "digits"

    def test_a_stop_that_comes_first_wins_over_a_claim(self, make_bench: Callable[..., Bench]) -> None:
        bench = make_bench()
        create(bench, jobs=1)
        bench.engine.tick()
        assert bench.advisor.answer_next()
        bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="digits")
        bench.engine._has_wishes = False  # the engine has not seen the wish when it decides
        bench.engine.tick()
        bench.run()
        assert (bench.job().state, bench.trainings()) == (TuningState.STOPPED, [])

    @pytest.mark.parametrize("is_stopped", [False, True])
    def test_a_tuning_job_that_cannot_be_planned_is_wound_up(
        self, make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, is_stopped: bool
    ) -> None:
        bench = make_bench(script=lambda launch: ENDLESS)
        create(bench, jobs=3)
        bench.tick()
        if is_stopped:
            bench.call("StopHyperParameterTuningJob", HyperParameterTuningJobName="digits")
        monkeypatch.setattr("airflow_hpt.local.service.engine.plan", lambda *_, **__: 1 / 0)
        bench.run()
        assert states(bench) == ["Stopped"]
        assert bench.job().state is (TuningState.STOPPED if is_stopped else TuningState.FAILED)
        assert ("ZeroDivisionError" in (bench.job().failure_reason or "")) is not is_stopped

    def test_the_thread_survives_a_round_that_fails(
        self, make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench = make_bench()
        active, is_first = bench.store.tuning_jobs.active, iter([True])
        monkeypatch.setattr(bench.store.tuning_jobs, "active", lambda: 1 / 0 if next(is_first, False) else active())
        bench.advisor.start()
        bench.engine.start()
        create(bench, jobs=2)
        deadline = time.monotonic() + 30
        while bench.job().state is not TuningState.COMPLETED and time.monotonic() < deadline:
            time.sleep(0.01)
        bench.engine.stop()
        bench.advisor.stop()
        assert states(bench) == ["Completed"] * 2

"""Suggestions are prepared ahead, and never depend on the timing where they must not."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from airflow_hpt.domain.records import TrainingJob, TuningJob
from airflow_hpt.domain.states import TrainingState, TuningState
from airflow_hpt.errors import SpaceExhausted
from airflow_hpt.local.search.base import Observation, Parent, Problem
from airflow_hpt.local.service import advisor as module
from airflow_hpt.local.service.advisor import Advisor
from airflow_hpt.local.service.problems import parents_for, problem_of
from tests.local.fakes import START, parse
from tests.requests import make_training_definition, make_tuning_config, make_tuning_request

RANGES = {
    "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}],
    "IntegerParameterRanges": [{"Name": "depth", "MinValue": "1", "MaxValue": "9"}],
}


def make_job(name: str = "digits", *, static: dict[str, str] | None = None, **config: Any) -> TuningJob:
    request = make_tuning_request(
        name,
        HyperParameterTuningJobConfig=make_tuning_config(**{"jobs": 9, "parallel": 2, **config}),
        TrainingJobDefinition=make_training_definition(
            StaticHyperParameters={"sagemaker_program": "a.py", **(static or {})}
        ),
    )
    return TuningJob(parse(request), TuningState.IN_PROGRESS, START, START, seed=7)


def make_training(index: int, *, ended: bool = True, score: float | None = 0.5, **tuned: str) -> TrainingJob:
    return TrainingJob(
        name=f"digits-{index:03}-00000000",
        tuning_job="digits",
        index=index,
        definition=None,
        tuned=tuned or {"x": f"0.{index}"},
        state=TrainingState.COMPLETED if ended else TrainingState.RUNNING,
        created_at=START,
        modified_at=START,
        history=() if score is None else (score,),
    )


@dataclass
class Recorder:
    """A searcher that keeps the problems it was given and answers with how many observations there were."""

    problems: list[Problem] = field(default_factory=list)
    error: Exception | None = None

    def suggest(self, problem: Problem) -> dict[str, Any]:
        self.problems.append(problem)
        if self.error:
            raise self.error
        return {"index": problem.index, "known": len(problem.observations)}


def make_advisor(searcher: Recorder, parents: Callable[[TuningJob], tuple[Parent, ...]] = lambda job: ()) -> Advisor:
    return Advisor(parents, on_ready=lambda: None, searcher=lambda strategy: searcher)


def test_a_suggestion_is_computed_once_and_then_there() -> None:
    searcher = Recorder()
    advisor, job = make_advisor(searcher), make_job()
    assert advisor.suggest(job, None, []) is None
    assert advisor.suggest(job, None, []) is None
    assert advisor.answer_next()
    assert not advisor.answer_next()
    assert advisor.suggest(job, None, []) == {"index": 0, "known": 0}
    assert len(searcher.problems) == 1


def test_a_suggestion_that_was_prepared_is_there_when_a_slot_is_freed() -> None:
    searcher = Recorder()
    advisor, job = make_advisor(searcher), make_job()
    trainings = [make_training(1, ended=False)]
    advisor.prepare(job, None, trainings)
    advisor.answer_next()
    advisor.prepare(job, None, trainings)
    assert not advisor.answer_next()
    assert advisor.suggest(job, None, trainings) == {"index": 1, "known": 0}


@pytest.mark.parametrize("strategy", ["Random", "Hyperband"])
def test_a_strategy_that_draws_by_index_never_waits_for_results(strategy: str) -> None:
    extra = {"StrategyConfig": {"HyperbandStrategyConfig": {"MaxResource": 9}}} if strategy == "Hyperband" else {}
    advisor, job = make_advisor(Recorder()), make_job(Strategy=strategy, **extra)
    advisor.prepare(job, None, [make_training(1, ended=False)])
    advisor.answer_next()
    assert advisor.suggest(job, None, [make_training(1)]) == {"index": 1, "known": 0}


def test_one_bayesian_training_job_at_a_time_always_waits_for_what_knows_every_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0)
    advisor, job = make_advisor(Recorder()), make_job(Strategy="Bayesian", parallel=1)
    advisor.prepare(job, None, [make_training(1, ended=False)])
    advisor.answer_next()
    assert advisor.suggest(job, None, [make_training(1)]) is None
    assert advisor.suggest(job, None, [make_training(1)]) is None
    advisor.answer_next()
    assert advisor.suggest(job, None, [make_training(1)]) == {"index": 1, "known": 1}


def test_several_bayesian_training_jobs_take_an_older_suggestion_once_patience_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    advisor, job = make_advisor(Recorder()), make_job(Strategy="Bayesian", parallel=2)
    before = [make_training(1, ended=False), make_training(2, ended=False)]
    after = [make_training(1), before[1]]
    advisor.prepare(job, None, before)
    advisor.answer_next()
    assert advisor.suggest(job, None, after) is None
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0)
    assert advisor.suggest(job, None, after) == {"index": 2, "known": 0}
    advisor.answer_next()
    assert advisor.suggest(job, None, after) == {"index": 2, "known": 1}


def test_a_suggestion_is_used_for_one_training_job_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0)
    for strategy in ("Random", "Bayesian"):
        advisor, job = make_advisor(Recorder()), make_job(Strategy=strategy)
        advisor.prepare(job, None, [])
        advisor.answer_next()
        assert advisor.suggest(job, None, [make_training(1, ended=False)]) is None


def test_the_latest_question_replaces_earlier_ones_and_every_tuning_job_has_its_turn() -> None:
    searcher = Recorder()
    advisor = make_advisor(searcher)
    first, second = make_job("first", RandomSeed=1), make_job("second", RandomSeed=2)
    advisor.prepare(first, None, [])
    advisor.prepare(second, None, [])
    advisor.prepare(first, None, [make_training(1)])
    while advisor.answer_next():
        pass
    assert [problem.index for problem in searcher.problems] == [1, 0]


def test_an_unforeseen_error_is_raised_once_and_the_question_put_again() -> None:
    searcher = Recorder(error=ArithmeticError("singular"))
    advisor, job = make_advisor(searcher), make_job()
    advisor.prepare(job, None, [])
    advisor.answer_next()
    with pytest.raises(ArithmeticError, match="singular"):
        advisor.suggest(job, None, [])
    searcher.error = None
    assert advisor.suggest(job, None, []) is None
    advisor.answer_next()
    assert advisor.suggest(job, None, []) == {"index": 0, "known": 0}


def test_an_exhausted_space_is_told_each_time() -> None:
    advisor, job = make_advisor(Recorder(error=SpaceExhausted("all tried"))), make_job()
    advisor.prepare(job, None, [])
    advisor.answer_next()
    for _ in range(2):
        with pytest.raises(SpaceExhausted, match="all tried"):
            advisor.suggest(job, None, [])


def test_nothing_is_kept_of_a_tuning_job_that_was_forgotten() -> None:
    asked: list[str] = []

    def parents(job: TuningJob) -> tuple[Parent, ...]:
        asked.append(job.name)
        return ()

    advisor, job = make_advisor(Recorder(), parents), make_job()
    for _ in range(2):
        advisor.prepare(job, None, [])
        advisor.answer_next()
        advisor.prepare(job, None, [make_training(1)])
        advisor.answer_next()
        advisor.forget(job)
        assert advisor.suggest(job, None, []) is None
    assert asked == ["digits"] * 2


def test_the_thread_answers_and_says_so() -> None:
    said = threading.Event()
    advisor, job = Advisor(lambda job: (), on_ready=said.set, searcher=lambda strategy: Recorder()), make_job()
    advisor.start()
    advisor.prepare(job, None, [])
    assert said.wait(10)
    assert advisor.suggest(job, None, []) == {"index": 0, "known": 0}
    advisor.stop()


def test_a_problem_tells_results_failures_and_what_runs() -> None:
    job = make_job(RandomSeed=3)
    trainings = [make_training(1, score=0.9), make_training(2, score=None), make_training(3, ended=False)]
    assert problem_of(job, None, trainings) == Problem(
        space=job.spec.definitions[0].space,
        maximize=True,
        seed=7,
        index=3,
        observations=(Observation({"x": 0.1}, 0.9), Observation({"x": 0.2}, None)),
        pending=({"x": 0.3},),
    )


class TestParents:
    def test_contribute_static_values_of_what_is_tunable_now(self) -> None:
        child, parent = make_job(ParameterRanges=RANGES), make_job("parent", static={"depth": "4"})
        (known,) = parents_for(child, [(parent, [make_training(1, score=0.9)])])
        assert known == Parent("parent", (Observation({"x": 0.1, "depth": 4}, 0.9),))

    @pytest.mark.parametrize("static", [{}, {"depth": "deep"}, {"depth": "4.5"}])
    def test_leave_out_what_the_ranges_cannot_read(self, static: dict[str, str]) -> None:
        child, parent = make_job(ParameterRanges=RANGES), make_job("parent", static=static)
        assert parents_for(child, [(parent, [make_training(1)])]) == (Parent("parent", ()),)

    def test_keep_values_outside_the_new_ranges(self) -> None:
        (known,) = parents_for(make_job(), [(make_job("parent"), [make_training(1, x="7.5")])])
        assert known.observations == (Observation({"x": 7.5}, 0.5),)

    def test_that_failed_contribute_what_succeeded(self) -> None:
        parent = replace(make_job("parent"), state=TuningState.FAILED)
        trainings = [
            make_training(1, score=None),
            make_training(2),
            replace(make_training(3), state=TrainingState.FAILED),
        ]
        (known,) = parents_for(make_job(), [(parent, trainings)])
        assert known.observations == (Observation({"x": 0.2}, 0.5),)

    def test_come_newest_first_with_their_training_jobs_oldest_first(self) -> None:
        old, new = (replace(make_job(name), created_at=START + timedelta(days=at)) for at, name in enumerate("ab"))
        found = parents_for(make_job(), [(old, [make_training(1), make_training(2)]), (new, [])])
        assert [parent.name for parent in found] == ["b", "a"]
        assert [each.hyperparameters["x"] for each in found[1].observations] == [0.1, 0.2]

    @pytest.mark.parametrize(("kind", "same"), [("IdenticalDataAndAlgorithm", True), ("TransferLearning", False)])
    def test_are_of_the_same_task_when_data_and_algorithm_are_identical(self, kind: str, same: bool) -> None:
        warm = {"ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "a"}], "WarmStartType": kind}
        job = replace(make_job(), spec=parse(make_tuning_request(WarmStartConfig=warm)))
        known = (Parent("a", (Observation({"x": 0.5}, 0.5),)),)
        problem = problem_of(job, None, [], parents=known)
        assert (problem.parents, problem.same_task) == (known, same)

"""What every store promises; a subclass supplies the fixture `open_store`, which opens the same one each time."""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_hpt.domain.counters import tally
from airflow_hpt.domain.records import StopCause, TrainingJob, Transition, TuningJob
from airflow_hpt.domain.states import (
    TRAINING_MOVES,
    TUNING_MOVES,
    TrainingEvent,
    TrainingState,
    TuningEvent,
    TuningState,
)
from airflow_hpt.errors import AlreadyExists, IllegalTransition, InvalidRequest, LimitExceeded
from airflow_hpt.local.store import Store
from airflow_hpt.local.store.pages import Listing
from airflow_hpt.local.store.tags import Tagged
from tests.local.fakes import parse
from tests.requests import make_training_definition, make_tuning_config, make_tuning_request

NOW = datetime(2026, 11, 24, 12, 0, 0, 123000, UTC)
ENDINGS = {
    "Completed": TrainingEvent.EXITED_OK,
    "Failed": TrainingEvent.EXITED_BAD,
    "Stopped": TrainingEvent.WAS_STOPPED,
}


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def add(store: Store, name: str = "digits", *, now: datetime = NOW, limit: int = 100, **facts: Any) -> TuningJob:
    """Create a tuning job; `jobs` and `parallel` are its limits, other facts members of its request."""
    config = make_tuning_config(jobs=facts.pop("jobs", 10), parallel=facts.pop("parallel", 10))
    config |= facts.pop("config", {})
    parents = facts.pop("parents", ())
    request = make_tuning_request(name, HyperParameterTuningJobConfig=config, **facts)
    return store.tuning_jobs.add(parse(request), seed=7, now=now, parents=parents, limit=limit)


def claim(
    store: Store, job: TuningJob, *, now: datetime = NOW, x: str = "0.5", definition: str | None = None
) -> TrainingJob:
    claimed = store.training_jobs.claim(job, definition=definition, tuned={"x": x}, now=now)
    assert claimed
    return claimed


def run(
    store: Store, job: TuningJob, *values: float, state: str = "Completed", definition: str | None = None
) -> TrainingJob:
    """Claim a training job, let it print its objective and end."""
    training = claim(store, job, definition=definition)
    store.training_jobs.move(training, TrainingEvent.SPAWNED, now=NOW, why="test")
    if values:
        emitted = [pair for value in values for pair in (("score", value), ("ObjectiveMetric", value))]
        store.training_jobs.record(training.name, emitted, since=0, until=100, now=NOW)
    return store.training_jobs.move(training, ENDINGS[state], now=NOW, why="test")


def end(store: Store, job: TuningJob, *, now: datetime = NOW) -> TuningJob:
    return store.tuning_jobs.move(job, TuningEvent.FINISHED, now=now, why="test")


class StoreContract:
    """The promises, one test each."""

    @pytest.fixture
    def open_store(self) -> Callable[[], Store]:
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: Callable[[], Store]) -> Iterator[Store]:
        store = open_store()
        yield store
        store.close()

    def test_a_tuning_job_is_found_as_it_was_added_also_by_the_next_process(
        self, store: Store, open_store: Callable[[], Store]
    ) -> None:
        job = add(store, Tags=[{"Key": "team", "Value": "vision\u2028"}])
        assert (job.state, job.created_at, job.modified_at, job.seed) == (TuningState.IN_PROGRESS, NOW, NOW, 7)
        assert job.tags == {"team": "vision\u2028"}
        another = open_store()
        assert store.tuning_jobs.find("digits") == another.tuning_jobs.find("digits") == job
        another.close()

    def test_what_was_never_added_is_not_found(self, store: Store) -> None:
        assert store.tuning_jobs.find("digits") is None
        assert store.training_jobs.find("digits-001-00000000") is None

    @pytest.mark.parametrize("is_over", [False, True])
    def test_a_name_is_taken_while_its_tuning_job_is_known(self, store: Store, is_over: bool) -> None:
        job = add(store)
        if is_over:
            end(store, job)
        with pytest.raises(AlreadyExists, match=r"with the name, digits, already exists\. Choose a different name\."):
            add(store)

    def test_the_limit_of_tuning_jobs_in_progress_counts_only_those(self, store: Store) -> None:
        end(store, add(store, "over"))
        add(store, "first", limit=2)
        add(store, "second", limit=2)
        with pytest.raises(LimitExceeded, match="is 2, with current utilization of 2 and a request delta of 1"):
            add(store, "third", limit=2)

    def test_a_claim_promises_the_next_training_job(self, store: Store) -> None:
        job = add(store, Tags=[{"Key": "team", "Value": "vision"}])
        first, second = claim(store, job), claim(store, job, x="0.7", now=later(1))
        assert [first.index, second.index] == [1, 2]
        assert second.name.startswith("digits-002-")
        assert (second.state, second.tuned, second.created_at) == (TrainingState.CLAIMED, {"x": "0.7"}, later(1))
        assert store.tags.of(Tagged.TRAINING, second.name) == {"team": "vision"}
        assert store.training_jobs.of(job) == [first, second]

    def test_the_last_place_is_claimed_once_however_many_ask_at_a_time(self, store: Store) -> None:
        job = add(store, jobs=5, parallel=3)
        results: list[TrainingJob | None] = []
        asking = [
            threading.Thread(
                target=lambda: results.append(store.training_jobs.claim(job, definition=None, tuned={}, now=NOW))
            )
            for _ in range(8)
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert sorted(each.index for each in results if each) == [1, 2, 3]

    def test_no_more_is_claimed_than_the_budget(self, store: Store) -> None:
        job = add(store, jobs=2)
        run(store, job, 0.5)
        run(store, job, 0.5)
        assert store.training_jobs.claim(job, definition=None, tuned={}, now=NOW) is None

    def test_nothing_is_claimed_for_a_tuning_job_that_is_not_in_progress(self, store: Store) -> None:
        job = add(store)
        store.tuning_jobs.move(job, TuningEvent.STOP_ASKED, now=NOW, why="test")
        assert store.training_jobs.claim(job, definition=None, tuned={}, now=NOW) is None

    @given(events=st.lists(st.sampled_from(TrainingEvent), max_size=6))
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_training_jobs_move_by_the_table_and_by_nothing_else(
        self, store: Store, events: list[TrainingEvent]
    ) -> None:
        job = store.tuning_jobs.find("digits") or add(store, jobs=10000, parallel=100)
        training = claim(store, job)
        for event in events:
            expected = TRAINING_MOVES.get((training.state, event))
            if expected is None:
                with pytest.raises(IllegalTransition, match="can take"):
                    store.training_jobs.move(training, event, now=NOW, why="test")
            else:
                training = store.training_jobs.move(training, event, now=NOW, why="test")
                assert training.state is expected
                assert (training.ended_at is None) == training.state.is_live
            assert store.training_jobs.find(training.name) == training
        if training.state.is_live:
            store.training_jobs.ask_stop(training.name, StopCause.USER, now=NOW)
            while training.state.is_live:
                event = (
                    TrainingEvent.WAS_STOPPED if training.state is TrainingState.STOPPING else TrainingEvent.STOP_ASKED
                )
                training = store.training_jobs.move(training, event, now=NOW, why="test")

    @given(events=st.lists(st.sampled_from(TuningEvent), max_size=4))
    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_tuning_jobs_move_by_the_table_and_by_nothing_else(self, store: Store, events: list[TuningEvent]) -> None:
        job = add(store, f"j{len(store.tuning_jobs.all())}", limit=10000)
        for event in events:
            expected = TUNING_MOVES.get((job.state, event))
            if expected is None:
                with pytest.raises(IllegalTransition, match="can take"):
                    store.tuning_jobs.move(job, event, now=later(9), why="test")
            else:
                job = store.tuning_jobs.move(job, event, now=later(9), why="test", failure_reason="reason")
                assert (job.state, job.modified_at, job.failure_reason) == (expected, later(9), "reason")
                assert job.ended_at == (later(9) if job.state.is_terminal else None)
            assert store.tuning_jobs.find(job.name) == job

    def test_a_move_stores_what_is_known_of_the_training_job(self, store: Store) -> None:
        training = claim(store, add(store))
        training = store.training_jobs.move(training, TrainingEvent.SPAWNED, now=NOW, why="test")
        facts = {
            "started_at": later(1),
            "ended_at": later(2),
            "failure_reason": "AlgorithmError: Exit Code: 1",
            "is_retryable": True,
            "transitions": (Transition("Training", later(1), later(2), "Training"), Transition("Failed", later(2))),
        }
        moved = store.training_jobs.move(replace(training, **facts), TrainingEvent.EXITED_BAD, now=later(3), why="test")
        assert moved == replace(training, state=TrainingState.FAILED, modified_at=later(3), **facts)
        assert store.training_jobs.find(training.name) == moved

    def test_emissions_and_the_log_they_cover_are_recorded_together_and_once(self, store: Store) -> None:
        training = claim(store, add(store))
        pairs = [("loss", 0.9), ("score", 0.25), ("ObjectiveMetric", 0.25)]
        store.training_jobs.record(training.name, pairs, since=0, until=40, now=NOW)
        with pytest.raises(ValueError, match="from byte 0 on was recorded before"):
            store.training_jobs.record(training.name, pairs, since=0, until=40, now=NOW)
        store.training_jobs.record(
            training.name, [("ObjectiveMetric", 0.5), ("loss", 0.7)], since=40, until=60, now=later(1)
        )
        found = store.training_jobs.find(training.name)
        assert found
        assert found.history == (0.25, 0.5)
        assert store.training_jobs.log_offset(training.name) == 60
        assert store.training_jobs.final_metrics(training.name) == [
            ("score", 0.25, NOW),
            ("ObjectiveMetric", 0.5, later(1)),
            ("loss", 0.7, later(1)),
        ]

    def test_a_retry_starts_afresh_but_goes_on_in_the_log(self, store: Store) -> None:
        training = claim(store, add(store))
        store.training_jobs.move(training, TrainingEvent.SPAWNED, now=NOW, why="test")
        store.training_jobs.record(training.name, [("ObjectiveMetric", 0.5)], since=0, until=40, now=NOW)
        again = store.training_jobs.move(training, TrainingEvent.WILL_RETRY, now=NOW, why="lost")
        assert (again.state, again.attempt, again.history) == (TrainingState.CLAIMED, 2, ())
        assert store.training_jobs.final_metrics(training.name) == []
        assert store.training_jobs.log_offset(training.name) == 40

    def test_the_first_wish_to_stop_stands(self, store: Store) -> None:
        job = add(store)
        training, over = claim(store, job), run(store, job, 0.5)
        for name in (training.name, over.name):
            store.training_jobs.ask_stop(name, StopCause.MEDIAN_RULE, now=later(1))
            store.training_jobs.ask_stop(name, StopCause.USER, now=later(2))
        assert store.training_jobs.stop_wishes() == {training.name: StopCause.MEDIAN_RULE}
        assert store.training_jobs.find(over.name) == over

    def test_a_deleted_tuning_job_leaves_its_training_jobs(self, store: Store) -> None:
        job = add(store, Tags=[{"Key": "team", "Value": "vision"}])
        training = run(store, job, 0.5)
        job = end(store, job)
        store.tuning_jobs.delete(job, now=later(9))
        assert store.tuning_jobs.find("digits") is None
        assert store.tuning_jobs.all() == []
        assert store.training_jobs.find(training.name) == training
        assert store.tuning_jobs.owner_of(training.name).spec == job.spec
        assert store.tags.of(Tagged.TUNING, "digits") == {}
        assert store.tags.of(Tagged.TRAINING, training.name) == {"team": "vision"}

    def test_a_name_that_is_used_again_does_not_inherit_training_jobs(self, store: Store) -> None:
        job = add(store)
        old = run(store, job, 0.5)
        store.tuning_jobs.delete(end(store, job), now=NOW)
        again = add(store, now=later(1))
        assert store.training_jobs.of(again) == []
        new = claim(store, again)
        assert new.name != old.name
        assert store.training_jobs.of(again) == [new]
        assert store.tuning_jobs.owner_of(old.name).created_at == NOW

    def test_parents_are_remembered_in_order_even_once_deleted(self, store: Store) -> None:
        parents = [end(store, add(store, name)) for name in ("second", "first")]
        child = add(store, "child", parents=parents)
        store.tuning_jobs.delete(parents[0], now=NOW)
        assert [each.name for each in store.tuning_jobs.parents_of(child)] == ["second", "first"]
        assert store.tuning_jobs.parents_of(parents[1]) == []

    def test_progress_is_noted_without_counting_as_a_change(self, store: Store) -> None:
        job = replace(add(store), converged_at=later(5), not_improving=4)
        store.tuning_jobs.note(job)
        assert store.tuning_jobs.find("digits") == job

    def test_a_tuning_job_is_modified_when_a_training_job_is_claimed_or_ends(self, store: Store) -> None:
        job = add(store)
        training = claim(store, job, now=later(1))
        modified = [store.tuning_jobs.find("digits")]
        store.training_jobs.move(training, TrainingEvent.STOP_ASKED, now=later(2), why="test")
        modified.append(store.tuning_jobs.find("digits"))
        assert [each.modified_at for each in modified if each] == [later(1), later(2)]

    def test_training_jobs_are_counted_by_status_fault_and_objective(self, store: Store) -> None:
        job, other = add(store), add(store, "other")
        for state, values in (("Completed", (0.5,)), ("Completed", ()), ("Stopped", (0.1,)), ("Failed", (0.9,))):
            run(store, job, *values, state=state)
        claim(store, job)
        assert store.training_jobs.tallies([other, job]) == [{}, tally(store.training_jobs.of(job))]
        assert sum(store.training_jobs.tallies([job])[0].values()) == 5

    @pytest.mark.parametrize(("kind", "winner"), [("Maximize", 1), ("Minimize", 0)])
    def test_the_best_training_job_is_the_earlier_one_of_equals(self, store: Store, kind: str, winner: int) -> None:
        job = add(store, config={"HyperParameterTuningJobObjective": {"Type": kind, "MetricName": "score"}})
        assert store.training_jobs.best_of(job) is None
        ran = [run(store, job, *values) for values in ((0.9, 0.1), (0.5,), (0.1,), (0.5,), ())]
        run(store, job, 0.99 if kind == "Maximize" else 0.0, state="Failed")
        assert store.training_jobs.best_of(job) == ran[winner]

    def test_definitions_with_another_objective_do_not_compete(self, store: Store) -> None:
        config = make_tuning_config(jobs=9, parallel=9)
        ranges, aim = config.pop("ParameterRanges"), config.pop("HyperParameterTuningJobObjective")
        aims = {"first": aim, "rival": aim, "other": {**aim, "Type": "Minimize"}}
        definitions = [
            make_training_definition(DefinitionName=name, TuningObjective=aim, HyperParameterRanges=ranges)
            for name, aim in aims.items()
        ]
        request = make_tuning_request(HyperParameterTuningJobConfig=config, TrainingJobDefinitions=definitions)
        del request["TrainingJobDefinition"]
        job = store.tuning_jobs.add(parse(request), seed=7, now=NOW, limit=100)
        ran = {
            name: run(store, job, score, definition=name)
            for name, score in (("first", 0.2), ("rival", 0.4), ("other", 0.9))
        }
        assert store.training_jobs.best_of(job) == ran["rival"]

    def test_tags_are_added_replaced_and_removed(self, store: Store) -> None:
        add(store, Tags=[{"Key": "a", "Value": "1"}])
        store.tags.put(Tagged.TUNING, "digits", {"b": "2", "a": "3"})
        job = store.tuning_jobs.find("digits")
        assert job
        assert store.tags.of(Tagged.TUNING, "digits") == job.tags == {"a": "3", "b": "2"}
        store.tags.remove(Tagged.TUNING, "digits", ["a", "unknown"])
        assert store.tags.of(Tagged.TUNING, "digits") == {"b": "2"}

    def test_a_job_cannot_have_more_than_fifty_tags(self, store: Store) -> None:
        add(store)
        store.tags.put(Tagged.TUNING, "digits", {f"{at:02}": "" for at in range(50)})
        with pytest.raises(InvalidRequest, match="would have 51; at most 50"):
            store.tags.put(Tagged.TUNING, "digits", {"one too many": ""})
        assert len(store.tags.of(Tagged.TUNING, "digits")) == 50

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("order", ["Name", "CreationTime", "Status", "FinalObjectiveMetricValue"])
    def test_pages_cover_a_listing_once_and_in_order(self, store: Store, order: str, descending: bool) -> None:
        job, other = add(store, jobs=20, parallel=20), add(store, "other")
        run(store, other, 0.3)
        for at in range(11):
            run(store, job, *([] if at == 5 else [at % 3 / 4]), state=("Completed", "Failed", "Stopped")[at % 3])
        whole, rest = store.training_jobs.page(Listing(100, order=order, descending=descending), of=job)
        assert rest is None
        seen: list[TrainingJob] = []
        cursor = None
        while True:
            page, cursor = store.training_jobs.page(
                Listing(3, order=order, descending=descending, after=cursor), of=job
            )
            seen += page
            if cursor is None:
                break
        assert seen == whole
        expected = 6 if order == "FinalObjectiveMetricValue" else 11
        assert len({each.name for each in whole}) == expected
        keys = {
            "Name": lambda each: each.name,
            "CreationTime": lambda each: each.created_at,
            "Status": lambda each: each.state,
            "FinalObjectiveMetricValue": lambda each: each.objective,
        }
        values = [keys[order](each) for each in whole]
        assert values == sorted(values, reverse=descending)

    def test_newcomers_do_not_shift_the_pages_that_follow(self, store: Store) -> None:
        names = [f"j{at}" for at in range(4)]
        for at, name in enumerate(names):
            add(store, name, now=later(at))
        newest_first = Listing(2, order="CreationTime", descending=True)
        first, cursor = store.tuning_jobs.page(newest_first)
        add(store, "newcomer", now=later(9))
        second, _ = store.tuning_jobs.page(replace(newest_first, after=cursor))
        assert [each.name for each in (*first, *second)] == names[::-1]

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({}, ["alpha", "beta", "gamma"]),
            ({"NameContains": "et"}, ["beta"]),
            ({"NameContains": "%"}, []),
            ({"StatusEquals": "Completed"}, ["alpha"]),
            ({"StatusEquals": "InProgress"}, ["beta", "gamma"]),
            ({"CreationTimeAfter": later(1)}, ["gamma"]),
            ({"CreationTimeBefore": later(1)}, ["alpha"]),
            ({"CreationTimeAfter": later(0.9999), "CreationTimeBefore": later(1.0001)}, ["beta"]),
            ({"LastModifiedTimeAfter": later(2)}, ["alpha"]),
            ({"LastModifiedTimeBefore": later(2)}, ["beta"]),
            ({"StatusEquals": "InProgress", "NameContains": "a", "CreationTimeAfter": later(1)}, ["gamma"]),
        ],
    )
    def test_filters_are_strict_and_combine(self, store: Store, filters: dict[str, Any], expected: list[str]) -> None:
        for at, name in enumerate(("alpha", "beta", "gamma")):
            add(store, name, now=later(at))
        alpha = store.tuning_jobs.find("alpha")
        assert alpha
        end(store, alpha, now=later(5))
        found, _ = store.tuning_jobs.page(Listing(100, order="Name", filters=filters))
        assert [each.name for each in found] == expected

    def test_listings_show_the_last_emission_only(self, store: Store) -> None:
        job = add(store)
        run(store, job, 0.25, 0.75)
        (listed,), _ = store.training_jobs.page(Listing(10), of=job)
        assert (listed.history, listed.objective) == ((0.75,), 0.75)

    def test_an_error_inside_a_change_leaves_nothing_of_it(self, store: Store) -> None:
        job = add(store)
        training = claim(store, job)
        pairs = [("score", 0.5), ("score", math.nan)]  # the rules on metrics let no NaN through
        with pytest.raises(Exception, match="NOT NULL"):
            store.training_jobs.record(training.name, pairs, since=0, until=9, now=NOW)
        assert store.training_jobs.log_offset(training.name) == 0
        assert claim(store, job).index == 2

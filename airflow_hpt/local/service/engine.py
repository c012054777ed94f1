"""The engine: observe, plan, apply, again and again; the only mover of states.

Operations record wishes in the store and wake the engine. Whatever is promised (a claimed training job, a cause to
stop) is stored before it is carried out, so an engine that is killed at any moment is followed by one that goes on.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from airflow_hpt.domain.planner import (
    Action,
    MoveTuning,
    NoteConvergence,
    StartTraining,
    StopTraining,
    plan,
)
from airflow_hpt.domain.records import TrainingJob, TuningJob
from airflow_hpt.domain.sharing import share_slots, share_starts
from airflow_hpt.domain.space import wire_text
from airflow_hpt.domain.states import TuningEvent, TuningState
from airflow_hpt.domain.stopping import measure_progress
from airflow_hpt.errors import IllegalTransition, SpaceExhausted
from airflow_hpt.local.runner.base import Runner
from airflow_hpt.local.service.advisor import Advisor
from airflow_hpt.local.service.course import Course
from airflow_hpt.local.service.faults import Faults, abandon, internal_error
from airflow_hpt.local.service.observer import Observer
from airflow_hpt.local.store import Store

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.05  # between two looks while training jobs live
IDLE_SECONDS = 1.0
REPLAN_PAUSE = timedelta(seconds=1)  # for what depends on the time alone, such as MaxRuntimeInSeconds


class Engine:
    """Carries every tuning job of a store to its end."""

    def __init__(
        self,
        store: Store,
        runner: Runner,
        advisor: Advisor,
        *,
        slots: int,
        region: str,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._advisor = advisor
        self._slots = slots
        self._now = now
        self._observer = Observer(store, runner, region=region, now=now)
        self._faults = Faults()
        self._courses: dict[str, Course] = {}
        self._has_wishes = True
        self._is_stirred = False
        self._is_stopping = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Begin to work in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop working; training jobs run on and are found again by the next engine."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify()
        if self._thread.ident:
            self._thread.join()

    def wake(self) -> None:
        """Say that a user's wish was recorded in the store."""
        with self._condition:
            self._has_wishes = self._is_stirred = True
            self._condition.notify()

    def stir(self) -> None:
        """Say that a suggestion is ready."""
        with self._condition:
            self._is_stirred = True
            self._condition.notify()

    def tick(self) -> bool:
        """Observe, plan and apply once; say whether some training job is live."""
        self._take_wishes()
        courses = list(self._courses.values())
        for course in courses:
            for training in course.live:
                self._observe(course, training)
        for course in courses:
            self._guarded(course, self._advance)
        self._fill_slots()
        return any(course.live for course in self._courses.values())

    def _run(self) -> None:
        while True:
            try:
                is_busy = self.tick()
            except Exception:  # one tick: the next one may fare better
                logger.exception("The engine could not finish a round.")
                is_busy = False
            with self._condition:
                self._condition.wait_for(
                    lambda: self._is_stirred or self._is_stopping, POLL_SECONDS if is_busy else IDLE_SECONDS
                )
                self._is_stirred = False
                if self._is_stopping:
                    return

    def _take_wishes(self) -> None:
        with self._condition:
            has_wishes, self._has_wishes = self._has_wishes, False
        if not has_wishes:
            return
        try:
            active, stops = self._store.tuning_jobs.active(), self._store.training_jobs.stop_wishes()
            for job in active:
                self._take_up(job)
        except Exception:
            self._has_wishes = True  # look again, also if nobody else wishes anything
            raise
        for course in self._courses.values():
            for training in course.live:
                if training.name in stops and training.stop_cause is None:
                    course.put(replace(training, stop_cause=stops[training.name]))

    def _take_up(self, job: TuningJob) -> None:
        course = self._courses.get(job.name)
        if course is None:
            trainings = self._store.training_jobs.of(job)
            self._courses[job.name] = Course(job, {each.name: each for each in trainings})
        elif course.job.state is not job.state:
            course.job, course.planned_at = job, None

    def _observe(self, course: Course, training: TrainingJob) -> None:
        now, name = self._now(), training.name
        if self._faults.is_pausing(name, now=now):
            return
        try:
            if error := self._faults.lasting(name):
                self._observer.give_up(course, training, error)
            else:
                self._observer.observe(course, training)
            self._faults.clear(name)
        except Exception as error:  # one training job: the others go on
            logger.exception("Training job %s could not be followed.", name)
            self._faults.note(name, error, now=now)

    def _guarded(self, course: Course, step: Callable[[Course], None]) -> None:
        key, now = _fault_key(course.job), self._now()
        if self._faults.is_pausing(key, now=now):
            return
        try:
            step(course)
        except Exception as error:  # one tuning job: the others go on
            logger.exception("Tuning job %s could not be advanced.", course.job.name)
            self._faults.note(key, error, now=now)
            course.planned_at = None

    def _advance(self, course: Course) -> None:
        now = self._now()
        if course.planned_at and now - course.planned_at < REPLAN_PAUSE:
            return
        error = self._faults.lasting(_fault_key(course.job))
        if error is None:
            actions = plan(course.job, course.trainings, now, exhausted=course.is_exhausted)
        else:
            actions = abandon(course.job, course.trainings, internal_error(error))
        course.planned_at = now
        course.starts = [action.definition for action in actions if isinstance(action, StartTraining)]
        self._note_progress(course)
        for action in actions:
            self._apply(course, action)
        if not course.starts and error is None:
            self._faults.clear(_fault_key(course.job))
            self._prepare(course)

    def _apply(self, course: Course, action: Action) -> None:
        match action:
            case StopTraining(name, cause, why):
                training = course.by_name[name]
                if training.stop_cause is None:
                    self._store.training_jobs.ask_stop(name, cause, now=self._now())
                    training = course.put(replace(training, stop_cause=cause))
                self._observer.stop(course, training, why=why)
            case MoveTuning(event, failure_reason):
                self._end(course, event, failure_reason)
            case NoteConvergence(at):
                course.job = replace(course.job, converged_at=at)
                self._store.tuning_jobs.note(course.job)

    def _end(self, course: Course, event: TuningEvent, failure_reason: str | None) -> None:
        why = failure_reason or event.value
        try:
            self._store.tuning_jobs.move(course.job, event, now=self._now(), why=why, failure_reason=failure_reason)
        except IllegalTransition:  # a user's stop came first
            self.wake()
            return
        del self._courses[course.job.name]
        self._faults.clear(_fault_key(course.job))
        self._advisor.forget(course.job)

    def _note_progress(self, course: Course) -> None:
        stalled = measure_progress(course.job.spec, course.trainings).not_improving
        if stalled != course.job.not_improving:
            course.job = replace(course.job, not_improving=stalled)
            self._store.tuning_jobs.note(course.job)

    def _prepare(self, course: Course) -> None:
        job, trainings = course.job, course.trainings
        is_open = job.state is TuningState.IN_PROGRESS and len(trainings) < job.spec.limits.total
        if course.live and is_open and not course.is_exhausted:
            for definition in share_starts(job.spec, trainings, 1):
                self._advisor.prepare(job, definition, trainings)

    def _fill_slots(self) -> None:
        held = {name: len(course.live) for name, course in self._courses.items()}
        wants = {name: len(course.starts) for name, course in self._courses.items()}
        shares = share_slots(max(self._slots - sum(held.values()), 0), wants, held)
        for name, share in shares.items():
            for _ in range(share):
                self._guarded(self._courses[name], self._start_one)

    def _start_one(self, course: Course) -> None:
        if not course.starts:
            return
        definition = course.starts[0]
        try:
            suggestion = self._advisor.suggest(course.job, definition, course.trainings)
        except SpaceExhausted:
            course.is_exhausted, course.starts, course.planned_at = True, [], None
            self.stir()
            return
        if suggestion is None:
            return
        tuned = {name: wire_text(value) for name, value in suggestion.items()}
        training = self._store.training_jobs.claim(course.job, definition=definition, tuned=tuned, now=self._now())
        if training is None:  # a user's stop came first
            self.wake()
            return
        del course.starts[0]
        self._faults.clear(_fault_key(course.job))
        self._observe(course, course.put(training))


def _fault_key(job: TuningJob) -> str:
    return f"tuning/{job.name}"

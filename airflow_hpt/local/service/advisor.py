"""Suggestions, prepared in a background thread while training jobs run, so that a freed slot does not wait for a model.

A suggestion depends on the history of a tuning job alone: how many training jobs of a definition were claimed, and
which of them have ended. One that was prepared before the latest results came in is used where that changes nothing
(Random, Grid and Hyperband draw from seed and index) or where waiting would cost more than it is worth: with several
training jobs at once, after `PATIENCE_SECONDS`. With one training job at a time a Bayesian search always waits for the
suggestion that knows every result, so that equal results give equal configurations.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from airflow_hpt.domain.records import TrainingJob, TuningJob
from airflow_hpt.domain.space import Value
from airflow_hpt.domain.spec import Strategy
from airflow_hpt.errors import SpaceExhausted
from airflow_hpt.local.search import searcher_for
from airflow_hpt.local.search.base import Parent, Searcher
from airflow_hpt.local.service.problems import problem_of

PATIENCE_SECONDS = 0.2

Key: TypeAlias = tuple[str, str | None]  # tuning job and definition
Suggestion: TypeAlias = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Version:
    """A state of the history; both numbers only grow."""

    claimed: int
    ended: int


@dataclass(frozen=True, slots=True)
class Question:
    """What to suggest a configuration for."""

    job: TuningJob
    definition: str | None
    trainings: Sequence[TrainingJob]
    version: Version
    asked_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Answer:
    """The suggestion for one version of the history, or why there is none."""

    version: Version
    suggestion: Suggestion | None = None
    error: Exception | None = None


class Advisor:
    """Answers questions one after the other, the latest question of a tuning job in place of earlier ones."""

    def __init__(
        self,
        parents_of: Callable[[TuningJob], tuple[Parent, ...]],
        *,
        on_ready: Callable[[], None],
        searcher: Callable[[Strategy], Searcher] = searcher_for,
    ) -> None:
        self._parents_of = parents_of
        self._on_ready = on_ready
        self._searcher = searcher
        self._lock = threading.Condition()
        self._questions: dict[Key, Question] = {}
        self._answers: dict[Key, Answer] = {}
        self._parents: dict[str, tuple[Parent, ...]] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="advisor", daemon=True)

    def start(self) -> None:
        """Begin to answer in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the answer that is being computed."""
        with self._lock:
            self._stopping = True
            self._lock.notify()
        if self._thread.ident:
            self._thread.join()

    def suggest(self, job: TuningJob, definition: str | None, trainings: Sequence[TrainingJob]) -> Suggestion | None:
        """Return the configuration of the next training job, or None while it is being computed.

        What the searcher raised is raised here: `SpaceExhausted` each time; an unforeseen error once, then the
        question is put again.
        """
        key, question = (job.name, definition), _question(job, definition, trainings)
        with self._lock:
            answer = self._answers.get(key)
            if answer is None or not self._is_good_enough(answer, question):
                self._ask(key, question)
                return None
            if answer.error and not isinstance(answer.error, SpaceExhausted):
                del self._answers[key]
        if answer.error:
            raise answer.error
        return answer.suggestion

    def prepare(self, job: TuningJob, definition: str | None, trainings: Sequence[TrainingJob]) -> None:
        """Compute the next suggestion ahead of time, unless it is there."""
        key, question = (job.name, definition), _question(job, definition, trainings)
        with self._lock:
            answer = self._answers.get(key)
            if answer is None or answer.version != question.version:
                self._ask(key, question)

    def forget(self, job: TuningJob) -> None:
        """Drop what is known of a tuning job that has ended."""
        with self._lock:
            self._parents.pop(job.name, None)
            for key in {(job.name, each.name) for each in job.spec.definitions}:
                self._questions.pop(key, None)
                self._answers.pop(key, None)

    def answer_next(self) -> bool:
        """Answer the question that waits longest; return False when there is none."""
        with self._lock:
            if not self._questions:
                return False
            key, question = next(iter(self._questions.items()))
        answer = self._answer(question)
        with self._lock:
            latest = self._questions.pop(key, None)
            if latest is not None:  # else the tuning job was forgotten meanwhile
                self._answers[key] = answer
            if latest is not None and latest is not question:
                self._questions[key] = latest  # goes to the end, so that every tuning job has its turn
        self._on_ready()
        return True

    def _run(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._questions or self._stopping)
                if self._stopping:
                    return
            self.answer_next()

    def _ask(self, key: Key, question: Question) -> None:
        waiting = self._questions.get(key)
        if waiting is None or waiting.version != question.version:
            self._questions[key] = question
            self._lock.notify()

    def _is_good_enough(self, answer: Answer, question: Question) -> bool:
        if answer.version == question.version:
            return True
        if answer.version.claimed != question.version.claimed:
            return False
        if question.job.spec.strategy is not Strategy.BAYESIAN:
            return True
        waiting = self._questions.get((question.job.name, question.definition))
        is_overdue = (
            waiting is not None
            and waiting.version == question.version
            and question.asked_at - waiting.asked_at >= PATIENCE_SECONDS
        )
        return is_overdue and question.job.spec.limits.parallel > 1

    def _answer(self, question: Question) -> Answer:
        job = question.job
        try:
            if job.name not in self._parents:
                self._parents[job.name] = self._parents_of(job)
            problem = problem_of(job, question.definition, question.trainings, parents=self._parents[job.name])
            return Answer(question.version, self._searcher(job.spec.strategy).suggest(problem))
        except Exception as error:  # noqa: BLE001 - it is raised again where the suggestion is asked for
            return Answer(question.version, error=error)


def _question(job: TuningJob, definition: str | None, trainings: Sequence[TrainingJob]) -> Question:
    own = [each for each in trainings if each.definition == definition]
    ended = sum(not each.state.is_live for each in own)
    return Question(job, definition, tuple(own), Version(claimed=len(own), ended=ended))

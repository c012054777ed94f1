"""Rows to frozen records and back; no other module knows how a record lies in the database."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_hpt.domain.records import StopCause, TrainingJob, Transition, TuningJob
from airflow_hpt.domain.spec import TuningSpec
from airflow_hpt.domain.states import TrainingState, TuningState

EPOCH = datetime.fromtimestamp(0, UTC)
MILLISECOND = timedelta(milliseconds=1)

# SQL for the id of the tuning job whose `identity` fills the two places.
IDENTITY = "(SELECT id FROM tuning_job WHERE name = ? AND created_at = ?)"


def identity(job: TuningJob) -> tuple[str, int]:
    """Return what tells `job` from every other one: names may be used again after a deletion."""
    return job.name, milliseconds(job.created_at)


def milliseconds(moment: datetime) -> int:
    """Return the whole milliseconds from the epoch to `moment`."""
    return (moment - EPOCH) // MILLISECOND


def moment(milliseconds: int) -> datetime:
    """Return the moment that is so many milliseconds after the epoch."""
    return EPOCH + milliseconds * MILLISECOND


def optional_milliseconds(when: datetime | None) -> int | None:
    """Return `milliseconds(when)`, None for None."""
    return None if when is None else milliseconds(when)


def optional_moment(stored: int | None) -> datetime | None:
    """Return `moment(stored)`, None for None."""
    return None if stored is None else moment(stored)


def compact(value: Any) -> str:
    """Return `value` as JSON text without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def tuning_job(row: sqlite3.Row, *, spec: TuningSpec, tags: Mapping[str, str]) -> TuningJob:
    """Return the tuning job of a row of table tuning_job."""
    return TuningJob(
        spec=spec,
        state=TuningState(row["state"]),
        created_at=moment(row["created_at"]),
        modified_at=moment(row["modified_at"]),
        seed=row["seed"],
        ended_at=optional_moment(row["ended_at"]),
        failure_reason=row["failure_reason"],
        converged_at=optional_moment(row["converged_at"]),
        not_improving=row["not_improving"],
        tags=tags,
    )


def training_job(row: sqlite3.Row, *, history: Sequence[float]) -> TrainingJob:
    """Return the training job of a row of table training_job joined with its tuning job's name."""
    return TrainingJob(
        name=row["name"],
        tuning_job=row["tuning_job"],
        index=row["number"],
        definition=row["definition"],
        tuned=json.loads(row["tuned"]),
        state=TrainingState(row["state"]),
        created_at=moment(row["created_at"]),
        modified_at=moment(row["modified_at"]),
        started_at=optional_moment(row["started_at"]),
        ended_at=optional_moment(row["ended_at"]),
        history=tuple(history),
        failure_reason=row["failure_reason"],
        is_retryable=bool(row["is_retryable"]),
        attempt=row["attempt"],
        stop_cause=row["stop_cause"] and StopCause(row["stop_cause"]),
        transitions=transitions_of(row["transitions"]),
    )


def transitions_text(transitions: Sequence[Transition]) -> str:
    """Return secondary transitions as the JSON that `transitions_of` reads."""
    return compact(
        [(t.status, milliseconds(t.started_at), optional_milliseconds(t.ended_at), t.message) for t in transitions]
    )


def transitions_of(text: str) -> tuple[Transition, ...]:
    """Return the secondary transitions that `transitions_text` wrote."""
    return tuple(
        Transition(status, moment(started), optional_moment(ended), message)
        for status, started, ended, message in json.loads(text)
    )

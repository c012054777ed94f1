"""The training jobs of a home folder."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from airflow_hpt.domain.counters import Outcome, Tally
from airflow_hpt.domain.names import training_job_name
from airflow_hpt.domain.records import StopCause, TrainingJob, TuningJob
from airflow_hpt.domain.spec import OBJECTIVE_METRIC
from airflow_hpt.domain.states import TrainingEvent, TrainingState, advance_training
from airflow_hpt.local.store import rows
from airflow_hpt.local.store.audit import log_move
from airflow_hpt.local.store.database import Database
from airflow_hpt.local.store.pages import Cursor, Listing, fetch
from airflow_hpt.local.store.rows import IDENTITY, identity, milliseconds, optional_milliseconds

SELECT = "SELECT *, (SELECT name FROM tuning_job WHERE id = tuning_id) AS tuning_job FROM training_job"
LIVE = "state IN ('Claimed', 'Running', 'Stopping')"

Emission: TypeAlias = tuple[str, float]


class TrainingJobs:
    """Training jobs by name, whatever became of their tuning jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self, job: TuningJob, *, definition: str | None, tuned: Mapping[str, str], now: datetime
    ) -> TrainingJob | None:
        """Promise the next training job of `job`; return None when its state or its limits forbid one more."""
        with self._database.write() as connection:
            state, claimed, live = connection.execute(
                f"""SELECT (SELECT state FROM tuning_job WHERE id = the.id),
                           (SELECT count(*) FROM training_job WHERE tuning_id = the.id),
                           (SELECT count(*) FROM training_job WHERE tuning_id = the.id AND {LIVE})
                    FROM (SELECT {IDENTITY} AS id) AS the""",
                identity(job),
            ).fetchone()
            limits = job.spec.limits
            if state != "InProgress" or live >= limits.parallel or claimed >= limits.total:
                return None
            name = training_job_name(job.name, claimed + 1, identity(job)[1])
            self._insert(connection, job, name=name, number=claimed + 1, definition=definition, tuned=tuned, now=now)
            return self._one(connection, name)

    def ask_stop(self, name: str, cause: StopCause, *, now: datetime) -> None:
        """Record the wish that a training job stops; the first cause stands, and one that has ended is left alone."""
        with self._database.write() as connection:
            connection.execute(
                f"""UPDATE training_job SET stop_cause = ?, modified_at = ?
                    WHERE name = ? AND stop_cause IS NULL AND {LIVE}""",
                [cause, milliseconds(now), name],
            )

    def move(self, training: TrainingJob, event: TrainingEvent, *, now: datetime, why: str) -> TrainingJob:
        """Apply `event` to the state that the job is in by now; raise IllegalTransition when it cannot take it.

        What `training` says of its times, transitions and failure is stored with the move. A retry starts afresh:
        the emissions of the lost attempt are dropped, while its log goes on.
        """
        with self._database.write() as connection:
            (state,) = connection.execute("SELECT state FROM training_job WHERE name = ?", [training.name]).fetchone()
            before = TrainingState(state)
            after = advance_training(before, event)
            ended_at = None if after.is_live else milliseconds(training.ended_at or now)
            moved = connection.execute(
                """UPDATE training_job SET state = ?, ended_at = ?, failure_reason = ?, is_retryable = ?
                   WHERE name = ? AND state = ? RETURNING tuning_id""",
                [after, ended_at, training.failure_reason, training.is_retryable, training.name, before],
            ).fetchall()
            assert moved, "the row was read in this very transaction"
            self._note(connection, training, now=now)
            if event is TrainingEvent.WILL_RETRY:
                self._start_afresh(connection, training.name)
            if not after.is_live:
                _touch(connection, moved[0]["tuning_id"], now=now)
            log_move(connection, f"training/{training.name}", before=before, after=after, why=why, now=now)
            return self._one(connection, training.name)

    def note(self, training: TrainingJob, *, now: datetime) -> None:
        """Store the start time and the secondary transitions that `training` carries."""
        with self._database.write() as connection:
            self._note(connection, training, now=now)

    def record(self, name: str, emissions: Sequence[Emission], *, since: int, until: int, now: datetime) -> None:
        """Append what the log from byte `since` to byte `until` emitted; log that was covered before is refused."""
        with self._database.write() as connection:
            covered = connection.execute(
                "UPDATE training_job SET log_offset = ? WHERE name = ? AND log_offset = ? RETURNING id",
                [until, name, since],
            ).fetchall()
            if not covered:
                raise ValueError(f"The log of {name} from byte {since} on was recorded before.")
            training_id = covered[0]["id"]
            (count,) = connection.execute(
                "SELECT coalesce(max(number) + 1, 0) FROM emission WHERE training_id = ?", [training_id]
            ).fetchone()
            connection.executemany(
                "INSERT INTO emission (training_id, number, metric, value, seen_at) VALUES (?, ?, ?, ?, ?)",
                [
                    (training_id, number, metric, value, milliseconds(now))
                    for number, (metric, value) in enumerate(emissions, start=count)
                ],
            )
            objectives = [value for metric, value in emissions if metric == OBJECTIVE_METRIC]
            connection.execute(
                "UPDATE training_job SET objective = coalesce(?, objective) WHERE id = ?",
                [objectives[-1] if objectives else None, training_id],
            )

    def log_offset(self, name: str) -> int:
        """Return the byte of the job's log up to which its emissions are recorded."""
        with self._database.read() as connection:
            (offset,) = connection.execute("SELECT log_offset FROM training_job WHERE name = ?", [name]).fetchone()
            return int(offset)

    def find(self, name: str) -> TrainingJob | None:
        """Return the training job `name`, or None."""
        with self._database.read() as connection:
            found = self._records(connection, "name = ?", [name])
            return found[0] if found else None

    def stop_wishes(self) -> dict[str, StopCause]:
        """Return the live training jobs that were asked to stop, and why."""
        with self._database.read() as connection:
            found = connection.execute(
                f"SELECT name, stop_cause FROM training_job WHERE {LIVE} AND stop_cause IS NOT NULL"
            )
            return {row["name"]: StopCause(row["stop_cause"]) for row in found}

    def of(self, job: TuningJob) -> list[TrainingJob]:
        """Return the training jobs of `job` in the order of their claims."""
        with self._database.read() as connection:
            return self._records(connection, f"tuning_id = {IDENTITY}", identity(job))

    def best_of(self, job: TuningJob) -> TrainingJob | None:
        """Return the training job of `job` with the best final objective, the earlier one on a tie.

        Definitions that pursue another objective than the first one do not compete.
        """
        objective = job.spec.definitions[0].objective
        rivals = [each.name for each in job.spec.definitions if each.name and each.objective == objective]
        with self._database.read() as connection:
            found = connection.execute(
                f"""SELECT name FROM training_job WHERE tuning_id = {IDENTITY} AND final IS NOT NULL
                    AND (definition IS NULL OR definition IN (SELECT value FROM json_each(?)))
                    ORDER BY final {"DESC" if objective.maximize else "ASC"}, id LIMIT 1""",
                [*identity(job), rows.compact(rivals)],
            ).fetchone()
            return self._one(connection, found["name"]) if found else None

    def tallies(self, jobs: Sequence[TuningJob]) -> list[Tally]:
        """Count the training jobs of each of `jobs`."""
        with self._database.read() as connection:
            return [_tally(connection, job) for job in jobs]

    def page(self, listing: Listing, *, of: TuningJob | None = None) -> tuple[list[TrainingJob], Cursor | None]:
        """Return one page of all training jobs or of those of one tuning job, and the cursor of the next page.

        Listings carry no more of a history than its last emission.
        """
        with self._database.read() as connection:
            scope = {}
            if of:
                (scope["tuning_id = ?"],) = connection.execute(f"SELECT {IDENTITY}", identity(of)).fetchone()
            found, cursor = fetch(connection, SELECT, scope=scope, listing=listing)
            return [rows.training_job(row, history=_last(row)) for row in found], cursor

    def final_metrics(self, name: str) -> list[tuple[str, float, datetime]]:
        """Return the last emission of each metric and when it was seen, in the order of the log."""
        with self._database.read() as connection:
            found = connection.execute(
                """SELECT metric, value, seen_at, max(number) AS number FROM emission
                   WHERE training_id = (SELECT id FROM training_job WHERE name = ?) GROUP BY metric ORDER BY number""",
                [name],
            )
            return [(row["metric"], row["value"], rows.moment(row["seen_at"])) for row in found]

    def _insert(
        self,
        connection: sqlite3.Connection,
        job: TuningJob,
        *,
        name: str,
        number: int,
        definition: str | None,
        tuned: Mapping[str, str],
        now: datetime,
    ) -> None:
        at = milliseconds(now)
        (tuning_id,) = connection.execute(f"SELECT {IDENTITY}", identity(job)).fetchone()
        connection.execute(
            """INSERT INTO training_job (tuning_id, number, name, definition, tuned, state, created_at, modified_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            [tuning_id, number, name, definition, rows.compact(dict(tuned)), TrainingState.CLAIMED, at, at],
        )
        connection.executemany(
            "INSERT INTO tag VALUES (?, ?, ?)", [(f"training/{name}", *tag) for tag in job.spec.tags.items()]
        )
        _touch(connection, tuning_id, now=now)
        log_move(connection, f"training/{name}", before=None, after=TrainingState.CLAIMED, why="claimed", now=now)

    def _note(self, connection: sqlite3.Connection, training: TrainingJob, *, now: datetime) -> None:
        connection.execute(
            "UPDATE training_job SET started_at = ?, transitions = ?, modified_at = ? WHERE name = ?",
            [
                optional_milliseconds(training.started_at),
                rows.transitions_text(training.transitions),
                milliseconds(now),
                training.name,
            ],
        )

    def _start_afresh(self, connection: sqlite3.Connection, name: str) -> None:
        connection.execute(
            "DELETE FROM emission WHERE training_id = (SELECT id FROM training_job WHERE name = ?)", [name]
        )
        connection.execute(
            """UPDATE training_job SET attempt = attempt + 1, objective = NULL, started_at = NULL
               WHERE name = ?""",
            [name],
        )

    def _one(self, connection: sqlite3.Connection, name: str) -> TrainingJob:
        (found,) = self._records(connection, "name = ?", [name])
        return found

    def _records(self, connection: sqlite3.Connection, where: str, values: Iterable[Any]) -> list[TrainingJob]:
        histories: defaultdict[int, list[float]] = defaultdict(list)
        emitted = connection.execute(
            f"""SELECT training_id, value FROM emission
                WHERE metric = ? AND training_id IN (SELECT id FROM training_job WHERE {where})
                ORDER BY training_id, number""",
            [OBJECTIVE_METRIC, *values],
        )
        for training_id, value in emitted:
            histories[training_id].append(value)
        found = connection.execute(f"{SELECT} WHERE {where} ORDER BY id", [*values])
        return [rows.training_job(row, history=histories[row["id"]]) for row in found]


def _touch(connection: sqlite3.Connection, tuning_id: int, *, now: datetime) -> None:
    connection.execute("UPDATE tuning_job SET modified_at = ? WHERE id = ?", [milliseconds(now), tuning_id])


def _tally(connection: sqlite3.Connection, job: TuningJob) -> Tally:
    found = connection.execute(
        f"""SELECT state, is_retryable, final IS NOT NULL, count(*) FROM training_job
            WHERE tuning_id = {IDENTITY} GROUP BY 1, 2, 3""",
        identity(job),
    )
    return {
        Outcome(TrainingState(state), bool(retryable), bool(scored)): count for state, retryable, scored, count in found
    }


def _last(row: sqlite3.Row) -> tuple[float, ...]:
    return () if row["objective"] is None else (row["objective"],)

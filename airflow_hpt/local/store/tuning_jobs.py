"""The tuning jobs of a home folder."""

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

from airflow_hpt.domain.records import TuningJob
from airflow_hpt.domain.spec import TuningSpec
from airflow_hpt.domain.states import TuningEvent, TuningState, advance_tuning
from airflow_hpt.errors import AlreadyExists, LimitExceeded
from airflow_hpt.local.store import rows
from airflow_hpt.local.store.audit import log_move
from airflow_hpt.local.store.database import Database
from airflow_hpt.local.store.pages import Cursor, Listing, fetch
from airflow_hpt.local.store.rows import IDENTITY, identity, milliseconds, optional_milliseconds

SELECT = """SELECT *, (SELECT json_group_object(key, value) FROM tag WHERE resource = 'tuning/' || name) AS tags
            FROM tuning_job"""
Parser: TypeAlias = Callable[[Mapping[str, Any]], TuningSpec]

PARSED_REQUESTS = 1024  # parsing costs more than reading; requests never change


class TuningJobs:
    """Tuning jobs by name; a deleted one is found only through the jobs that it left behind."""

    def __init__(self, database: Database, *, parse: Parser) -> None:
        self._database = database
        self._spec = lru_cache(PARSED_REQUESTS)(lambda request: parse(json.loads(request)))

    def add(
        self, spec: TuningSpec, *, seed: int, now: datetime, parents: Sequence[TuningJob] = (), limit: int
    ) -> TuningJob:
        """Record a new tuning job, unless `limit` of them are running or its name is taken."""
        with self._database.write() as connection:
            active = connection.execute(
                "SELECT count(*) FROM tuning_job WHERE state IN ('InProgress', 'Stopping') AND deleted_at IS NULL"
            ).fetchone()[0]
            if active >= limit:
                raise LimitExceeded(
                    f"The account-level service limit 'Number of hyperparameter tuning jobs in progress' is {limit}, "
                    f"with current utilization of {active} and a request delta of 1. Wait for a tuning job to end "
                    "or stop one."
                )
            if self._row(connection, spec.name):
                raise AlreadyExists(
                    f"A hyperparameter tuning job with the name, {spec.name}, already exists. Choose a different name."
                )
            added = self._insert(connection, spec, seed=seed, now=now, parents=parents)
            return self._by_id(connection, added)

    def find(self, name: str) -> TuningJob | None:
        """Return the tuning job `name`, or None."""
        with self._database.read() as connection:
            row = self._row(connection, name)
            return self._record(row) if row else None

    def owner_of(self, training_job: str) -> TuningJob:
        """Return the tuning job that claimed the training job, deleted or not."""
        with self._database.read() as connection:
            row = connection.execute(
                f"{SELECT} WHERE id = (SELECT tuning_id FROM training_job WHERE name = ?)", [training_job]
            ).fetchone()
            return self._record(row)

    def active(self) -> list[TuningJob]:
        """Return the tuning jobs that have not ended, oldest first."""
        with self._database.read() as connection:
            found = connection.execute(f"{SELECT} WHERE state IN ('InProgress', 'Stopping') ORDER BY id")
            return [self._record(row) for row in found]

    def all(self) -> list[TuningJob]:
        """Return every tuning job, oldest first."""
        with self._database.read() as connection:
            return [self._record(row) for row in connection.execute(f"{SELECT} WHERE deleted_at IS NULL ORDER BY id")]

    def parents_of(self, job: TuningJob) -> list[TuningJob]:
        """Return the parents of `job` in the order of its request, those deleted since included."""
        with self._database.read() as connection:
            found = connection.execute(
                f"""{SELECT} JOIN parent ON parent_id = id
                    WHERE child_id = {IDENTITY} ORDER BY position""",
                identity(job),
            )
            return [self._record(row) for row in found]

    def page(self, listing: Listing) -> tuple[list[TuningJob], Cursor | None]:
        """Return one page of the tuning jobs, and the cursor of the next one."""
        with self._database.read() as connection:
            found, cursor = fetch(connection, SELECT, scope={"deleted_at IS ?": None}, listing=listing)
            return [self._record(row) for row in found], cursor

    def move(
        self, job: TuningJob, event: TuningEvent, *, now: datetime, why: str, failure_reason: str | None = None
    ) -> TuningJob:
        """Apply `event` to the state that the job is in by now; raise IllegalTransition when it cannot take it."""
        with self._database.write() as connection:
            row = connection.execute(f"{SELECT} WHERE id = {IDENTITY}", identity(job)).fetchone()
            before = TuningState(row["state"])
            after = advance_tuning(before, event)
            ended_at = milliseconds(now) if after.is_terminal else None
            moved = connection.execute(
                """UPDATE tuning_job SET state = ?, modified_at = ?, ended_at = ?, failure_reason = ?
                   WHERE id = ? AND state = ? RETURNING 1""",
                [after, milliseconds(now), ended_at, failure_reason, row["id"], before],
            )
            assert moved.fetchall(), "the row was read in this very transaction"
            log_move(connection, f"tuning/{job.name}", before=before, after=after, why=why, now=now)
            return self._by_id(connection, row["id"])

    def note(self, job: TuningJob) -> None:
        """Store what `job` says of its progress: when it converged, and since when it does not improve."""
        with self._database.write() as connection:
            connection.execute(
                f"UPDATE tuning_job SET converged_at = ?, not_improving = ? WHERE id = {IDENTITY}",
                [optional_milliseconds(job.converged_at), job.not_improving, *identity(job)],
            )

    def delete(self, job: TuningJob, *, now: datetime) -> None:
        """Forget a tuning job that has ended; its training jobs stay."""
        with self._database.write() as connection:
            connection.execute(
                f"UPDATE tuning_job SET deleted_at = ? WHERE id = {IDENTITY}", [milliseconds(now), *identity(job)]
            )
            connection.execute("DELETE FROM tag WHERE resource = ?", [f"tuning/{job.name}"])

    def _insert(
        self,
        connection: sqlite3.Connection,
        spec: TuningSpec,
        *,
        seed: int,
        now: datetime,
        parents: Sequence[TuningJob],
    ) -> int:
        at = milliseconds(now)
        (added,) = connection.execute(
            """INSERT INTO tuning_job (name, request, state, seed, created_at, modified_at)
               VALUES (?, ?, ?, ?, ?, ?) RETURNING id""",
            [spec.name, rows.compact(spec.request), TuningState.IN_PROGRESS, seed, at, at],
        ).fetchone()
        for position, parent in enumerate(parents):
            connection.execute(f"INSERT INTO parent SELECT ?, ?, {IDENTITY}", [added, position, *identity(parent)])
        connection.executemany(
            "INSERT INTO tag VALUES (?, ?, ?)", [(f"tuning/{spec.name}", *tag) for tag in spec.tags.items()]
        )
        log_move(connection, f"tuning/{spec.name}", before=None, after=TuningState.IN_PROGRESS, why="created", now=now)
        return int(added)

    def _row(self, connection: sqlite3.Connection, name: str) -> sqlite3.Row | None:
        found = connection.execute(f"{SELECT} WHERE name = ? AND deleted_at IS NULL", [name]).fetchall()
        return found[0] if found else None

    def _by_id(self, connection: sqlite3.Connection, job_id: int) -> TuningJob:
        return self._record(connection.execute(f"{SELECT} WHERE id = ?", [job_id]).fetchone())

    def _record(self, row: sqlite3.Row) -> TuningJob:
        return rows.tuning_job(row, spec=self._spec(row["request"]), tags=json.loads(row["tags"]))

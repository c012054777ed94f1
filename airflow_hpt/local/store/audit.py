"""The audit trail: every move of every job, written in the transaction that makes it."""

import logging
import sqlite3
from datetime import datetime

from airflow_hpt.local.store.rows import milliseconds

logger = logging.getLogger(__name__)


def log_move(
    connection: sqlite3.Connection, resource: str, *, before: str | None, after: str, why: str, now: datetime
) -> None:
    """Record that `resource` (`tuning/<name>` or `training/<name>`) went from one state to another, and why."""
    logger.info("%s: %s -> %s (%s)", resource, before or "new", after, why)
    connection.execute(
        "INSERT INTO transition (resource, before, after, why, at) VALUES (?, ?, ?, ?, ?)",
        [resource, before, after, why, milliseconds(now)],
    )

"""Pages of long listings: filters and sort orders by the API's names, and a cursor that new rows do not shift."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_hpt.local.store.rows import EPOCH, MILLISECOND

CONDITIONS: Mapping[str, str] = {
    "NameContains": "instr(name, ?) > 0",
    "StatusEquals": "status = ?",
    "CreationTimeAfter": "created_at > ?",
    "CreationTimeBefore": "created_at < ?",
    "LastModifiedTimeAfter": "modified_at > ?",
    "LastModifiedTimeBefore": "modified_at < ?",
}
ORDERS: Mapping[str, str] = {
    "Name": "name",
    "Status": "status",
    "CreationTime": "created_at",
    "FinalObjectiveMetricValue": "final",
}


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page: its value in the sort order, and its id."""

    value: str | int | float
    id: int


@dataclass(frozen=True, slots=True)
class Listing:
    """Which rows, in which order, and where to go on."""

    limit: int
    order: str = "CreationTime"
    descending: bool = False
    filters: Mapping[str, Any] = field(default_factory=dict)
    after: Cursor | None = None


def fetch(
    connection: sqlite3.Connection, select: str, *, scope: Mapping[str, Any], listing: Listing
) -> tuple[list[sqlite3.Row], Cursor | None]:
    """Return one page of `select`, which gets its WHERE clause here, and the cursor of the next page if there is one.

    `scope` holds conditions of the caller's own and their values. Rows without a value in the sort order are left out.
    """
    column, direction, beyond = ORDERS[listing.order], *(("DESC", "<") if listing.descending else ("ASC", ">"))
    conditions = {**scope, **{CONDITIONS[name]: _comparable(value) for name, value in listing.filters.items()}}
    clauses, values = [*conditions, f"{column} IS NOT NULL"], list(conditions.values())
    if listing.after:
        clauses.append(f"({column}, id) {beyond} (?, ?)")
        values += [listing.after.value, listing.after.id]
    sql = f"{select} WHERE {' AND '.join(clauses)} ORDER BY {column} {direction}, id {direction} LIMIT ?"
    rows = connection.execute(sql, [*values, listing.limit + 1]).fetchall()
    if len(rows) <= listing.limit:
        return rows, None
    last = rows[listing.limit - 1]
    return rows[: listing.limit], Cursor(last[column], last["id"])


def _comparable(value: Any) -> Any:
    return (value - EPOCH) / MILLISECOND if isinstance(value, datetime) else value

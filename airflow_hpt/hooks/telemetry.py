"""Spans and counters of what happens to tuning jobs; they cost next to nothing while Airflow's own are turned off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_hpt._compat import metrics

TRACER = "airflow_hpt"


@contextmanager
def span(name: str, **attributes: str | int | float | bool) -> Iterator[Any]:
    """Open the span `hpt.<name>` below the task's own."""
    from opentelemetry import trace

    marked = {f"hpt.{key}": value for key, value in attributes.items()}
    with trace.get_tracer(TRACER).start_as_current_span(f"hpt.{name}", attributes=marked) as opened:
        yield opened


def count(name: str, **tags: str) -> None:
    """Add one to the counter `hpt.<name>`."""
    metrics().incr(f"hpt.{name}", tags=tags)

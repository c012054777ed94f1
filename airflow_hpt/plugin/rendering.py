"""Turns records into HTML: templates, how values are written, and where links lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from airflow_hpt import __version__
from airflow_hpt._compat import base_url
from airflow_hpt.links import PAGES, page_path
from airflow_hpt.plugin.records import Owner
from airflow_hpt.plugin.sources import Source

TEMPLATES = Path(__file__).parent / "templates"
UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


@dataclass(frozen=True, slots=True)
class Site:
    """Where things are; `prefix` is the path that Airflow itself lies at."""

    prefix: str
    version: str = __version__

    @classmethod
    def here(cls) -> Site:
        """Return the site of the Airflow that this process serves."""
        return cls(urlsplit(base_url()).path)

    @property
    def pages(self) -> str:
        """Return the path of the tuning pages."""
        return f"{self.prefix}{PAGES}"

    def job(self, name: str, source: Source) -> str:
        """Return the path of a tuning job's page."""
        return f"{self.prefix}{page_path(name, connection=source.connection, region=source.region)}"

    def lineage(self, lineage: str, source: Source) -> str:
        """Return the path of a lineage's page."""
        return f"{self.pages}/lineages?{urlencode({'name': lineage})}&{source.query}"

    def dag(self, owner: Owner) -> str:
        """Return the path of Airflow's page about a DAG."""
        return f"{self.prefix}/dags/{quote(owner.dag, safe='')}"

    def run(self, owner: Owner) -> str:
        """Return the path of Airflow's page about a DAG run."""
        return f"{self.dag(owner)}/runs/{quote(owner.run, safe='')}"

    def task(self, owner: Owner) -> str:
        """Return the path of Airflow's page about a task instance."""
        mapped = f"/mapped/{owner.map_index}" if owner.map_index >= 0 else ""
        return f"{self.run(owner)}/tasks/{quote(owner.task, safe='')}{mapped}"


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return the HTML that a template makes of values."""
    return _environment().get_template(template).render({"site": Site.here(), **values})


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "ago": ago, "utc": utc, "duration": duration}
    return environment


def number(value: Any) -> str:
    """Return a value as people read it: floats in six digits, everything else as it is.

    >>> number(0.1 + 0.2), number(12), number("rbf")
    ('0.3', '12', 'rbf')
    """
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def ago(moment: datetime) -> str:
    """Return how long ago a moment was."""
    return f"{duration(max(datetime.now(UTC) - moment, timedelta(0)))} ago"


def utc(moment: datetime) -> str:
    """Return a moment to the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(span: timedelta) -> str:
    """Return a time span in its largest unit, and the next one while there are few of that.

    >>> duration(timedelta(seconds=45)), duration(timedelta(minutes=90)), duration(timedelta(days=12, hours=3))
    ('45 s', '1 h 30 min', '12 d')
    """
    left = max(int(span.total_seconds()), 0)
    for (unit, size), (smaller, part) in pairwise(UNITS):
        if left >= size:
            rest = (left % size) // part
            return f"{left // size} {unit}" + (f" {rest} {smaller}" if rest and left < 10 * size else "")
    return f"{left} s"

"""What each page says: records in, HTML out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from airflow_hpt.plugin.charts import lineage_chart, training_chart
from airflow_hpt.plugin.reading import MOST_JOBS
from airflow_hpt.plugin.records import JobReport, Parent, TuningJob, ranked
from airflow_hpt.plugin.rendering import Site, render
from airflow_hpt.plugin.sources import Source

JOBS_PER_GROUP = 8
TRAININGS_PER_PAGE = 50
JOB_REFRESH_SECONDS = 10
LIST_REFRESH_SECONDS = 20
MOST_COLUMNS = 30  # a tuning job has no more tuned hyperparameters
SORTS = ("objective", "number")


@dataclass(frozen=True, slots=True)
class Visit:
    """The address that was asked for: its path and what follows the question mark."""

    path: str
    query: Mapping[str, str]

    def link(self, **changes: str | None) -> str:
        """Return this address with other parameters; None takes one out."""
        kept = {key: value for key, value in {**self.query, **changes}.items() if value is not None}
        return f"{self.path}?{urlencode(kept)}" if kept else self.path

    def refresh(self, seconds: int, *, is_live: bool) -> dict[str, Any]:
        """Return what a page needs to look again by itself, unless its viewer does not want that."""
        is_paused = self.query.get("refresh") == "off"
        return {
            "refresh_seconds": seconds if is_live and not is_paused else None,
            "pause_link": self.link(refresh=None if is_paused else "off") if is_live else None,
        }

    def whole(self, name: str, default: int) -> int:
        """Return a parameter that is a whole number from 1, or the default for anything else."""
        text = self.query.get(name, "")
        return int(text) if text.isdecimal() and 0 < len(text) < 7 and int(text) else default


@dataclass(frozen=True, slots=True)
class Finding:
    """What one source holds, or why it cannot be read."""

    source: Source
    jobs: tuple[TuningJob, ...] = ()
    problem: str = ""
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """The tuning jobs of one lineage on one source, the latest first."""

    name: str
    source: Source
    jobs: tuple[TuningJob, ...]
    link: str = ""
    most: int = JOBS_PER_GROUP

    @property
    def entries(self) -> list[tuple[Source, TuningJob]]:
        """Return the rows of the group's table."""
        return [(self.source, job) for job in self.jobs[: self.most]]

    @property
    def count(self) -> int:
        """Return the number of tuning jobs."""
        return len(self.jobs)

    @property
    def metric(self) -> str | None:
        """Return the metric of the latest tuning job that found something."""
        return next((job.metric for job in self.jobs if job.objective is not None), None)

    @property
    def best(self) -> float | None:
        """Return the best objective."""
        found = [job for job in self.jobs if job.objective is not None]
        values = [job.objective for job in found if job.objective is not None and job.maximize == found[0].maximize]
        return (max(values) if found[0].maximize else min(values)) if values else None


def jobs_page(visit: Visit, findings: Sequence[Finding], *, heading: str, lead: str = "", empty: str = "") -> str:
    """Return the page that lists tuning jobs by lineage, the one that started last first."""
    site = Site.here()
    groups = [
        Group(lineage, finding.source, tuple(jobs), site.lineage(lineage, finding.source))
        for finding in findings
        for lineage, jobs in _by_lineage(finding.jobs).items()
    ]
    groups.sort(key=lambda group: group.jobs[0].created_at, reverse=True)
    return _listing(visit, findings, groups, heading=heading, lead=lead, empty=empty or "There are no tuning jobs yet.")


def lineage_page(visit: Visit, finding: Finding, lineage: str) -> str:
    """Return the page about one lineage: how its best objective has developed."""
    site = Site.here()
    jobs = finding.jobs
    oldest_first = jobs[::-1]
    figure = lineage_chart(oldest_first, [site.job(job.name, finding.source) for job in oldest_first])
    groups = [Group("All tuning jobs", finding.source, jobs, most=len(jobs))] if jobs else []
    empty = f"There are no tuning jobs of lineage {lineage} to show."
    return _listing(visit, [finding], groups, heading=f"Lineage {lineage}", empty=empty, figure=figure)


def job_page(visit: Visit, report: JobReport, source: Source, parents: Iterable[Parent]) -> str:
    """Return the page about one tuning job; `parents` are those that the viewer may see, the others without a job."""
    site, job = Site.here(), report.job
    shown = [_parent(each, site.job(each.name, source)) for each in parents]
    found = [each["job"].objective for each in shown if each["job"] and each["job"].objective is not None]
    to_beat = (max(found) if job.maximize else min(found)) if found else None
    return render(
        "job.html",
        {
            "title": job.name,
            "trail": [(f"Lineage {job.lineage}", site.lineage(job.lineage, source))],
            "job": job,
            "report": report,
            "result": report.result,
            "source": source,
            "parents": shown,
            "figure": training_chart(report.trainings, maximize=job.maximize, to_beat=to_beat),
            **_table(visit, report),
            **visit.refresh(JOB_REFRESH_SECONDS, is_live=job.is_live),
        },
    )


def problem_page(
    visit: Visit, *, heading: str, text: str, advice: Sequence[str] = (), seconds: int | None = None
) -> str:
    """Return the page that says what is wrong and what helps; with `seconds`, it looks again by itself."""
    refresh = visit.refresh(seconds or 0, is_live=seconds is not None)
    values = {"title": heading, "trail": [], "heading": heading, "text": text, "advice": advice, **refresh}
    return render("problem.html", values)


def _listing(visit: Visit, findings: Sequence[Finding], groups: Sequence[Group], **values: Any) -> str:
    is_live = any(job.is_live for group in groups for job in group.jobs)
    return render(
        "jobs.html",
        {
            "title": values["heading"],
            "trail": [],
            "lead": "",
            "figure": None,
            "groups": groups,
            "several_sources": len({group.source for group in groups}) > 1,
            "problems": [(each.source, each.problem) for each in findings if each.problem],
            "sources": [each.source for each in findings if not each.problem],
            "is_cut": any(each.is_cut for each in findings),
            "most": MOST_JOBS,
            **visit.refresh(LIST_REFRESH_SECONDS, is_live=is_live),
            **values,
        },
    )


def _by_lineage(jobs: Iterable[TuningJob]) -> dict[str, list[TuningJob]]:
    groups: dict[str, list[TuningJob]] = {}
    for job in jobs:
        groups.setdefault(job.lineage, []).append(job)
    return groups


def _parent(parent: Parent, link: str) -> dict[str, Any]:
    return {"name": parent.name, "job": parent.job, "link": link if parent.job else ""}


def _table(visit: Visit, report: JobReport) -> dict[str, Any]:
    """Return one page of the table of training jobs."""
    sort = visit.query.get("sort") if visit.query.get("sort") in SORTS else SORTS[0]
    ordered = ranked(report.trainings, maximize=report.job.maximize) if sort == SORTS[0] else list(report.trainings)
    count = max(1, -(-len(ordered) // TRAININGS_PER_PAGE))
    page = min(visit.whole("page", 1), count)
    names = dict.fromkeys(name for each in ordered for name in each.hyperparameters)
    return {
        "rows": ordered[(page - 1) * TRAININGS_PER_PAGE : page * TRAININGS_PER_PAGE],
        "total": len(ordered),
        "columns": list(names)[:MOST_COLUMNS],
        "sort": sort,
        "sort_links": {each: visit.link(sort=each, page=None) + "#training-jobs" for each in SORTS},
        "page": page,
        "page_count": count,
        "page_links": [(each, visit.link(page=str(each)) + "#training-jobs") for each in range(1, count + 1)],
    }

"""The application behind the pages: every request is authenticated, every answer carries the same strict headers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from airflow_hpt.errors import HptError, NotFound
from airflow_hpt.hooks.identity import LINEAGE_TAG
from airflow_hpt.links import FRAME, PAGES
from airflow_hpt.plugin.access import login_url, readable_dags, signed_in
from airflow_hpt.plugin.problems import explained
from airflow_hpt.plugin.reading import MOST_JOBS, read_job, read_jobs
from airflow_hpt.plugin.records import (
    DAG_TAG,
    MAP_INDEX_TAG,
    RUN_TAG,
    TASK_TAG,
    UNMAPPED,
    JobReport,
    Parent,
    TuningJob,
)
from airflow_hpt.plugin.rendering import Site, render
from airflow_hpt.plugin.sources import Reader, Sources
from airflow_hpt.plugin.views import Finding, Visit, job_page, jobs_page, lineage_page, problem_page

STATIC = Path(__file__).parent / "static"
FILES = {
    "style.css": ("style.css", "text/css"),
    "frame.js": ("frame.js", "text/javascript"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
router = APIRouter(dependencies=[Depends(signed_in)])
Viewer = Annotated[Any, Depends(signed_in)]


def create_app() -> FastAPI:
    """Return the application; it has no pages about itself."""
    app = FastAPI(title="Tuning jobs", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.sources = Sources()
    app.include_router(router)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(HptError, _failed)
    app.add_exception_handler(Exception, _broken)
    return app


@router.get("/")
async def overview(request: Request, user: Viewer) -> Response:
    """Show all tuning jobs that a user may see."""
    if deep := _framed_page(request):
        return RedirectResponse(deep, headers=HEADERS)
    findings = await _findings(request, user)
    return _page(jobs_page(_visit(request), findings, heading="Tuning jobs"))


@router.get("/dags/{dag}")
async def of_dag(request: Request, user: Viewer, dag: str) -> Response:
    """Show the tuning jobs of a DAG."""
    findings = await _findings(request, user, dag)
    empty = f"DAG {dag} has started no tuning jobs that are still known."
    return _page(jobs_page(_visit(request), findings, heading=f"Tuning jobs of DAG {dag}", empty=empty))


@router.get("/dags/{dag}/runs/{run}")
async def of_run(request: Request, user: Viewer, dag: str, run: str) -> Response:
    """Show the tuning jobs of a DAG run."""
    findings = await _findings(request, user, dag, {RUN_TAG: run})
    empty = "This run has started no tuning jobs that are still known."
    return _page(jobs_page(_visit(request), findings, heading="Tuning jobs of this run", lead=run, empty=empty))


@router.get("/dags/{dag}/runs/{run}/tasks/{task}/{map_index}")
async def of_task(request: Request, user: Viewer, dag: str, run: str, task: str, map_index: str) -> Response:
    """Show the tuning job of a task instance, or all of them when it has started several."""
    index = map_index if map_index.isdecimal() else UNMAPPED
    findings = await _findings(request, user, dag, {RUN_TAG: run, TASK_TAG: task, MAP_INDEX_TAG: str(index)})
    found = [(each.source, job) for each in findings for job in each.jobs]
    if len(found) == 1:
        source, job = found[0]
        return RedirectResponse(Site.here().job(job.name, source), headers=HEADERS)
    empty = "This task has started no tuning job yet, or none that is still known."
    return _page(jobs_page(_visit(request), findings, heading="Tuning jobs of this task", lead=task, empty=empty))


@router.get("/lineages")
async def of_lineage(
    request: Request, user: Viewer, name: str = "", connection: str = "", region: str = ""
) -> Response:
    """Show how the best objective of a lineage has developed."""
    reader = _sources(request).get(connection, region or None)
    jobs = await reader.read(read_jobs, (LINEAGE_TAG, name))
    readable = await readable_dags(user)
    shown = tuple(job for job in jobs if _is_seen(job, readable))
    finding = Finding(reader.source, shown, is_cut=len(jobs) == MOST_JOBS)
    return _page(lineage_page(_visit(request), finding, name))


@router.get("/jobs/{name}")
async def of_job(request: Request, user: Viewer, name: str, connection: str = "", region: str = "") -> Response:
    """Show one tuning job."""
    sources = _sources(request)
    readers = [sources.get(connection, region or None)] if connection else sources.all()
    readable = await readable_dags(user)
    reader, report = await _report(readers, name, readable)
    parents = [each if _is_seen(each.job, readable) else Parent(each.name, None) for each in report.parents]
    return _page(job_page(_visit(request), report, reader.source, parents))


@router.get("/{file}")
async def static(request: Request, file: str, theme: str = "") -> Response:
    """Return a style sheet, script or picture of the pages."""
    if file not in FILES:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    name, kind = FILES[file]
    path = STATIC / (name.replace(".", "-dark.") if theme == "dark" and kind == "image/svg+xml" else name)
    return Response(path.read_bytes(), media_type=kind, headers=HEADERS | {"Cache-Control": "private, max-age=3600"})


@router.api_route("/{path:path}", methods=METHODS)
async def anything_else(path: str) -> Response:
    """Refuse what is no page, but only to those who are signed in: everybody else learns nothing."""
    raise HTTPException(HTTPStatus.NOT_FOUND)


async def _findings(
    request: Request, user: Any, dag: str | None = None, tags: Mapping[str, str] | None = None
) -> list[Finding]:
    """Return what every source holds of the tuning jobs that a user may see; of one DAG, with these tags, if given."""
    readable = await readable_dags(user)
    if dag is not None and dag not in readable:
        raise NotFound(f"There is no DAG {dag} that you may read.")
    wanted = {} if dag is None else {DAG_TAG: dag, **(tags or {})}
    return list(await asyncio.gather(*(_finding(each, readable, wanted) for each in _sources(request).all())))


async def _finding(reader: Reader, readable: frozenset[str], wanted: Mapping[str, str]) -> Finding:
    try:
        jobs = await reader.read(read_jobs, *wanted.items())
    except HptError as error:
        return Finding(reader.source, problem=str(error))
    shown = tuple(job for job in jobs if _is_seen(job, readable))
    return Finding(reader.source, shown, is_cut=len(jobs) == MOST_JOBS)


async def _report(readers: list[Reader], name: str, readable: frozenset[str]) -> tuple[Reader, JobReport]:
    """Return a tuning job from the first source that has it; one that may not be seen is as one that is not there."""
    problem: HptError | None = None
    for reader in readers:
        try:
            report = await reader.read(read_job, name)
        except NotFound:
            continue
        except HptError as error:
            problem = problem or error
            continue
        if _is_seen(report.job, readable):
            return reader, report
    raise problem or NotFound(f"There is no tuning job {name} to show.")


def _is_seen(job: TuningJob | None, readable: frozenset[str]) -> bool:
    return job is not None and job.owner.dag in readable


def _framed_page(request: Request) -> str | None:
    """Return the page that the address of Airflow's frame names; before 3.3.2 Airflow leaves that to the page."""
    frame = f"{Site.here().prefix}{FRAME}"
    asked = urlsplit(request.headers.get("referer", ""))
    inner = asked.path.removeprefix(frame)
    is_page = asked.path.startswith(f"{frame}/") and inner.startswith(f"{Site.here().pages}/")
    if not is_page or asked.netloc != request.headers.get("host") or inner == f"{Site.here().pages}/":
        return None
    return f"{inner}?{asked.query}" if asked.query else inner


def _sources(request: Request) -> Sources:
    sources: Sources = request.app.state.sources
    return sources


def _visit(request: Request) -> Visit:
    # The root path holds where this application is mounted, and the path itself may or may not.
    path = request.url.path.partition(PAGES)[2]
    return Visit(f"{Site.here().pages}{path}", dict(request.query_params))


def _page(html: str, status: int = HTTPStatus.OK) -> Response:
    return HTMLResponse(html, status_code=int(status), headers=HEADERS)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        link = login_url(str(request.url))
        return _page(render("login.html", {"text": error.detail, "link": link}), error.status_code)
    page = problem_page(_visit(request), heading="There is no such page", text="Nothing is at this address.")
    return _page(page, error.status_code)


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HptError)
    return _page(*explained(error, _visit(request)))


async def _broken(request: Request, error: Exception) -> Response:
    text = f"{type(error).__name__}: the log of Airflow's API server says where."
    page = problem_page(_visit(request), heading="This page is broken", text=text)
    return _page(page, HTTPStatus.INTERNAL_SERVER_ERROR)

"""What a page says when it cannot say what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from airflow_hpt.errors import AccessRefused, ConnectionUnusable, HptError, NotFound, ServiceUnavailable
from airflow_hpt.plugin.views import Visit, problem_page

RETRY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of failure: how it is headed, what helps, and whether it is worth another look."""

    heading: str
    status: HTTPStatus
    advice: tuple[str, ...] = ()
    retry_seconds: int | None = None


PROBLEMS: dict[type[HptError], Problem] = {
    NotFound: Problem(
        "Nothing to show",
        HTTPStatus.NOT_FOUND,
        (
            "It may have been deleted, or have been started on another connection or in another region.",
            "Tuning jobs that something else than airflow-hpt has started are not shown.",
            "Tuning jobs are shown to those who may read the DAG that has started them.",
        ),
    ),
    ConnectionUnusable: Problem("The connection cannot be used", HTTPStatus.NOT_FOUND),
    ServiceUnavailable: Problem("No answer yet", HTTPStatus.SERVICE_UNAVAILABLE, retry_seconds=RETRY_SECONDS),
    AccessRefused: Problem(
        "No access to the tuning jobs",
        HTTPStatus.BAD_GATEWAY,
        (
            "The pages call Search, DescribeHyperParameterTuningJob, ListTrainingJobsForHyperParameterTuningJob,"
            " ListTags and DescribeTrainingJob of SageMaker; the connection needs the rights to them.",
        ),
    ),
}
OTHER = Problem("The tuning jobs cannot be read", HTTPStatus.BAD_GATEWAY)


def explained(error: HptError, visit: Visit) -> tuple[str, HTTPStatus]:
    """Return the page about an error, and the status that it is sent with."""
    problem = next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), OTHER)
    page = problem_page(
        visit, heading=problem.heading, text=str(error), advice=problem.advice, seconds=problem.retry_seconds
    )
    return page, problem.status

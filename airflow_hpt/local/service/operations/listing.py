"""Operations that list jobs, a page at a time."""

from airflow_hpt.local.service import views
from airflow_hpt.local.service.operations.context import Answer, Context, Request
from airflow_hpt.local.service.operations.tokens import cursor_of, token_after
from airflow_hpt.local.store.pages import CONDITIONS, Cursor, Listing

PAGE = 10
NEVER_MATCHED = ("WarmPoolStatusEquals", "TrainingPlanArnEquals")  # no local training job has either


def list_tuning_jobs(context: Context, request: Request) -> Answer:
    """Answer ListHyperParameterTuningJobs."""
    operation = "ListHyperParameterTuningJobs"
    jobs, cursor = context.store.tuning_jobs.page(_listing(operation, request, order="Name", descending=False))
    tallies = context.store.training_jobs.tallies(jobs)
    summaries = [
        views.tuning_summary(job, tally, region=context.region) for job, tally in zip(jobs, tallies, strict=True)
    ]
    return {"HyperParameterTuningJobSummaries": summaries, **_next(cursor, operation, request)}


def list_tuned_training_jobs(context: Context, request: Request) -> Answer:
    """Answer ListTrainingJobsForHyperParameterTuningJob: newest first unless a sort order is asked for."""
    operation = "ListTrainingJobsForHyperParameterTuningJob"
    job = context.tuning_job(request["HyperParameterTuningJobName"])
    is_sorted = "SortBy" in request or "SortOrder" in request
    order = ("Name", False) if is_sorted else ("CreationTime", True)
    listing = _listing(operation, request, order=order[0], descending=order[1])
    trainings, cursor = context.store.training_jobs.page(listing, of=job)
    summaries = [views.tuned_summary(training, job.spec, region=context.region) for training in trainings]
    return {"TrainingJobSummaries": summaries, **_next(cursor, operation, request)}


def list_training_jobs(context: Context, request: Request) -> Answer:
    """Answer ListTrainingJobs."""
    operation = "ListTrainingJobs"
    listing = _listing(operation, request, order="CreationTime", descending=False)
    if any(name in request for name in NEVER_MATCHED):
        return {"TrainingJobSummaries": []}
    trainings, cursor = context.store.training_jobs.page(listing)
    summaries = [views.training_summary(training, region=context.region) for training in trainings]
    return {"TrainingJobSummaries": summaries, **_next(cursor, operation, request)}


def _listing(operation: str, request: Request, *, order: str, descending: bool) -> Listing:
    return Listing(
        limit=request.get("MaxResults", PAGE),
        order=request.get("SortBy", order),
        descending=request["SortOrder"] == "Descending" if "SortOrder" in request else descending,
        filters={name: request[name] for name in CONDITIONS if name in request},
        after=cursor_of(operation, request),
    )


def _next(cursor: Cursor | None, operation: str, request: Request) -> Answer:
    return {"NextToken": token_after(cursor, operation, request)}

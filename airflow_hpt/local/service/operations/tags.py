"""Operations on the tags of tuning jobs and training jobs."""

from airflow_hpt.domain.names import name_of, training_job_arn, tuning_job_arn
from airflow_hpt.domain.request import parse_tags
from airflow_hpt.errors import InvalidRequest
from airflow_hpt.local.service.operations.context import NO_SUCH_RESOURCE, Answer, Context, Request
from airflow_hpt.local.service.views import tag_list
from airflow_hpt.local.store.tags import Tagged


def add_tags(context: Context, request: Request) -> Answer:
    """Answer AddTags; training jobs that exist already do not get the new tags of their tuning job."""
    kind, name = _resource(context, request)
    context.store.tags.put(kind, name, parse_tags(request))
    return {"Tags": tag_list(context.store.tags.of(kind, name))}


def list_tags(context: Context, request: Request) -> Answer:
    """Answer ListTags; a page holds at least as many tags as a job can have."""
    kind, name = _resource(context, request)
    if "NextToken" in request:
        raise InvalidRequest("NextToken was not given by ListTags, whose first page is always its last.")
    return {"Tags": tag_list(context.store.tags.of(kind, name))}


def delete_tags(context: Context, request: Request) -> Answer:
    """Answer DeleteTags."""
    kind, name = _resource(context, request)
    context.store.tags.remove(kind, name, request["TagKeys"])
    return {}


def _resource(context: Context, request: Request) -> tuple[Tagged, str]:
    arn = request["ResourceArn"]
    name = name_of(arn)
    if arn == tuning_job_arn(name, context.region) and context.store.tuning_jobs.find(name):
        return Tagged.TUNING, name
    if arn == training_job_arn(name, context.region) and context.store.training_jobs.find(name):
        return Tagged.TRAINING, name
    raise InvalidRequest(f"{NO_SUCH_RESOURCE} {arn} is neither a tuning job nor a training job of this service.")

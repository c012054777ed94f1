"""Operations on training jobs: describe, stop."""

from airflow_hpt.domain.records import StopCause
from airflow_hpt.errors import InvalidRequest
from airflow_hpt.local.service import views
from airflow_hpt.local.service.operations.context import Answer, Context, Request


def describe_training_job(context: Context, request: Request) -> Answer:
    """Answer DescribeTrainingJob, also after its tuning job was deleted."""
    training = context.training_job(request["TrainingJobName"])
    return views.training_description(
        training,
        context.store.tuning_jobs.owner_of(training.name),
        context.store.training_jobs.final_metrics(training.name),
        region=context.region,
    )


def stop_training_job(context: Context, request: Request) -> None:
    """Answer StopTrainingJob; the tuning job goes on with others."""
    training = context.training_job(request["TrainingJobName"])
    if not training.state.is_live:
        raise InvalidRequest(f"The request was rejected because the training job is in status {training.state.status}.")
    context.store.training_jobs.ask_stop(training.name, StopCause.USER, now=context.now())
    context.wake()

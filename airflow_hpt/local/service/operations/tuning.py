"""Operations on tuning jobs: create, describe, stop, delete."""

import secrets
from collections.abc import Sequence

from airflow_hpt.domain.names import tuning_job_arn
from airflow_hpt.domain.parent_rules import ParentJob
from airflow_hpt.domain.records import TrainingJob, TuningJob, best
from airflow_hpt.domain.spec import TuningSpec, WarmStartType
from airflow_hpt.domain.states import TuningEvent
from airflow_hpt.domain.warm_start import check_parents
from airflow_hpt.errors import IllegalTransition, InvalidRequest
from airflow_hpt.local.service import views
from airflow_hpt.local.service.operations.context import Answer, Context, Request

SEEDS = 2**31


def create_tuning_job(context: Context, request: Request) -> Answer:
    """Answer CreateHyperParameterTuningJob; the checks come in SageMaker's order, a taken name last."""
    spec = context.parse(request)
    parents = [found for name in _parent_names(spec) if (found := context.store.tuning_jobs.find(name))]
    check_parents(spec, _parent_jobs(context, parents))
    for definition in spec.definitions:
        context.admit(definition.definition)
    seed = secrets.randbelow(SEEDS) if spec.seed is None else spec.seed
    context.store.tuning_jobs.add(spec, seed=seed, now=context.now(), parents=parents, limit=context.tuning_jobs_limit)
    context.wake()
    return {"HyperParameterTuningJobArn": tuning_job_arn(spec.name, context.region)}


def describe_tuning_job(context: Context, request: Request) -> Answer:
    """Answer DescribeHyperParameterTuningJob."""
    return description(context, context.tuning_job(request["HyperParameterTuningJobName"]))


def description(context: Context, job: TuningJob) -> Answer:
    """Return the whole description of a tuning job."""
    top = context.store.training_jobs.best_of(job)
    return views.tuning_description(
        job,
        context.store.training_jobs.tallies([job])[0],
        region=context.region,
        now=context.now(),
        best=top,
        overall_best=_overall_best(context, job, top),
    )


def stop_tuning_job(context: Context, request: Request) -> None:
    """Answer StopHyperParameterTuningJob; the engine stops the training jobs."""
    job = context.tuning_job(request["HyperParameterTuningJobName"])
    try:
        context.store.tuning_jobs.move(
            job, TuningEvent.STOP_ASKED, now=context.now(), why="StopHyperParameterTuningJob"
        )
    except IllegalTransition:
        state = context.tuning_job(job.name).state
        raise InvalidRequest(
            f"The tuning job {job.name} is already {state}; only one that is InProgress can be stopped."
        ) from None
    context.wake()


def delete_tuning_job(context: Context, request: Request) -> None:
    """Answer DeleteHyperParameterTuningJob; the training jobs and what they made stay."""
    job = context.tuning_job(request["HyperParameterTuningJobName"])
    if not job.state.is_terminal:
        raise InvalidRequest(
            f"The tuning job {job.name} is not in a terminal state but {job.state}; stop it first, or wait for its end."
        )
    context.store.tuning_jobs.delete(job, now=context.now())


def _parent_names(spec: TuningSpec) -> tuple[str, ...]:
    return spec.warm_start.parents if spec.warm_start else ()


def _parent_jobs(context: Context, parents: Sequence[TuningJob]) -> list[ParentJob]:
    tallies = context.store.training_jobs.tallies(parents)
    return [
        ParentJob(parent.name, parent.state.value, parent.spec, sum(tally.values()))
        for parent, tally in zip(parents, tallies, strict=True)
    ]


def _overall_best(context: Context, job: TuningJob, top: TrainingJob | None) -> tuple[TuningJob, TrainingJob] | None:
    """Return the best training job of this tuning job and its parents, and whose it is; one's own wins a tie."""
    warm = job.spec.warm_start
    if warm is None or warm.kind is not WarmStartType.IDENTICAL:
        return None
    parents = context.store.tuning_jobs.parents_of(job)
    tops = [(job, top), *((parent, context.store.training_jobs.best_of(parent)) for parent in parents)]
    owners = {training.name: owner for owner, training in tops if training}
    overall = best((training for _, training in tops if training), maximize=job.spec.definitions[0].objective.maximize)
    return (owners[overall.name], overall) if overall else None

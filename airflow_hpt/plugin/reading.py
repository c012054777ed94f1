"""Reads tuning jobs for the pages: only calls that change nothing, each a few seconds at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from airflow_hpt.errors import NotFound
from airflow_hpt.hooks.identity import tagged
from airflow_hpt.hooks.result import tuning_result
from airflow_hpt.hooks.tuning import TuningHook
from airflow_hpt.links import console_url
from airflow_hpt.plugin.ranges import ranges_of
from airflow_hpt.plugin.records import DAG_TAG, JobReport, Parent, TuningJob, ranked, training_jobs

MOST_JOBS = 300
IS_OURS = {"Name": f"Tags.{DAG_TAG}", "Operator": "Exists"}


def read_jobs(hook: TuningHook, *tags: tuple[str, str]) -> tuple[TuningJob, ...]:
    """Return the latest tuning jobs that this package has started, those with all of these tags."""
    found = islice(hook.search(IS_OURS, *(tagged(*each) for each in tags)), MOST_JOBS)
    jobs = (TuningJob.of(each, {tag["Key"]: tag["Value"] for tag in each.get("Tags", ())}) for each in found)
    return tuple(job for job in jobs if job is not None)


def read_job(hook: TuningHook, name: str) -> JobReport:
    """Return everything about one tuning job; raise NotFound when there is none or it is not ours."""
    description = hook.describe(name)
    tags = hook.tags(description["HyperParameterTuningJobArn"])
    job = TuningJob.of(description, tags)
    if job is None:
        raise NotFound(f"{name} is none of this package's tuning jobs.")
    trainings = training_jobs(description, list(hook.training_jobs(name)))
    best = next((each for each in ranked(trainings, maximize=job.maximize) if each.objective is not None), None)
    return JobReport(
        job=job,
        result=tuning_result(hook, description),
        trainings=trainings,
        parents=tuple(_parents(hook, job)),
        ranges=ranges_of(description, trainings, best),
        settings=dict(_settings(description)),
        tags=tags,
        failure_reason=description.get("FailureReason"),
        console_url=None if hook.is_local else console_url(name, region=hook.region, partition=hook.partition),
    )


def _parents(hook: TuningHook, job: TuningJob) -> Iterator[Parent]:
    for name in job.parents:
        try:
            description = hook.describe(name)
            tags = hook.tags(description["HyperParameterTuningJobArn"])
        except NotFound:
            yield Parent(name, None)
        else:
            yield Parent(name, TuningJob.of(description, tags))


def _settings(description: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a tuning job may use and when it ends, by the words of the page."""
    config = description["HyperParameterTuningJobConfig"]
    limits, criteria = config.get("ResourceLimits", {}), config.get("TuningJobCompletionCriteria", {})
    consumed = description.get("ConsumedResources", {})
    not_improving = criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving")
    facts = {
        "Training jobs at most": limits.get("MaxNumberOfTrainingJobs"),
        "At the same time": limits.get("MaxParallelTrainingJobs"),
        "Seconds at most": limits.get("MaxRuntimeInSeconds"),
        "Seconds used": consumed.get("RuntimeInSeconds"),
        "Ends at an objective of": criteria.get("TargetObjectiveMetricValue"),
        "Ends after training jobs without improvement": not_improving,
        "Ends on convergence": criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence"),
        "Early stopping of training jobs": config.get("TrainingJobEarlyStoppingType"),
    }
    return ((name, str(fact)) for name, fact in facts.items() if fact is not None)

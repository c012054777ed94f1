"""The structures of the API, built from records; one function for each structure that an answer holds.

A member that is None is left out on the wire.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from airflow_hpt.domain.counters import Tally, objective_counters, objective_status, training_counters
from airflow_hpt.domain.description import echo, echo_definition, training_hyperparameters
from airflow_hpt.domain.names import training_job_arn, tuning_job_arn
from airflow_hpt.domain.records import TrainingJob, Transition, TuningJob
from airflow_hpt.domain.spec import TuningSpec
from airflow_hpt.local.runner.artifacts import model_artifact

Members: TypeAlias = dict[str, Any]

FAILURE_REASON_LENGTH = 1024
LIMITS_EXCEEDED = ("MaxRuntimeExceeded", "MaxWaitTimeExceeded")  # last secondary statuses besides the status itself
FROM_DEFINITION = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "ResourceConfig",
    "VpcConfig",
    "StoppingCondition",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "Environment",
    "RetryStrategy",
)


def tuning_heading(job: TuningJob, *, region: str) -> Members:
    """Return what every structure says of a tuning job."""
    return {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobArn": tuning_job_arn(job.name, region),
        "HyperParameterTuningJobStatus": job.state.value,
        "CreationTime": job.created_at,
        "HyperParameterTuningEndTime": job.ended_at,
        "LastModifiedTime": job.modified_at,
    }


def tuning_summary(job: TuningJob, tally: Tally, *, region: str) -> Members:
    """Return a HyperParameterTuningJobSummary."""
    limits = job.spec.limits
    return {
        **tuning_heading(job, region=region),
        **counters(tally),
        "Strategy": job.spec.strategy.value,
        "ResourceLimits": {
            "MaxNumberOfTrainingJobs": limits.total,
            "MaxParallelTrainingJobs": limits.parallel,
            "MaxRuntimeInSeconds": limits.runtime_seconds,
        },
    }


def tuning_description(
    job: TuningJob,
    tally: Tally,
    *,
    region: str,
    now: datetime,
    best: TrainingJob | None,
    overall_best: tuple[TuningJob, TrainingJob] | None,
) -> Members:
    """Return the answer to DescribeHyperParameterTuningJob."""
    return {
        **echo(job.spec),
        **tuning_heading(job, region=region),
        **counters(tally),
        "BestTrainingJob": best and tuned_summary(best, job.spec, region=region),
        "OverallBestTrainingJob": overall_best and _owned_summary(*overall_best, region=region),
        "FailureReason": _cut(job.failure_reason),
        "TuningJobCompletionDetails": {
            "NumberOfTrainingJobsObjectiveNotImproving": job.not_improving,
            "ConvergenceDetectedTime": job.converged_at,
        },
        "ConsumedResources": {"RuntimeInSeconds": int(((job.ended_at or now) - job.created_at).total_seconds())},
    }


def counters(tally: Tally) -> Members:
    """Return both structures of counters, complete even when nothing was counted."""
    return {
        "TrainingJobStatusCounters": training_counters(tally),
        "ObjectiveStatusCounters": objective_counters(tally),
    }


def tuned_summary(training: TrainingJob, spec: TuningSpec, *, region: str) -> Members:
    """Return a HyperParameterTrainingJobSummary."""
    objective = spec.definition(training.definition).objective
    kind = ("Maximize" if objective.maximize else "Minimize") if spec.is_multiple else None
    return {
        "TrainingJobDefinitionName": training.definition,
        "TrainingJobName": training.name,
        "TrainingJobArn": training_job_arn(training.name, region),
        "CreationTime": training.created_at,
        "TrainingStartTime": training.started_at,
        "TrainingEndTime": training.ended_at,
        "TrainingJobStatus": status_of(training),
        "TunedHyperParameters": dict(training.tuned),
        "FailureReason": _cut(training.failure_reason),
        "FinalHyperParameterTuningJobObjectiveMetric": None
        if training.objective is None
        else {"Type": kind, "MetricName": objective.metric, "Value": training.objective},
        "ObjectiveStatus": objective_status(training),
    }


def training_summary(training: TrainingJob, *, region: str) -> Members:
    """Return a TrainingJobSummary."""
    return {
        "TrainingJobName": training.name,
        "TrainingJobArn": training_job_arn(training.name, region),
        "CreationTime": training.created_at,
        "TrainingEndTime": training.ended_at,
        "LastModifiedTime": training.modified_at,
        "TrainingJobStatus": status_of(training),
        "SecondaryStatus": secondary_status_of(training),
    }


def training_description(
    training: TrainingJob,
    owner: TuningJob,
    metrics: Sequence[tuple[str, float, datetime]],
    *,
    region: str,
) -> Members:
    """Return the answer to DescribeTrainingJob."""
    definition = owner.spec.definition(training.definition)
    shown = echo_definition(definition)
    seconds = training_seconds(training)
    return {
        **{name: shown.get(name) for name in FROM_DEFINITION},
        **training_summary(training, region=region),
        "TuningJobArn": tuning_job_arn(owner.name, region),
        "ModelArtifacts": {"S3ModelArtifacts": model_artifact(definition.definition, training.name)},
        "HyperParameters": training_hyperparameters(definition, training.tuned),
        "OutputDataConfig": {"KmsKeyId": "", **shown["OutputDataConfig"]},
        "TrainingStartTime": training.started_at,
        "FailureReason": _cut(training.failure_reason),
        "SecondaryStatusTransitions": [_transition(each) for each in transitions_of(training)],
        "FinalMetricDataList": [
            {"MetricName": name, "Value": value, "Timestamp": moment} for name, value, moment in metrics
        ],
        "TrainingTimeInSeconds": seconds,
        "BillableTimeInSeconds": seconds,
        "ProfilingStatus": "Disabled",
    }


def status_of(training: TrainingJob) -> str:
    """Return the TrainingJobStatus; a training job that was asked to stop is Stopping from then on."""
    return "Stopping" if training.state.is_live and training.stop_cause else training.state.status


def secondary_status_of(training: TrainingJob) -> str:
    """Return the SecondaryStatus."""
    return "Stopping" if status_of(training) == "Stopping" else transitions_of(training)[-1].status


def transitions_of(training: TrainingJob) -> tuple[Transition, ...]:
    """Return the secondary transitions, with the first and the last status filled in where no process reported them."""
    told = training.transitions or (Transition("Starting", training.created_at, training.ended_at),)
    ended = training.ended_at
    if ended is None or told[-1].status in (*LIMITS_EXCEEDED, training.state.value):
        return told
    return (*told, Transition(training.state.value, ended, ended))


def training_seconds(training: TrainingJob) -> int | None:
    """Return how long a training job that has ended trained, at least one second."""
    if training.started_at is None or training.ended_at is None:
        return None
    return max(math.ceil((training.ended_at - training.started_at).total_seconds()), 1)


def tag_list(tags: Mapping[str, str]) -> list[Members]:
    """Return a TagList."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _owned_summary(owner: TuningJob, training: TrainingJob, *, region: str) -> Members:
    return {**tuned_summary(training, owner.spec, region=region), "TuningJobName": owner.name}


def _transition(transition: Transition) -> Members:
    return {
        "Status": transition.status,
        "StartTime": transition.started_at,
        "EndTime": transition.ended_at,
        "StatusMessage": transition.message or None,
    }


def _cut(text: str | None) -> str | None:
    return text and text[:FAILURE_REASON_LENGTH]

"""What the end of a tuning job means: one table for operators, sensors and triggers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from airflow_hpt.domain.states import TuningState
from airflow_hpt.errors import TuningJobFailed, TuningJobStopped
from airflow_hpt.hooks.policies import Stopped
from airflow_hpt.hooks.tuning import TuningHook

FAILURES_SHOWN = 3


def is_success(description: Mapping[str, Any], stopped: Stopped) -> bool:
    """Say whether a tuning job that has ended did what it was asked for."""
    has_best = bool(description.get("BestTrainingJob"))
    match description["HyperParameterTuningJobStatus"]:
        case TuningState.COMPLETED:
            return has_best
        case TuningState.STOPPED:
            return stopped is Stopped.SUCCEED or (stopped is Stopped.SUCCEED_IF_BEST and has_best)
        case _:
            return False


def is_wasted(description: Mapping[str, Any], stopped: Stopped) -> bool:
    """Say whether a tuning job can no longer end in a way that the task accepts."""
    match description["HyperParameterTuningJobStatus"]:
        case TuningState.IN_PROGRESS:
            return False
        case TuningState.STOPPING:
            return stopped is Stopped.FAIL
        case _:
            return not is_success(description, stopped)


def has_reached(description: Mapping[str, Any], target: float) -> bool:
    """Say whether the best training job so far is as good as `target` or better."""
    best = description.get("BestTrainingJob", {})
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric")
    if not metric:
        return False
    value = float(metric["Value"])
    return value >= target if maximizes(description, best) else value <= target


def maximizes(description: Mapping[str, Any], training: Mapping[str, Any]) -> bool:
    """Say whether larger is better for the objective of a tuning job, or of one of its training jobs' definitions."""
    objective = description["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective")
    for definition in description.get("TrainingJobDefinitions", ()):
        if definition["DefinitionName"] == training.get("TrainingJobDefinitionName"):
            objective = definition["TuningObjective"]
    return objective is not None and objective["Type"] == "Maximize"


def check_reached(description: Mapping[str, Any], target: float) -> None:
    """Raise unless the best training job is as good as `target` or better."""
    if has_reached(description, target):
        return
    metric = description.get("BestTrainingJob", {}).get("FinalHyperParameterTuningJobObjectiveMetric")
    found = f"its best is {metric['MetricName']} {metric['Value']:.6g}" if metric else "it has found nothing"
    name, status = description["HyperParameterTuningJobName"], description["HyperParameterTuningJobStatus"]
    raise TuningJobFailed(f"Tuning job {name} ended as {status} without reaching the objective {target}: {found}.")


def check(hook: TuningHook, description: Mapping[str, Any], stopped: Stopped) -> None:
    """Raise, with every reason that is known, unless a tuning job that has ended is a success."""
    if is_success(description, stopped):
        return
    name, status = description["HyperParameterTuningJobName"], description["HyperParameterTuningJobStatus"]
    reasons = [f"Tuning job {name} ended as {status}."]
    if reason := description.get("FailureReason"):
        reasons.append(reason)
    if not description.get("BestTrainingJob"):
        reasons.append(_no_objective(description))
    if status == TuningState.STOPPED:
        raise TuningJobStopped("\n".join([*reasons, f"This task takes that as a failure (stopped={stopped.value!r})."]))
    raise TuningJobFailed("\n".join([*reasons, *_failures(hook, name)]))


def _no_objective(description: Mapping[str, Any]) -> str:
    definitions = description.get("TrainingJobDefinitions") or [description["TrainingJobDefinition"]]
    overall = description["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective")
    sought = []
    for definition in definitions:
        objective = (overall or definition["TuningObjective"])["MetricName"]
        metrics = definition["AlgorithmSpecification"].get("MetricDefinitions", ())
        patterns = [metric["Regex"] for metric in metrics if metric["Name"] == objective]
        sought.append(f"{objective} (regex {patterns[0]!r})" if patterns else objective)
    return f"No training job ended with a value of the objective metric {', '.join(dict.fromkeys(sought))}."


def _failures(hook: TuningHook, name: str) -> list[str]:
    failed = hook.training_jobs(name, StatusEquals="Failed", SortBy="CreationTime", SortOrder="Ascending")
    return [
        f"Training job {training['TrainingJobName']} failed: {training.get('FailureReason', 'no reason given')}"
        for training in islice(failed, FAILURES_SHOWN)
    ]

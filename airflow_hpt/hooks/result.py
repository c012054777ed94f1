"""The flat result of a tuning job: plain JSON, as an XCom and as the extra of an asset event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_hpt.errors import HptError
from airflow_hpt.hooks.identity import DATA_TAG, LINEAGE_TAG, REASON_TAG
from airflow_hpt.hooks.outcome import maximizes
from airflow_hpt.hooks.progress import progress_line
from airflow_hpt.hooks.tuning import TuningHook

NUMBER_KINDS = (("IntegerParameterRanges", int), ("ContinuousParameterRanges", float))


def tuning_result(hook: TuningHook, description: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a downstream task wants to know of a tuning job, running or ended."""
    config = description["HyperParameterTuningJobConfig"]
    counters = description.get("TrainingJobStatusCounters", {})
    tags = hook.tags(description["HyperParameterTuningJobArn"])
    return {
        "job_name": description["HyperParameterTuningJobName"],
        "job_arn": description["HyperParameterTuningJobArn"],
        "status": description["HyperParameterTuningJobStatus"],
        "strategy": config["Strategy"],
        "region": hook.region,
        "lineage": tags.get(LINEAGE_TAG),
        "data_fingerprint": tags.get(DATA_TAG),
        "training_jobs": sum(counters.values()),
        "training_jobs_completed": counters.get("Completed", 0),
        "training_jobs_running": counters.get("InProgress", 0),
        "training_jobs_stopped": counters.get("Stopped", 0),
        "training_jobs_failed": counters.get("RetryableError", 0) + counters.get("NonRetryableError", 0),
        **_best(hook, description, "BestTrainingJob", "best_"),
        **_best(hook, description, "OverallBestTrainingJob", "overall_best_"),
        **_warm_start(hook, description),
        "warm_start_reason": tags.get(REASON_TAG),
        "created_at": _iso(description.get("CreationTime")),
        "ended_at": _iso(description.get("HyperParameterTuningEndTime")),
    }


def _best(hook: TuningHook, description: Mapping[str, Any], member: str, prefix: str) -> dict[str, Any]:
    training = description.get(member) or {}
    metric = training.get("FinalHyperParameterTuningJobObjectiveMetric") or {}
    return {
        f"{prefix}training_job": training.get("TrainingJobName"),
        f"{prefix}tuning_job": training.get("TuningJobName")
        or (training and description["HyperParameterTuningJobName"])
        or None,
        f"{prefix}objective_metric": metric.get("MetricName"),
        f"{prefix}objective": metric.get("Value"),
        f"{prefix}hyperparameters": typed_hyperparameters(description, training),
        f"{prefix}model_artifact": _model_artifact(hook, training),
    }


def typed_hyperparameters(description: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tuned hyperparameters of a training job as numbers where the ranges are numbers."""
    ranges = _ranges(description, training.get("TrainingJobDefinitionName"))
    kinds = {each["Name"]: kind for member, kind in NUMBER_KINDS for each in ranges.get(member, ())}
    texts = training.get("TunedHyperParameters", {})
    return {name: _typed(text, kinds.get(name, str)) for name, text in sorted(texts.items())}


def _typed(text: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(text)
    except ValueError:  # the text of an integer may be 3.0, or quoted as the SageMaker SDK sends it
        return text


def _ranges(description: Mapping[str, Any], definition_name: str | None) -> Mapping[str, Any]:
    for definition in description.get("TrainingJobDefinitions", ()):
        if definition.get("DefinitionName") == definition_name:
            found: Mapping[str, Any] = definition.get("HyperParameterRanges", {})
            return found
    ranges: Mapping[str, Any] = description["HyperParameterTuningJobConfig"].get("ParameterRanges", {})
    return ranges


def _model_artifact(hook: TuningHook, training: Mapping[str, Any]) -> str | None:
    if not training:
        return None
    try:
        described = hook.call("DescribeTrainingJob", TrainingJobName=training["TrainingJobName"])
    except HptError as error:
        # The tuning job has a result without it: a role may see tuning jobs and not training jobs.
        hook.log.warning("The model artifact of %s is not known: %s", training["TrainingJobName"], error)
        return None
    artifact: str | None = described.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    return artifact


def _warm_start(hook: TuningHook, description: Mapping[str, Any]) -> dict[str, Any]:
    warm = description.get("WarmStartConfig") or {}
    parents = [parent["HyperParameterTuningJobName"] for parent in warm.get("ParentHyperParameterTuningJobs", ())]
    better = max if maximizes(description, {}) else min
    best = better(_best_objectives(hook, parents), default=None)
    told = f"; the best of its parents was {best:.6g}" if best is not None else ""
    return {
        "summary": f"{progress_line(description)}{told}",
        "warm_start_type": warm.get("WarmStartType"),
        "parents": parents,
        "parents_best_objective": best,
    }


def _best_objectives(hook: TuningHook, names: Sequence[str]) -> Iterator[float]:
    for name in names:
        try:
            best = hook.describe(name).get("BestTrainingJob") or {}
        except HptError as error:  # it may have been deleted since
            hook.log.warning("What parent %s has found is not known: %s", name, error)
            continue
        if metric := best.get("FinalHyperParameterTuningJobObjectiveMetric"):
            yield metric["Value"]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None

"""Builds CreateHyperParameterTuningJob requests from friendly arguments, in the words of the SageMaker SDK."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from airflow_hpt.domain.space import Scaling
from airflow_hpt.errors import InvalidRequest

# What the local service needs no choice for. On AWS, name a real image and role.
LOCAL_IMAGE = "airflow-hpt/script:local"
LOCAL_ROLE = "arn:aws:iam::000000000000:role/airflow-hpt-local"

NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"

# Text is allowed wherever a number is, because it may be a Jinja template.
Number: TypeAlias = float | int | str


@dataclass(frozen=True, slots=True)
class _Numeric:
    """A range of numbers, both ends included."""

    min_value: Number
    max_value: Number
    scaling: str = Scaling.AUTO

    def __post_init__(self) -> None:
        if self.scaling not in list(Scaling):
            raise InvalidRequest(f"{self} has an unknown scaling; use one of {', '.join(Scaling)}.")
        if isinstance(self.min_value, str) or isinstance(self.max_value, str):
            return
        if self.min_value > self.max_value:
            raise InvalidRequest(f"{self}: the minimum is above the maximum; swap them.")
        if self.scaling == Scaling.LOGARITHMIC and self.min_value <= 0:
            raise InvalidRequest(f"{self}: logarithmic scaling needs a minimum above 0; raise it or scale linearly.")
        if self.scaling == Scaling.REVERSE_LOGARITHMIC and not 0 <= self.min_value <= self.max_value < 1:
            raise InvalidRequest(f"{self}: reverse logarithmic scaling needs 0 <= minimum and maximum < 1.")

    def to_api(self, name: str) -> dict[str, Any]:
        """Return the range as the API spells it."""
        return {
            "Name": name,
            "MinValue": _text(self.min_value),
            "MaxValue": _text(self.max_value),
            "ScalingType": str(self.scaling),
        }


@dataclass(frozen=True, slots=True)
class Continuous(_Numeric):
    """Any number from `min_value` to `max_value`."""


@dataclass(frozen=True, slots=True)
class Integer(_Numeric):
    """Any whole number from `min_value` to `max_value`."""

    def __post_init__(self) -> None:
        if fractions := [end for end in (self.min_value, self.max_value) if isinstance(end, float) and end % 1]:
            raise InvalidRequest(f"{self}: {fractions[0]} is not a whole number; use Continuous for fractions.")
        _Numeric.__post_init__(self)  # not super(): slots make a second class of this name


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of some values."""

    values: Sequence[Any]

    def __post_init__(self) -> None:
        if isinstance(self.values, str) or not self.values:
            raise InvalidRequest(f"{self} needs a list of at least one value, such as Categorical(['relu', 'tanh']).")

    def to_api(self, name: str) -> dict[str, Any]:
        """Return the range as the API spells it."""
        return {"Name": name, "Values": [_text(value) for value in self.values]}


@dataclass(frozen=True, slots=True)
class _Objective:
    """A metric that the training script prints as `<metric>=<value>`, or in another way that `regex` finds."""

    metric: str
    regex: str | None = None

    @property
    def pattern(self) -> str:
        """Return the regex in force."""
        return self.regex or rf"{re.escape(self.metric)}\s*[=:]\s*{NUMBER}"


class Maximize(_Objective):
    """An objective metric to make as large as can be."""

    __slots__ = ()


class Minimize(_Objective):
    """An objective metric to make as small as can be."""

    __slots__ = ()


HyperparameterRange: TypeAlias = Continuous | Integer | Categorical

KINDS: Mapping[type, str] = {
    Continuous: "ContinuousParameterRanges",
    Integer: "IntegerParameterRanges",
    Categorical: "CategoricalParameterRanges",
}


def tuning_job_config(
    *,
    objective: Maximize | Minimize,
    hyperparameter_ranges: Mapping[str, HyperparameterRange],
    output_path: str,
    max_jobs: Number,
    max_parallel_jobs: Number = 1,
    entry_point: str | None = None,
    source_dir: str | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str | Mapping[str, Any]] | None = None,
    image_uri: str = LOCAL_IMAGE,
    role: str = LOCAL_ROLE,
    strategy: str = "Bayesian",
    random_seed: Number | None = None,
    early_stopping: bool = False,
    max_runtime_seconds: Number | None = None,
    target_objective: Number | None = None,
    max_jobs_not_improving: Number | None = None,
    complete_on_convergence: bool = False,
    metrics: Mapping[str, str] | None = None,
    instance_type: str = "ml.m5.large",
    instance_count: Number = 1,
    volume_size_gb: Number = 30,
    max_training_seconds: Number = 86_400,
    environment: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a CreateHyperParameterTuningJob request; every text in it may be a Jinja template.

    :param objective: `Maximize("validation:auc")` or `Minimize(...)`
    :param hyperparameter_ranges: what is tuned: `Continuous`, `Integer` and `Categorical` by name
    :param output_path: where models go, `s3://...`
    :param max_jobs: how many training jobs to run in all
    :param max_parallel_jobs: how many of them at once
    :param entry_point: training script; a path, unless `source_dir` is given
    :param source_dir: folder of the script and its modules, or a tar.gz of it on S3
    :param hyperparameters: what is passed to the script unchanged
    :param inputs: data by channel name: `s3://...` prefixes, or Channel members for what needs more than that
    :param image_uri: training image; the local service runs the script without one
    :param role: ARN of the role that SageMaker trains in
    :param strategy: `Bayesian`, `Random`, `Grid` or `Hyperband`
    :param random_seed: makes the search repeatable
    :param early_stopping: stop training jobs that do worse than the median
    :param max_runtime_seconds: how long the tuning job may take
    :param target_objective: end as soon as the objective is this good
    :param max_jobs_not_improving: end after so many training jobs without a better one
    :param complete_on_convergence: end when a better training job is not to be expected
    :param metrics: regexes of further metrics by name
    :param max_training_seconds: how long one training job may take
    :param environment: environment variables of the training jobs
    :param tags: tags of the tuning job and its training jobs
    """
    tuning = {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": {
            "Type": type(objective).__name__,
            "MetricName": objective.metric,
        },
        "ResourceLimits": _given(
            MaxNumberOfTrainingJobs=max_jobs,
            MaxParallelTrainingJobs=max_parallel_jobs,
            MaxRuntimeInSeconds=max_runtime_seconds,
        ),
        "ParameterRanges": _ranges(hyperparameter_ranges),
        "TrainingJobEarlyStoppingType": "Auto" if early_stopping else "Off",
        "TuningJobCompletionCriteria": _completion(target_objective, max_jobs_not_improving, complete_on_convergence),
        "RandomSeed": random_seed,
    }
    definition = {
        "StaticHyperParameters": {
            **{name: _text(value) for name, value in (hyperparameters or {}).items()},
            **_script(entry_point, source_dir),
        },
        "AlgorithmSpecification": _given(
            TrainingImage=image_uri,
            TrainingInputMode="File",
            MetricDefinitions=_metrics(objective, metrics or {}, is_script=entry_point is not None),
        ),
        "RoleArn": role,
        "InputDataConfig": [_channel(name, source) for name, source in (inputs or {}).items()],
        "OutputDataConfig": {"S3OutputPath": output_path},
        "ResourceConfig": {
            "InstanceType": instance_type,
            "InstanceCount": instance_count,
            "VolumeSizeInGB": volume_size_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": max_training_seconds},
        "Environment": dict(environment or {}),
    }
    return _given(
        HyperParameterTuningJobConfig=_given(**tuning),
        TrainingJobDefinition=_given(**definition),
        Tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
    )


def _given(**members: Any) -> dict[str, Any]:
    """Return the members that have a value; the API takes an absent one for its default and refuses some empty ones."""
    return {name: value for name, value in members.items() if value not in (None, {}, [])}


def _ranges(ranges: Mapping[str, HyperparameterRange]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {member: [] for member in KINDS.values()}
    for name, each in ranges.items():
        if type(each) not in KINDS:
            kinds = ", ".join(kind.__name__ for kind in KINDS)
            raise InvalidRequest(f"Hyperparameter {name!r} is given as {each!r}; what is tuned is one of {kinds}.")
        found[KINDS[type(each)]].append(each.to_api(name))
    return found


def _script(entry_point: str | None, source_dir: str | None) -> dict[str, str]:
    if entry_point is None:
        return {}
    if source_dir is None:
        source_dir, entry_point = posixpath.split(entry_point)
    return {"sagemaker_program": entry_point, "sagemaker_submit_directory": source_dir or "."}


def _metrics(objective: _Objective, metrics: Mapping[str, str], *, is_script: bool) -> list[dict[str, str]]:
    # Built-in algorithms bring their own definitions, so there the objective is defined only when asked for.
    own = {objective.metric: objective.pattern} if is_script or objective.regex else {}
    return [{"Name": name, "Regex": regex} for name, regex in {**own, **metrics}.items()]


def _completion(target: Number | None, not_improving: Number | None, on_convergence: bool) -> dict[str, Any]:
    return _given(
        TargetObjectiveMetricValue=target,
        BestObjectiveNotImproving=_given(MaxNumberOfTrainingJobsNotImproving=not_improving),
        ConvergenceDetected={"CompleteOnConvergence": "Enabled"} if on_convergence else None,
    )


def _channel(name: str, source: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(source, str):
        return {"ChannelName": name, **source}
    s3 = {"S3DataType": "S3Prefix", "S3Uri": source, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": s3}}


def _text(value: Any) -> str:
    """Return a hyperparameter as the API sends it; script mode reads it back as JSON, or else as text."""
    return value if isinstance(value, str) else json.dumps(value)

"""The request part of a DescribeHyperParameterTuningJob answer, and the way back from an answer to a request.

SageMaker echoes a request with additions: the objective's name as a static hyperparameter, the objective's regex as a
last metric `ObjectiveMetric`, and defaults. The caller's own texts stay as they were given.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from airflow_hpt.domain.autotune import filled
from airflow_hpt.domain.definitions import RUNTIME_DEFAULT
from airflow_hpt.domain.ranges import RANGE_LISTS
from airflow_hpt.domain.spec import OBJECTIVE_HYPERPARAMETER, OBJECTIVE_METRIC, TrainingSpec, TuningSpec

Members = dict[str, Any]

SWITCHES = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")
REQUEST_MEMBERS = (
    "HyperParameterTuningJobName",
    "HyperParameterTuningJobConfig",
    "TrainingJobDefinition",
    "TrainingJobDefinitions",
    "WarmStartConfig",
)


def echo(spec: TuningSpec) -> Members:
    """Return the request of a tuning job as Describe shows it."""
    request = deepcopy(filled(spec.request))
    config = _present(request["HyperParameterTuningJobConfig"])
    config.setdefault("TrainingJobEarlyStoppingType", "Off")
    config["ResourceLimits"] = {**_present(config["ResourceLimits"]), "MaxNumberOfTrainingJobs": spec.limits.total}
    answer: Members = {"HyperParameterTuningJobName": spec.name, "HyperParameterTuningJobConfig": config}
    definitions = [echo_definition(each) for each in spec.definitions]
    if spec.is_multiple:
        answer["TrainingJobDefinitions"] = definitions
    else:
        config["ParameterRanges"] = _all_lists(config["ParameterRanges"])
        answer["TrainingJobDefinition"] = definitions[0]
    return answer | {name: request[name] for name in ("WarmStartConfig", "Autotune") if request.get(name) is not None}


def echo_definition(training: TrainingSpec) -> Members:
    """Return one training job definition as Describe shows it."""
    shown = _present(deepcopy(dict(training.definition)))
    shown["StaticHyperParameters"] = training_hyperparameters(training, {})
    algorithm = _present(shown["AlgorithmSpecification"])
    shown["AlgorithmSpecification"] = {**algorithm, "MetricDefinitions": _echo_metrics(training)}
    shown["StoppingCondition"] = {"MaxRuntimeInSeconds": RUNTIME_DEFAULT, **_present(shown["StoppingCondition"])}
    for switch in SWITCHES:
        shown.setdefault(switch, False)
    for channel in shown.get("InputDataConfig", ()):
        if source := (channel.get("DataSource") or {}).get("S3DataSource"):
            source.setdefault("S3DataDistributionType", "FullyReplicated")
    if training.name is None:
        for name in ("DefinitionName", "TuningObjective", "HyperParameterRanges"):
            shown.pop(name, None)
    else:
        shown["HyperParameterRanges"] = _all_lists(shown["HyperParameterRanges"])
    return _with_resource_config(shown)


def training_hyperparameters(definition: TrainingSpec, tuned: Mapping[str, str]) -> dict[str, str]:
    """Return all hyperparameters of a training job: static, tuned and the injected name of the objective."""
    return {**definition.static, **tuned, OBJECTIVE_HYPERPARAMETER: definition.objective.metric}


def request_from_description(describe: Mapping[str, Any]) -> Members:
    """Return the request that would create the tuning job of a Describe answer again.

    What the service added goes; what Autotune filled in stays, as ordinary ranges and limits.
    """
    request: Members = _without_none({name: describe.get(name) for name in REQUEST_MEMBERS})
    for definition in (request.get("TrainingJobDefinition"), *request.get("TrainingJobDefinitions", ())):
        if definition:
            _strip(definition)
            definition.get("HyperParameterRanges", {}).pop("AutoParameters", None)
    request.get("HyperParameterTuningJobConfig", {}).get("ParameterRanges", {}).pop("AutoParameters", None)
    return request


def _strip(definition: Members) -> None:
    objective = definition.get("StaticHyperParameters", {}).pop(OBJECTIVE_HYPERPARAMETER, None)
    algorithm = definition.get("AlgorithmSpecification", {})
    metrics = algorithm.get("MetricDefinitions")
    if metrics and objective != OBJECTIVE_METRIC:
        algorithm["MetricDefinitions"] = [each for each in metrics if each.get("Name") != OBJECTIVE_METRIC]
    if "HyperParameterTuningResourceConfig" in definition:
        definition.pop("ResourceConfig", None)


def _echo_metrics(training: TrainingSpec) -> list[Members]:
    shown = [{"Name": each.name, "Regex": each.regex} for each in training.metrics if each.name != OBJECTIVE_METRIC]
    aims = [each.regex for each in training.metrics if each.name == training.objective.metric]
    return shown + [{"Name": OBJECTIVE_METRIC, "Regex": regex} for regex in aims]


def _with_resource_config(shown: Members) -> Members:
    """Show a ResourceConfig in any case, for clients read it; one InstanceConfig alone is shown as nothing else."""
    tuning = shown.get("HyperParameterTuningResourceConfig")
    if tuning is None:
        return shown
    configs = tuning.get("InstanceConfigs") or [tuning]
    first = {
        name: configs[0][name] for name in ("InstanceType", "InstanceCount", "VolumeSizeInGB") if name in configs[0]
    }
    key = {"VolumeKmsKeyId": tuning["VolumeKmsKeyId"]} if tuning.get("VolumeKmsKeyId") else {}
    if "InstanceConfigs" in tuning and len(configs) == 1:
        del shown["HyperParameterTuningResourceConfig"]
    return {**shown, "ResourceConfig": {**first, **key}}


def _all_lists(ranges: Mapping[str, Any]) -> Members:
    return {**{name: [] for name in RANGE_LISTS}, **_present(ranges)}


def _present(members: Mapping[str, Any]) -> Members:
    return {name: value for name, value in members.items() if value is not None}


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value

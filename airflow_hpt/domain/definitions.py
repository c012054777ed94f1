"""Training job definitions: one HyperParameterTrainingJobDefinition of a request turned into a TrainingSpec."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from airflow_hpt.domain.fields import Fields
from airflow_hpt.domain.metrics import compile_regex
from airflow_hpt.domain.ranges import TUNABLE_LIMIT, parse_space
from airflow_hpt.domain.space import Space
from airflow_hpt.domain.spec import (
    OBJECTIVE_HYPERPARAMETER,
    OBJECTIVE_METRIC,
    MetricDefinition,
    Objective,
    ObjectiveType,
    TrainingSpec,
)
from airflow_hpt.errors import InvalidRequest

HYPERPARAMETER_LIMIT = 100  # tuned, static and the injected one together
METRIC_LIMIT = 40
RUNTIME_DEFAULT = 24 * 60 * 60
RUNTIME_LIMIT = 28 * RUNTIME_DEFAULT

ImageMetrics: TypeAlias = Callable[[str], Mapping[str, str] | None]

NO_METRIC = (
    "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric definitions."
)


def parse_definition(
    fields: Fields, *, name: str | None, objective: Fields, ranges: Fields, image_metrics: ImageMetrics | None
) -> TrainingSpec:
    """Return one training job definition, every rule checked that concerns it alone."""
    aim = Objective(objective.text("MetricName", limit=255), objective.choice("Type", ObjectiveType) == "Maximize")
    static = fields.text_map("StaticHyperParameters", limit=HYPERPARAMETER_LIMIT, key=256, value=2500)
    static.pop(OBJECTIVE_HYPERPARAMETER, None)  # clients send an earlier job's description back
    space = parse_space(ranges)
    if ranges.items("AutoParameters", limit=HYPERPARAMETER_LIMIT):
        ranges.refuse("AutoParameters", "is for requests with Autotune; give ranges, or set Autotune.Mode to Enabled.")
    _check_names(space, static, ranges)
    _check_required(fields)
    _check_stopping(fields)
    _check_resources(fields)
    metrics = _metrics(fields.structure("AlgorithmSpecification"), aim, static, image_metrics)
    return TrainingSpec(name, aim, space, static, fields.members(), metrics)


def _check_names(space: Space, static: Mapping[str, str], ranges: Fields) -> None:
    names = space.names
    where = ranges.path
    if not names:
        raise InvalidRequest(f"{where} names no hyperparameter to tune; give at least one range.")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidRequest(f"{where} gives more than one range to {repeated}; keep one range for each.")
    if both := sorted(static.keys() & set(names)):
        raise InvalidRequest(
            f"{where} tunes {both}, which StaticHyperParameters fixes as well; take each out of one of the two."
        )
    if OBJECTIVE_HYPERPARAMETER in names:
        raise InvalidRequest(
            f"{where} tunes {OBJECTIVE_HYPERPARAMETER}, a name that the service sets itself; rename it."
        )
    if len(names) > TUNABLE_LIMIT:
        raise InvalidRequest(f"{where} tunes {len(names)} hyperparameters; at most {TUNABLE_LIMIT} can be tuned.")
    if (count := len(names) + len(static) + 1) > HYPERPARAMETER_LIMIT:
        raise InvalidRequest(
            f"The training job would have {count} hyperparameters: {len(names)} tuned, {len(static)} static and "
            f"{OBJECTIVE_HYPERPARAMETER}, which the service adds; at most {HYPERPARAMETER_LIMIT} are allowed."
        )


def _check_required(fields: Fields) -> None:
    fields.text("RoleArn", limit=2048, least=20)
    fields.structure("OutputDataConfig").text("S3OutputPath", limit=1024)
    algorithm = fields.structure("AlgorithmSpecification")
    algorithm.text("TrainingInputMode", limit=32)
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        algorithm.refuse("TrainingImage", "or AlgorithmName must be given, one of the two.")
    channels = [_channel(each) for each in fields.structures("InputDataConfig", limit=20)]
    if repeated := sorted({name for name in channels if channels.count(name) > 1}):
        fields.refuse("InputDataConfig", f"must not repeat a channel name, but repeats {repeated}.")
    fields.text_map("Environment", limit=48, key=512, value=512)


def _channel(fields: Fields) -> str:
    source = fields.structure("DataSource")
    if "S3DataSource" in source:
        source.structure("S3DataSource").text("S3Uri", limit=1024)
    return fields.text("ChannelName", limit=64)


def _check_stopping(fields: Fields) -> None:
    stopping = fields.structure("StoppingCondition")
    runtime = RUNTIME_DEFAULT
    if "MaxRuntimeInSeconds" in stopping:
        runtime = stopping.integer("MaxRuntimeInSeconds", low=1, high=RUNTIME_LIMIT)
    if not fields.flag("EnableManagedSpotTraining"):
        if "MaxWaitTimeInSeconds" in stopping:
            stopping.refuse(
                "MaxWaitTimeInSeconds", "is for spot training only; set EnableManagedSpotTraining or drop it."
            )
    elif stopping.integer("MaxWaitTimeInSeconds", low=1) < runtime:
        stopping.refuse("MaxWaitTimeInSeconds", f"must be at least MaxRuntimeInSeconds, which is {runtime}.")


def _check_resources(fields: Fields) -> None:
    plain, tuning = "ResourceConfig", "HyperParameterTuningResourceConfig"
    if (plain in fields) == (tuning in fields):
        fields.refuse(plain, f"or {tuning} must be given, one of the two.")
    resources = fields.structure(plain if plain in fields else tuning)
    scalars = [name for name in ("InstanceType", "InstanceCount", "VolumeSizeInGB") if name in resources]
    groups = "InstanceGroups" if plain in fields else "InstanceConfigs"
    if groups in resources:
        resources.structures(groups, limit=6, least=1)
        if scalars:
            resources.refuse(groups, f"cannot be combined with {', '.join(scalars)}; give one or the other.")
    elif "InstancePreferences" not in resources:
        resources.text("InstanceType", limit=64)
        resources.integer("InstanceCount", low=1)
    if "AllocationStrategy" in resources and "InstanceConfigs" not in resources:
        resources.refuse("AllocationStrategy", "chooses among InstanceConfigs, but the request has none.")


def _metrics(
    algorithm: Fields, aim: Objective, static: Mapping[str, str], image_metrics: ImageMetrics | None
) -> tuple[MetricDefinition, ...]:
    given = [_metric(each) for each in algorithm.structures("MetricDefinitions", limit=METRIC_LIMIT + 1)]
    own = [each for each in given if each.name != OBJECTIVE_METRIC or aim.metric == OBJECTIVE_METRIC]
    image = algorithm.text("TrainingImage", limit=255) if "TrainingImage" in algorithm else None
    is_known = image_metrics is not None and image is not None
    built_in = image_metrics(image) if image_metrics and image else None
    named = {each.name for each in own}
    extra = [MetricDefinition(name, regex) for name, regex in (built_in or {}).items() if name not in named]
    found = (*extra, *own)
    # An image that nobody here knows may bring metrics of its own; a script or given metrics say that it does not.
    if aim.metric in {each.name for each in found} or not (is_known or own or "sagemaker_program" in static):
        return found
    choices = f" The metrics defined are {sorted({each.name for each in found})}." if found else ""
    raise InvalidRequest(f"{NO_METRIC} The objective is {aim.metric!r}.{choices}")


def _metric(fields: Fields) -> MetricDefinition:
    name, regex = fields.text("Name", limit=255), fields.text("Regex", limit=500)
    try:
        pattern = compile_regex(regex)
    except ValueError as fault:
        fields.refuse("Regex", f"of metric {name!r} is not a valid regular expression: {fault}.")
    if not pattern.groups:
        fields.refuse(
            "Regex", f"of metric {name!r} needs a group around the value, such as ([0-9.]+), but is {regex!r}."
        )
    return MetricDefinition(name, regex)

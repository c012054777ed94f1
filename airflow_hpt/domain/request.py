"""Reading a CreateHyperParameterTuningJob request: every rule checked that needs no other job."""

import math
from collections.abc import Mapping
from typing import Any

from airflow_hpt.domain.autotune import filled
from airflow_hpt.domain.definitions import ImageMetrics, parse_definition
from airflow_hpt.domain.fields import Fields
from airflow_hpt.domain.names import NAME_LIMIT, TUNING_JOB_NAME
from airflow_hpt.domain.ranges import parse_whole
from airflow_hpt.domain.rules import check_rules
from airflow_hpt.domain.spec import (
    Completion,
    Limits,
    Strategy,
    Switch,
    TrainingSpec,
    TuningSpec,
    WarmStart,
    WarmStartType,
)
from airflow_hpt.errors import InvalidRequest

DEFINITION_LIMIT = 10
PARENT_LIMIT = 5
TAG_LIMIT = 50
RESERVED_TAG_PREFIX = "aws:"
RESOURCE_LIMIT = 20_000
EPOCH_NAMES = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
RUNTIME_SECONDS = (120, 15_768_000)
NO_MAX_RESOURCE = (
    "MaxResource parameter is not provided and could not be inferred from provided static hyperparameters of "
    "TrainingJobDefinition."
)


def parse_request(request: Mapping[str, Any], *, image_metrics: ImageMetrics | None = None) -> TuningSpec:
    """Return the tuning job that a request asks for; raise InvalidRequest or LimitExceeded when it breaks a rule.

    `image_metrics` maps a training image to the metrics (name to regex) of its algorithm, or to None for a custom
    image. Without it images are unknown, as for a check before a call to AWS: then an objective without metric
    definition passes when the definition has neither metric definitions nor a script.
    """
    top = Fields(filled(request))
    config = top.structure("HyperParameterTuningJobConfig")
    strategy = config.choice("Strategy", Strategy)
    name = _job_name(top)
    definitions = _definitions(top, config, image_metrics)
    spec = TuningSpec(
        name=name,
        strategy=strategy,
        definitions=definitions,
        limits=_limits(config.structure("ResourceLimits"), strategy, definitions),
        completion=_completion(config.optional("TuningJobCompletionCriteria")),
        early_stopping=_early_stopping(config),
        resources=_resources(config, strategy, definitions),
        warm_start=_warm_start(top, name),
        seed=config.integer("RandomSeed", low=0) if "RandomSeed" in config else None,
        tags=parse_tags(request),
        request=request,
    )
    check_rules(spec)
    return spec


def _job_name(top: Fields) -> str:
    name = top.raw("HyperParameterTuningJobName")
    if not isinstance(name, str):
        top.refuse("HyperParameterTuningJobName", f"must be a string, but is {name!r}.")
    if TUNING_JOB_NAME.fullmatch(name):
        return name
    constraint = (
        f"Member must have length less than or equal to {NAME_LIMIT}"
        if len(name) > NAME_LIMIT
        else f"Member must satisfy regular expression pattern: ^{TUNING_JOB_NAME.pattern}$"
    )
    raise InvalidRequest(
        f"1 validation error detected: Value '{name}' at 'hyperParameterTuningJobName' failed to satisfy constraint: "
        f"{constraint}"
    )


def _definitions(top: Fields, config: Fields, image_metrics: ImageMetrics | None) -> tuple[TrainingSpec, ...]:
    if ("TrainingJobDefinition" in top) == ("TrainingJobDefinitions" in top):
        raise InvalidRequest(
            "The request needs either TrainingJobDefinition or TrainingJobDefinitions, one of the two."
        )
    if "TrainingJobDefinition" in top:
        return (_single(top.structure("TrainingJobDefinition"), config, image_metrics),)
    for name, home in (
        ("HyperParameterTuningJobObjective", "TuningObjective"),
        ("ParameterRanges", "HyperParameterRanges"),
    ):
        if name in config and config.structure(name).members():
            config.refuse(
                name, f"is for a single TrainingJobDefinition; give {home} in each of TrainingJobDefinitions."
            )
    found = []
    for fields in top.structures("TrainingJobDefinitions", limit=DEFINITION_LIMIT, least=1):
        found.append(
            parse_definition(
                fields,
                name=fields.text("DefinitionName", limit=64),
                objective=fields.structure("TuningObjective"),
                ranges=fields.structure("HyperParameterRanges"),
                image_metrics=image_metrics,
            )
        )
    return tuple(found)


def _single(fields: Fields, config: Fields, image_metrics: ImageMetrics | None) -> TrainingSpec:
    for name, home in (
        ("TuningObjective", "HyperParameterTuningJobObjective"),
        ("HyperParameterRanges", "ParameterRanges"),
    ):
        if name in fields and (home not in config or fields.raw(name) != config.raw(home)):
            fields.refuse(name, f"is for TrainingJobDefinitions; with a single definition give {config.where(home)}.")
    return parse_definition(
        fields,
        name=None,
        objective=config.structure("HyperParameterTuningJobObjective"),
        ranges=config.structure("ParameterRanges"),
        image_metrics=image_metrics,
    )


def _limits(fields: Fields, strategy: Strategy, definitions: tuple[TrainingSpec, ...]) -> Limits:
    parallel = fields.integer("MaxParallelTrainingJobs", low=1)
    low, high = RUNTIME_SECONDS
    runtime = fields.integer("MaxRuntimeInSeconds", low=low, high=high) if "MaxRuntimeInSeconds" in fields else None
    size = sum(each.space.size for each in definitions)
    if "MaxNumberOfTrainingJobs" in fields:
        total = fields.integer("MaxNumberOfTrainingJobs", low=1)
    elif strategy is Strategy.GRID:
        total = int(size) if math.isfinite(size) else 1  # the rules of Grid refuse an infinite space
    else:
        fields.refuse("MaxNumberOfTrainingJobs", f"is missing; only Grid infers it, and the strategy is {strategy}.")
    return Limits(parallel, total, runtime)


def _completion(fields: Fields) -> Completion:
    target = fields.number("TargetObjectiveMetricValue") if "TargetObjectiveMetricValue" in fields else None
    stall, count = fields.optional("BestObjectiveNotImproving"), "MaxNumberOfTrainingJobsNotImproving"
    not_improving = stall.integer(count, low=3) if count in stall else None
    convergence, switch = fields.optional("ConvergenceDetected"), "CompleteOnConvergence"
    on_convergence = switch in convergence and convergence.choice(switch, Switch) is Switch.ENABLED
    return Completion(target, not_improving, on_convergence)


def _early_stopping(config: Fields) -> bool:
    kind = config.raw("TrainingJobEarlyStoppingType") if "TrainingJobEarlyStoppingType" in config else "Off"
    if kind not in ("Off", "Auto"):
        config.refuse("TrainingJobEarlyStoppingType", f"must be Off or Auto, but is {kind!r}.")
    return bool(kind == "Auto")


def _resources(config: Fields, strategy: Strategy, definitions: tuple[TrainingSpec, ...]) -> tuple[int, int] | None:
    if strategy is not Strategy.HYPERBAND:
        if "StrategyConfig" in config:
            config.refuse("StrategyConfig", f"is for the Hyperband strategy, but the strategy is {strategy}; drop it.")
        return None
    fields = config.optional("StrategyConfig").optional("HyperbandStrategyConfig")
    least = fields.integer("MinResource", low=1, high=RESOURCE_LIMIT) if "MinResource" in fields else 1
    if "MaxResource" in fields:
        most = fields.integer("MaxResource", low=1, high=RESOURCE_LIMIT)
    else:
        most = max(_epochs(each) for each in definitions)
    if least > most:
        fields.refuse("MinResource", f"must not be above MaxResource, but {least} > {most}.")
    return least, most


def _epochs(definition: TrainingSpec) -> int:
    for name in EPOCH_NAMES:
        epochs = parse_whole(definition.static.get(name, "").strip('"'))  # the SageMaker SDK may have quoted it
        if epochs is not None and 1 <= epochs <= RESOURCE_LIMIT:
            return epochs
    raise InvalidRequest(
        f"{NO_MAX_RESOURCE} Give StrategyConfig.HyperbandStrategyConfig.MaxResource, or a static hyperparameter named "
        f"{', '.join(EPOCH_NAMES)} with a whole number from 1 to {RESOURCE_LIMIT}."
    )


def _warm_start(top: Fields, name: str) -> WarmStart | None:
    if "WarmStartConfig" not in top:
        return None
    fields = top.structure("WarmStartConfig")
    listed = fields.structures("ParentHyperParameterTuningJobs", limit=PARENT_LIMIT, least=1)
    parents = tuple(each.text("HyperParameterTuningJobName", limit=NAME_LIMIT) for each in listed)
    if repeated := sorted({parent for parent in parents if parents.count(parent) > 1}):
        fields.refuse("ParentHyperParameterTuningJobs", f"must not repeat a parent, but repeats {repeated}.")
    if name in parents:
        fields.refuse(
            "ParentHyperParameterTuningJobs", f"must not list the new tuning job itself, {name}; rename the job."
        )
    return WarmStart(parents, fields.choice("WarmStartType", WarmStartType))


def parse_tags(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the Tags of a request by their keys; raise InvalidRequest when they break a rule."""
    top, tags = Fields(request), dict[str, str]()
    for each in top.structures("Tags", limit=TAG_LIMIT):
        key = each.text("Key", limit=128)
        if key in tags:
            top.refuse("Tags", f"must not repeat a key, but repeats {key!r}.")
        if key.lower().startswith(RESERVED_TAG_PREFIX):
            top.refuse(
                "Tags", f"must not begin with {RESERVED_TAG_PREFIX!r}, which AWS keeps for itself, as {key!r} does."
            )
        tags[key] = each.text("Value", limit=256, least=0)
    return tags

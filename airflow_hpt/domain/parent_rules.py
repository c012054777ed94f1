"""The rules on one parent of a warm start; each says what is wrong with it and what would work.

They are those of SageMaker's guide to warm start; docs/warm-start.md lists them. Texts that SageMaker is known to send
come first and verbatim; what they leave out, such as the names that differ, follows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from airflow_hpt.domain.ranges import parse_real
from airflow_hpt.domain.space import CategoricalRange, ContinuousRange, IntegerRange, Range
from airflow_hpt.domain.spec import TrainingSpec, TuningSpec, WarmStartType
from airflow_hpt.domain.states import TuningState

CHANGE_LIMIT = 10
FREE_PREFIXES = ("sagemaker_", "_")  # bookkeeping of clients and of the service, which changes from run to run
FIXED_MEMBERS = (
    "Environment",
    "RetryStrategy",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "HyperParameterTuningResourceConfig",
)
KINDS: Mapping[type, str] = {ContinuousRange: "continuous", IntegerRange: "integer", CategoricalRange: "categorical"}
NAMES_DIFFER = (
    "The set of tunable plus static HyperParameter names is not the same across current and parent tuning jobs. Please "
    "ensure this set is constant when warm starting. Note that previously static HyperParameters can be tuned in warm "
    "start jobs and vice versa."
)
FIELDS_DIFFER = (
    "Only the following fields in TrainingJobDefinition are allowed to change: [algorithmSpecification, "
    "inputDataConfig, outputDataConfig, staticHyperParameters, roleArn, resourceConfig, stoppingCondition, vpcConfig, "
    "enableManagedSpotTraining, checkpointConfig]."
)


@dataclass(frozen=True, slots=True)
class ParentJob:
    """What the rules need to know of a parent; `status` is the API's HyperParameterTuningJobStatus."""

    name: str
    status: str
    spec: TuningSpec
    training_jobs: int


def unfitness(spec: TuningSpec, parent: ParentJob, kind: WarmStartType | None) -> str | None:
    """Return the first reason why `parent` cannot be a parent of `spec`, or None; no `kind`: whatever the type is."""
    rules = COMMON_RULES + (IDENTICAL_RULES if kind is WarmStartType.IDENTICAL else ())
    return _first(rules, spec, parent)


def data_or_algorithm_change(spec: TuningSpec, parent: ParentJob) -> str | None:
    """Return how image or input data differ from those of `parent`, or None when they are the same."""
    return _first(IDENTICAL_RULES, spec, parent)


def count_changes(new: TrainingSpec, old: TrainingSpec) -> dict[str, int]:
    """Return what each hyperparameter contributes to the number of changes between a parent and a new tuning job.

    Tunable made static costs 1, or the number of values for a categorical one. Another static value costs 1, or 2 when
    either value is not a number. Static made tunable and changed ranges cost nothing.
    """
    tunable = {each.name: each for each in old.space.ranges}
    names = [name for name in new.static if not name.startswith(FREE_PREFIXES)]
    made_static = {name: _cost(tunable[name]) for name in names if name in tunable}
    changed = {name: (old.static[name], new.static[name]) for name in names if name in old.static}
    other_value = {name: 1 if all(map(_is_number, pair)) else 2 for name, pair in changed.items() if pair[0] != pair[1]}
    return made_static | other_value


def _cost(of: Range) -> int:
    return len(of.values) if isinstance(of, CategoricalRange) else 1


def _is_number(text: str) -> bool:
    return parse_real(text) is not None


def _first(rules: Sequence["Rule"], spec: TuningSpec, parent: ParentJob) -> str | None:
    return next((reason for rule in rules if (reason := rule(spec, parent))), None)


def _other(spec: TuningSpec, parent: ParentJob) -> str | None:
    return f"{spec.name} cannot be its own parent; list another tuning job." if parent.name == spec.name else None


def _ended(spec: TuningSpec, parent: ParentJob) -> str | None:
    states = [state.value for state in TuningState if state.is_terminal]
    if parent.status in states:
        return None
    return f"Parent tuning job {parent.name} is {parent.status}; a parent must be {', '.join(states)}. Wait or stop it."


def _single(spec: TuningSpec, parent: ParentJob) -> str | None:
    if not (spec.is_multiple or parent.spec.is_multiple):
        return None
    return f"Warm start from {parent.name} needs one TrainingJobDefinition on both sides, not TrainingJobDefinitions."


def _objective(spec: TuningSpec, parent: ParentJob) -> str | None:
    new, old = (each.definitions[0].objective for each in (spec, parent.spec))
    if new == old:
        return None
    return (
        f"The objective must be that of the parents. {parent.name} has {old.kind} {old.metric!r}, but the new tuning "
        f"job has {new.kind} {new.metric!r}."
    )


def _names(spec: TuningSpec, parent: ParentJob) -> str | None:
    new, old = ({*each.definitions[0].static, *each.definitions[0].space.names} for each in (spec, parent.spec))
    if new == old:
        return None
    advice = []
    if missing := sorted(old - new):
        advice.append(f"add {missing}, as static hyperparameters or ranges")
    if added := sorted(new - old):
        advice.append(f"take out {added}")
    return f"{NAMES_DIFFER} To match {parent.name}: {'; '.join(advice)}."


def _kinds(spec: TuningSpec, parent: ParentJob) -> str | None:
    new, old = ({each.name: KINDS[type(each)] for each in s.definitions[0].space.ranges} for s in (spec, parent.spec))
    changed = [
        f"{name} from {old[name]} to {new[name]}" for name in sorted(old.keys() & new.keys()) if old[name] != new[name]
    ]
    if not changed:
        return None
    return (
        f"A hyperparameter must stay of its kind while it is tuned. Compared with {parent.name}, the new tuning job "
        f"changes {', '.join(changed)}; give ranges of the parent's kind."
    )


def _changes(spec: TuningSpec, parent: ParentJob) -> str | None:
    costs = count_changes(spec.definitions[0], parent.spec.definitions[0])
    if (total := sum(costs.values())) <= CHANGE_LIMIT:
        return None
    listed = ", ".join(f"{name} {cost}" for name, cost in costs.items())
    return (
        f"Compared with {parent.name}, static hyperparameters bring {total} changes ({listed}); at most {CHANGE_LIMIT} "
        "are allowed. Tune some of them, or keep the parent's values."
    )


def _fixed_members(spec: TuningSpec, parent: ParentJob) -> str | None:
    new, old = (_fixed(each.definitions[0].definition) for each in (spec, parent.spec))
    differing = [
        f"{name} is {_shown(new, name)}, was {_shown(old, name)}" for name in FIXED_MEMBERS if new[name] != old[name]
    ]
    if not differing:
        return None
    return f"{FIELDS_DIFFER} Compared with {parent.name}: {'; '.join(differing)}. Use the parent's."


def _fixed(definition: Mapping[str, Any]) -> dict[str, Any]:
    fixed = {name: definition.get(name) or None for name in FIXED_MEMBERS}
    instances = (fixed["HyperParameterTuningResourceConfig"] or {}).get("InstanceConfigs") or ()
    if len(instances) == 1:  # the service turns a single one into a plain ResourceConfig
        fixed["HyperParameterTuningResourceConfig"] = None
    return fixed


def _shown(fixed: Mapping[str, Any], name: str) -> str:
    return "absent" if fixed[name] is None else repr(fixed[name])


def _image(spec: TuningSpec, parent: ParentJob) -> str | None:
    new, old = (_algorithm(each) for each in (spec, parent.spec))
    if new == old:
        return None
    return (
        f"The training image changed: {parent.name} used {old}, the new tuning job uses {new}. "
        f"{WarmStartType.IDENTICAL} needs the same image (another tag may do); {WarmStartType.TRANSFER} does not."
    )


def _algorithm(spec: TuningSpec) -> str:
    algorithm = spec.definitions[0].definition["AlgorithmSpecification"]
    image = str(algorithm.get("TrainingImage") or algorithm.get("AlgorithmName"))
    host, slash, repository = image.rpartition("/")
    return host + slash + repository.partition("@")[0].partition(":")[0]


def _data(spec: TuningSpec, parent: ParentJob) -> str | None:
    new, old = (_sources(each) for each in (spec, parent.spec))
    changed = [
        f"{name} from {old.get(name, 'absent')} to {new.get(name, 'absent')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if not changed:
        return None
    return (
        f"The input data differ from those of {parent.name}: channel {', '.join(changed)}. {WarmStartType.IDENTICAL} "
        f"needs the same data; {WarmStartType.TRANSFER} does not."
    )


def _sources(spec: TuningSpec) -> dict[str, str]:
    channels = spec.definitions[0].definition.get("InputDataConfig") or ()
    return {channel["ChannelName"]: _location(channel["DataSource"]) for channel in channels}


def _location(source: Mapping[str, Any]) -> str:
    s3 = source.get("S3DataSource")
    return str(s3["S3Uri"]).rstrip("/") if s3 else repr(dict(source))


Rule: TypeAlias = Callable[[TuningSpec, ParentJob], str | None]

COMMON_RULES: tuple[Rule, ...] = (_other, _ended, _single, _objective, _names, _kinds, _changes, _fixed_members)
IDENTICAL_RULES: tuple[Rule, ...] = (_image, _data)

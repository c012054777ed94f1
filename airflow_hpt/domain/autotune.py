"""Autotune: filling in what such a request leaves to the service.

AWS does not publish how it chooses. The rules here are airflow-hpt's own: a positive hint v spans v/10 to 10 v on a
logarithmic scale, a negative one 10 v to v/10, zero spans 0 to 1 (whole numbers when the hint is one), and a hint that
is not a number stays static. The budget is 20 training jobs per tunable hyperparameter, at most 100 and at most what
the ranges allow, and the tuning job completes on convergence.
"""

from collections.abc import Mapping
from typing import Any

from airflow_hpt.domain.fields import Fields
from airflow_hpt.domain.ranges import NAME_LENGTH, parse_real, parse_space, parse_whole

JOBS_PER_HYPERPARAMETER = 20
MOST_JOBS = 100
AUTO_LIMIT = 100

Members = dict[str, Any]


def filled(request: Mapping[str, Any]) -> Members:
    """Return a request with ranges, budget and convergence filled in when it asks for Autotune; else as it is."""
    top = Fields(request)
    if "Autotune" not in top:
        return dict(request)
    if top.structure("Autotune").raw("Mode") != "Enabled":
        top.structure("Autotune").refuse("Mode", "must be Enabled; leave Autotune out to do without it.")
    config = top.structure("HyperParameterTuningJobConfig")
    if "TrainingJobDefinitions" in top:
        definitions = [_with_own_ranges(each) for each in top.structures("TrainingJobDefinitions", limit=10)]
        ranges = [each["HyperParameterRanges"] for each in definitions]
        return {
            **request,
            "TrainingJobDefinitions": definitions,
            "HyperParameterTuningJobConfig": _config(config, ranges),
        }
    derived, definition = _derive(config.optional("ParameterRanges"), top.structure("TrainingJobDefinition"))
    changed = {**_config(config, [derived]), "ParameterRanges": derived}
    return {**request, "TrainingJobDefinition": definition, "HyperParameterTuningJobConfig": changed}


def _with_own_ranges(definition: Fields) -> Members:
    derived, changed = _derive(definition.optional("HyperParameterRanges"), definition)
    return {**changed, "HyperParameterRanges": derived}


def _derive(ranges: Fields, definition: Fields) -> tuple[Members, Members]:
    """Return the ranges and the definition with every AutoParameter turned into a range or a static value."""
    static = definition.text_map("StaticHyperParameters", limit=100, key=NAME_LENGTH, value=2500)
    derived = {name: value for name, value in ranges.members().items() if name != "AutoParameters"}
    for auto in ranges.structures("AutoParameters", limit=AUTO_LIMIT):
        name, hint = auto.text("Name", limit=NAME_LENGTH), auto.text("ValueHint", limit=NAME_LENGTH)
        static.pop(name, None)
        if parse_real(hint) is None:
            static[name] = hint
        else:
            kind, span = _span(hint)
            derived[kind] = [*Fields(derived, ranges.path).items(kind, limit=AUTO_LIMIT), {"Name": name, **span}]
    return derived, {**definition.members(), "StaticHyperParameters": static}


def _span(hint: str) -> tuple[str, Members]:
    whole, real = parse_whole(hint), float(hint)
    scaling = "Logarithmic" if real > 0 else "Linear"
    if whole is not None:
        tenth = max(abs(whole) // 10, 1)
        low, high = sorted((tenth if whole > 0 else -tenth, whole * 10)) if whole else (0, 1)
        return "IntegerParameterRanges", {"MinValue": str(low), "MaxValue": str(high), "ScalingType": scaling}
    ends = sorted((real / 10, real * 10)) if real else (0.0, 1.0)
    return "ContinuousParameterRanges", {
        "MinValue": repr(ends[0]),
        "MaxValue": repr(ends[1]),
        "ScalingType": scaling,
    }


def _config(config: Fields, ranges: list[Members]) -> Members:
    changed = config.members()
    limits = config.structure("ResourceLimits").members()
    spaces = [parse_space(Fields(each, "ParameterRanges")) for each in ranges]
    if limits.get("MaxNumberOfTrainingJobs") is None and changed.get("Strategy") != "Grid":
        wanted = JOBS_PER_HYPERPARAMETER * sum(len(space.ranges) for space in spaces)
        limits["MaxNumberOfTrainingJobs"] = int(max(min(wanted, MOST_JOBS, sum(space.size for space in spaces)), 1))
    convergence = {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}
    criteria = config.optional("TuningJobCompletionCriteria").members() or convergence
    return {**changed, "ResourceLimits": limits, "TuningJobCompletionCriteria": criteria}

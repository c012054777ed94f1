"""Warm start: checking the parents of a new tuning job, choosing among candidates, and the type that fits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_hpt.domain.description import request_from_description
from airflow_hpt.domain.parent_rules import ParentJob, data_or_algorithm_change, unfitness
from airflow_hpt.domain.request import PARENT_LIMIT, parse_request
from airflow_hpt.domain.rules import total_quota
from airflow_hpt.domain.spec import TuningSpec, WarmStartType
from airflow_hpt.errors import InvalidRequest, LimitExceeded


def parent_from_description(describe: Mapping[str, Any]) -> ParentJob:
    """Return a parent as the answer of DescribeHyperParameterTuningJob shows it."""
    counters = describe.get("TrainingJobStatusCounters") or {}
    spec = parse_request(request_from_description(describe))
    return ParentJob(spec.name, describe["HyperParameterTuningJobStatus"], spec, sum(counters.values()))


def check_parents(spec: TuningSpec, parents: Iterable[ParentJob]) -> None:
    """Raise InvalidRequest or LimitExceeded when a tuning job cannot be warm-started from the parents it names."""
    if spec.warm_start is None:
        return
    known = {parent.name: parent for parent in parents}
    for name in spec.warm_start.parents:
        if name not in known:
            raise InvalidRequest(
                f"Amazon SageMaker can't find a tuning job called {name}. Type another name. It is listed as a parent."
            )
        if reason := unfitness(spec, known[name], spec.warm_start.kind):
            raise InvalidRequest(reason)
    count = sum(known[name].training_jobs for name in spec.warm_start.parents)
    if count > (room := _room_for_parents(spec)):
        raise LimitExceeded(
            f"The parents have {count} training jobs, which count together with the {spec.limits.total} of the new "
            f"tuning job; only {total_quota(spec.strategy)} are allowed in all. List parents with at most {room} "
            "training jobs, or lower MaxNumberOfTrainingJobs."
        )


def usable_parents(
    spec: TuningSpec, candidates: Sequence[ParentJob], *, kind: WarmStartType | None = None
) -> tuple[list[ParentJob], list[tuple[str, str]]]:
    """Return the candidates that `spec` can be warm-started from, and the name of each other one with the reason.

    Earlier candidates are preferred where the number of parents or of training jobs is limited. Without a `kind` only
    the rules that both types share are applied.
    """
    kept: list[ParentJob] = []
    dropped: list[tuple[str, str]] = []
    room = _room_for_parents(spec)
    for parent in {each.name: each for each in candidates}.values():
        reason = unfitness(spec, parent, kind) or _surplus(parent, kept, room)
        if reason:
            dropped.append((parent.name, reason))
        else:
            kept.append(parent)
            room -= parent.training_jobs
    return kept, dropped


def fitting_type(
    spec: TuningSpec, parents: Sequence[ParentJob], *, changed_data: str | None = None
) -> tuple[WarmStartType, str]:
    """Return the type of warm start that fits, and why.

    The identical type fits when image and input data are those of every parent. `changed_data` says in words why the
    content of the data may differ although it lies in the same place; None when it does not.
    """
    if changed_data:
        return WarmStartType.TRANSFER, changed_data
    for parent in parents:
        if reason := data_or_algorithm_change(spec, parent):
            return WarmStartType.TRANSFER, reason
    names = ", ".join(parent.name for parent in parents)
    return WarmStartType.IDENTICAL, f"Training image and input data are those of {names}."


def _room_for_parents(spec: TuningSpec) -> int:
    return total_quota(spec.strategy) - spec.limits.total


def _surplus(parent: ParentJob, kept: Sequence[ParentJob], room: int) -> str | None:
    if len(kept) == PARENT_LIMIT:
        return f"A tuning job has at most {PARENT_LIMIT} parents, and {kept[0].name} and others come first."
    if parent.training_jobs > room:
        return f"{parent.name} has {parent.training_jobs} training jobs, but the quota leaves room for {room} only."
    return None

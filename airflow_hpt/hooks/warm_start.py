"""Builds the request of a warm start: parents chosen, type chosen, every rule checked before SageMaker is asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_hpt.domain.inheritance import inherit
from airflow_hpt.domain.parent_rules import ParentJob
from airflow_hpt.domain.request import parse_request
from airflow_hpt.domain.spec import TuningSpec, WarmStartType
from airflow_hpt.domain.warm_start import check_parents, fitting_type, parent_from_description, usable_parents
from airflow_hpt.errors import InvalidRequest, NotFound
from airflow_hpt.hooks.data_tags import fingerprint_if_readable, fingerprint_of, with_fingerprint
from airflow_hpt.hooks.identity import DATA_TAG, REASON_TAG, with_tags
from airflow_hpt.hooks.narrowing import narrowed
from airflow_hpt.hooks.parents import parent_names
from airflow_hpt.hooks.policies import OnNoParents, ParentsPolicy
from airflow_hpt.hooks.requests import mapping, typed_request
from airflow_hpt.hooks.tuning import TuningHook

logger = logging.getLogger(__name__)

AUTO = "auto"
LABELS = {
    "IDENTICAL_DATA_AND_ALGORITHM": WarmStartType.IDENTICAL,
    "TRANSFER_LEARNING": WarmStartType.TRANSFER,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a task says about its warm start, as rendered."""

    config: Any
    overrides: Any
    parents: Any
    warm_start_type: str
    parents_policy: ParentsPolicy
    on_no_parents: OnNoParents
    narrow_ranges: float | None
    data_fingerprint: Any
    own_tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tuning job that may become a parent."""

    job: ParentJob
    description: Mapping[str, Any]
    fingerprint: str | None

    @property
    def best(self) -> Mapping[str, str]:
        """Return the tuned hyperparameters of the best training job, none if there is none."""
        tuned: Mapping[str, str] = self.description.get("BestTrainingJob", {}).get("TunedHyperParameters", {})
        return tuned


def warm_request(hook: TuningHook, wish: Wish) -> dict[str, Any]:
    """Return the request of a warm start, or of a cold one when that is accepted in want of parents."""
    kind = warm_start_type(wish.warm_start_type)
    names = parent_names(hook, wish.parents, own=wish.own_tags)
    candidates = _candidates(hook, names, wish.parents_policy)
    request = typed_request(hook, _base(wish, candidates))
    fingerprint, doubt = fingerprint_of(hook, wish.data_fingerprint, request), None
    if fingerprint is None and kind is None:
        fingerprint, doubt = fingerprint_if_readable(hook, request)
    request = with_fingerprint(request, fingerprint)
    spec = parse_request({**request, "HyperParameterTuningJobName": "new"})
    if wish.parents_policy is ParentsPolicy.DROP:
        candidates = _usable(spec, candidates, kind)
    if not candidates:
        return _cold(request, wish)
    jobs = [each.job for each in candidates]
    if wish.narrow_ranges is not None:
        request = narrowed(request, [each.best for each in candidates], keep=wish.narrow_ranges)
    reason = "It was asked for."
    if kind is None:
        kind, reason = fitting_type(spec, jobs, changed_data=doubt or _changed_data(candidates, fingerprint))
    logger.info("Warm start %s from %s: %s", kind, ", ".join(job.name for job in jobs), reason)
    request = with_tags({**request, "WarmStartConfig": _warm_start_config(jobs, kind)}, {REASON_TAG: reason})
    check_parents(parse_request({**request, "HyperParameterTuningJobName": "new"}), jobs)
    return request


def warm_start_type(label: Any) -> WarmStartType | None:
    """Return the type that a label of the documentation or a value of the API means; None when it is to be chosen."""
    if label == AUTO:
        return None
    try:
        return LABELS.get(str(label)) or WarmStartType(label)
    except ValueError:
        known = ", ".join(map(repr, (AUTO, *map(str, WarmStartType))))
        raise InvalidRequest(f"warm_start_type is {label!r}; it is one of {known}.") from None


def _candidates(hook: TuningHook, names: Sequence[str], policy: ParentsPolicy) -> list[Candidate]:
    found = []
    for name in names:
        try:
            description = hook.describe(name)
        except NotFound as error:
            if policy is ParentsPolicy.FAIL:
                raise InvalidRequest(
                    f"There is no tuning job {name} in region {hook.region}, so it cannot be a parent ({error})"
                ) from error
            logger.warning("%s is left out of the parents: there is no such tuning job in %s.", name, hook.region)
            continue
        tags = hook.tags(description["HyperParameterTuningJobArn"])
        found.append(Candidate(parent_from_description(description), description, tags.get(DATA_TAG)))
    return found


def _base(wish: Wish, candidates: Sequence[Candidate]) -> Mapping[str, Any]:
    """Return the request without its parents: given, or that of the first parent, with the overrides on top."""
    overrides = mapping(wish.overrides, "overrides") if wish.overrides else {}
    if wish.config:
        given = mapping(wish.config, "config")
        return inherit(given, overrides) if overrides else given
    if not candidates:
        raise InvalidRequest(
            f"There are no parents ({wish.parents!r}) to inherit the request from. Pass `config`, from which the first"
            " tuning job of a lineage can start."
        )
    return inherit(candidates[0].description, overrides)


def _usable(spec: TuningSpec, candidates: Sequence[Candidate], kind: WarmStartType | None) -> list[Candidate]:
    kept, dropped = usable_parents(spec, [each.job for each in candidates], kind=kind)
    for name, reason in dropped:
        logger.warning("%s is left out of the parents: %s", name, reason)
    names = [job.name for job in kept]
    return [each for each in candidates if each.job.name in names]


def _cold(request: dict[str, Any], wish: Wish) -> dict[str, Any]:
    if wish.on_no_parents is OnNoParents.FAIL:
        raise InvalidRequest(
            f"There is no usable parent to start from (parents={wish.parents!r}). Run a baseline tuning job first, or"
            f" accept a cold start with on_no_parents={OnNoParents.COLD.value!r}."
        )
    reason = "Cold start: there is no usable parent yet."
    logger.info("%s", reason)
    return with_tags(request, {REASON_TAG: reason})


def _changed_data(candidates: Sequence[Candidate], fingerprint: str | None) -> str | None:
    if fingerprint is None:
        return None
    for each in candidates:
        if each.fingerprint is None:
            return f"It is not known what data {each.job.name} saw."
        if each.fingerprint != fingerprint:
            return f"The input data changed: {each.job.name} saw {each.fingerprint}, now it is {fingerprint}."
    return None


def _warm_start_config(parents: Sequence[ParentJob], kind: WarmStartType) -> dict[str, Any]:
    return {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent.name} for parent in parents],
        "WarmStartType": kind.value,
    }

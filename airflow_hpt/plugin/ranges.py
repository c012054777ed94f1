"""The ranges of a tuning job, each with where the tried values lie on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_hpt.domain.fields import Fields
from airflow_hpt.domain.ranges import parse_space
from airflow_hpt.domain.space import CategoricalRange, IntegerRange, NumericRange
from airflow_hpt.domain.space import Range as DomainRange
from airflow_hpt.errors import InvalidRequest
from airflow_hpt.plugin.records import Range, TrainingJob

MARGIN = 0.01  # the share of a range at either end that counts as its end


def ranges_of(
    description: Mapping[str, Any], trainings: Sequence[TrainingJob], best: TrainingJob | None
) -> tuple[Range, ...]:
    """Return the ranges of a described tuning job in the order of its definitions."""
    return tuple(
        _shown(each, definition, trainings, best)
        for definition, members in _by_definition(description)
        for each in _parsed(members)
    )


def _by_definition(description: Mapping[str, Any]) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    for definition in description.get("TrainingJobDefinitions") or ():
        yield definition.get("DefinitionName"), definition.get("HyperParameterRanges") or {}
    if ranges := description["HyperParameterTuningJobConfig"].get("ParameterRanges"):
        yield None, ranges


def _parsed(members: Mapping[str, Any]) -> tuple[DomainRange, ...]:
    try:
        return parse_space(Fields({key: value for key, value in members.items() if value})).ranges
    except InvalidRequest:  # SageMaker may come to allow what this package does not know
        return ()


def _shown(
    of: DomainRange, definition: str | None, trainings: Sequence[TrainingJob], best: TrainingJob | None
) -> Range:
    tried = [each for each in trainings if each.definition == definition]
    place = _place(of, best) if best is not None and best.definition == definition else None
    return Range(
        name=of.name,
        definition=definition,
        kind=_kind(of),
        text=_text(of),
        scaling=of.resolved.value if isinstance(of, NumericRange) else "",
        tried=tuple(place for each in tried if (place := _place(of, each)) is not None),
        best=place,
        is_best_at_an_end=place is not None and _is_at_an_end(of, place),
    )


def _kind(of: DomainRange) -> str:
    return {CategoricalRange: "categorical", IntegerRange: "integer"}.get(type(of), "continuous")


def _text(of: DomainRange) -> str:
    return ", ".join(of.values) if isinstance(of, CategoricalRange) else f"{of.low:g} to {of.high:g}"


def _place(of: DomainRange, training: TrainingJob) -> float | None:
    """Return where a training job's value lies on a range, None if it lies on none of it."""
    value = training.hyperparameters.get(of.name)
    try:
        unit = of.to_unit(value) if value is not None else math.nan
    except ValueError:
        return None
    return unit if 0 <= unit <= 1 else None


def _is_at_an_end(of: DomainRange, place: float) -> bool:
    if isinstance(of, IntegerRange):
        return of.size > 2 and of.from_unit(place) in (of.low, of.high)
    return not isinstance(of, CategoricalRange) and not MARGIN <= place <= 1 - MARGIN

"""Geometry of the figures: values in, coordinates out; the templates draw them.

x runs to the right from 0 to WIDTH, y downwards from 0 to HEIGHT, in units of the drawing. A value that is far worse
than most would flatten all others, so the scale ends before it and the mark lies on the edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from airflow_hpt.plugin.records import TrainingJob, TuningJob

WIDTH, HEIGHT = 1160, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 20, 28
TICKS = 5
OUTLYING = 4.0  # times the spread of the better three quarters


@dataclass(frozen=True, slots=True)
class Mark:
    """One job. `link` leads to its page; `is_cut` says that its value lies beyond the scale."""

    x: float
    y: float
    kind: str
    label: str
    link: str = ""
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure. `steps` is the best so far, `reference` what there was to beat; `lines` join marks."""

    marks: tuple[Mark, ...]
    steps: str
    lines: tuple[tuple[float, float, float, float], ...]
    reference: Tick | None
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    summary: str

    width: ClassVar[int] = WIDTH
    height: ClassVar[int] = HEIGHT
    left: ClassVar[int] = LEFT
    right: ClassVar[int] = WIDTH - RIGHT


@dataclass(frozen=True, slots=True)
class Scale:
    """A map from values to y; larger values lie higher."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float], *, maximize: bool) -> Scale:
        """Return the scale that shows all values but those that are far worse than most."""
        ordered = sorted(values, reverse=maximize)
        best, quarters = ordered[0], ordered[(3 * len(ordered)) // 4]
        reach = OUTLYING * abs(quarters - best)
        worst = ordered[-1]
        if len(ordered) > 3 and 0 < reach < abs(worst - best):
            worst = max(best - reach, worst) if maximize else min(best + reach, worst)
        low, high = min(best, worst), max(best, worst)
        room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
        return cls(low - room, high + room)

    def y(self, value: float) -> float:
        """Return the place of a value, the edge for one beyond the scale."""
        share = (value - self.low) / (self.high - self.low)
        return round(TOP + (1 - min(max(share, 0.0), 1.0)) * (HEIGHT - TOP - BOTTOM), 1)

    def is_beyond(self, value: float) -> bool:
        """Say whether a value lies outside of the scale."""
        return not self.low <= value <= self.high

    def ticks(self) -> Iterator[Tick]:
        """Yield round numbers within the scale."""
        step = _round_step((self.high - self.low) / TICKS)
        digits = max(0, -math.floor(math.log10(step)))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        for count in range(first, last + 1):
            value = count * step
            text = f"{value:.{digits}f}" if digits <= 6 and abs(value) < 1e6 else f"{value:.3g}"
            yield Tick(self.y(value), text)


def training_chart(trainings: Sequence[TrainingJob], *, maximize: bool, to_beat: float | None) -> Chart | None:
    """Return the objective over the training jobs of one tuning job; None before there is a first one."""
    scored = [each for each in trainings if each.objective is not None]
    values = [each.objective for each in scored if each.objective is not None]
    if not values:
        return None
    scale = Scale.over([*values, *([to_beat] if to_beat is not None else ())], maximize=maximize)
    places = dict(zip((each.name for each in trainings), _across(len(trainings)), strict=True))
    marks = []
    for each in trainings:
        label = f"{each.number}. {each.name}: {each.status}"
        if each.objective is None:
            if each.status not in ("InProgress", "Stopping"):
                marks.append(Mark(places[each.name], HEIGHT - BOTTOM, "failed", f"{label}, no objective"))
            continue
        text = f"{label}, {each.objective:.6g}"
        kind, is_cut = each.status.lower(), scale.is_beyond(each.objective)
        marks.append(Mark(places[each.name], scale.y(each.objective), kind, text, is_cut=is_cut))
    best = max(values) if maximize else min(values)
    return Chart(
        marks=tuple(marks),
        steps=_steps([(places[each.name], each.objective or 0.0) for each in scored], scale, maximize=maximize),
        lines=(),
        reference=None if to_beat is None else Tick(scale.y(to_beat), f"parents' best {to_beat:.6g}"),
        across=_numbered(len(trainings)),
        up=tuple(scale.ticks()),
        summary=f"{len(values)} of {len(trainings)} training jobs have an objective; the best is {best:.6g}.",
    )


def lineage_chart(jobs: Sequence[TuningJob], links: Sequence[str]) -> Chart | None:
    """Return the best objective of every tuning job of a lineage, the oldest first; None if there is none."""
    scored = [(job, link) for job, link in zip(jobs, links, strict=True) if job.objective is not None]
    if not scored:
        return None
    maximize = scored[-1][0].maximize
    values = [job.objective for job, _ in scored if job.objective is not None]
    scale = Scale.over(values, maximize=maximize)
    spots = {}
    marks = []
    for x, (job, link) in zip(_across(len(scored)), scored, strict=True):
        value = job.objective or 0.0
        spots[job.name] = (x, scale.y(value))
        label = f"{job.name}: {job.status}, {job.metric} {value:.6g}, {job.created_at:%Y-%m-%d %H:%M}"
        marks.append(Mark(*spots[job.name], job.status.lower(), label, link, scale.is_beyond(value)))
    lines = [(*spots[parent], *spots[job.name]) for job, _ in scored for parent in job.parents if parent in spots]
    best = max(values) if maximize else min(values)
    return Chart(
        marks=tuple(marks),
        steps=_steps([(spots[job.name][0], job.objective or 0.0) for job, _ in scored], scale, maximize=maximize),
        lines=tuple(lines),
        reference=None,
        across=_dated([job for job, _ in scored]),
        up=tuple(scale.ticks()),
        summary=f"{len(values)} tuning jobs have found something; the best objective is {best:.6g}.",
    )


def _across(count: int) -> list[float]:
    """Return `count` places from left to right."""
    room = WIDTH - LEFT - RIGHT
    return [round(LEFT + room * (index + 0.5) / count, 1) for index in range(count)]


def _steps(points: Iterable[tuple[float, float]], scale: Scale, *, maximize: bool) -> str:
    """Return the line of the best value so far, as the points of a polyline."""
    corners: list[tuple[float, float]] = []
    best: float | None = None
    for x, value in points:
        if best is not None:
            corners.append((x, scale.y(best)))
        if best is None or (value > best if maximize else value < best):
            best = value
            corners.append((x, scale.y(best)))
    if best is not None:
        corners.append((WIDTH - RIGHT, scale.y(best)))
    return " ".join(f"{x:g},{y:g}" for x, y in corners)


def _numbered(count: int) -> tuple[Tick, ...]:
    step = max(1, round(_round_step(count / TICKS)))
    places = _across(count)
    return tuple(Tick(places[number - 1], str(number)) for number in range(step, count + 1, step))


def _dated(jobs: Sequence[TuningJob]) -> tuple[Tick, ...]:
    places = _across(len(jobs))
    shown = sorted({round(index * (len(jobs) - 1) / (TICKS - 1)) for index in range(TICKS)})
    return tuple(Tick(places[index], f"{jobs[index].created_at:%d %b %Y}") for index in shown)


def _round_step(step: float) -> float:
    """Return the next number of the kind 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= step * (1 - 1e-9))

"""Metrics: regular expressions applied to the lines that a training job prints.

SageMaker searches every line for every regex and reads the first group as a number; what is not a number is ignored.
Log transport turns tabs into `#011`, and the definitions of built-in algorithms count on that, so a line is searched as
it is and, if that finds nothing, with tabs replaced. Values are rounded to single precision, as the API does.

Values that a single-precision number or JSON cannot hold (NaN, infinities, magnitudes from 3.4e38 on) are ignored like
text: a training job that prints nothing else has no objective. A line that redraws itself with carriage returns (a
progress bar) counts as several lines. Of each, only the first `LINE_LIMIT` characters are searched, because the time of
a backtracking regex may grow with a power of the length.
"""

import math
import re
import struct
import warnings
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from airflow_hpt.domain.spec import OBJECTIVE_METRIC, TrainingSpec

LINE_LIMIT = 4096


class Found(Protocol):
    """What a regex found in a line."""

    def __getitem__(self, group: int, /) -> str | None: ...


class Pattern(Protocol):
    """A compiled regex."""

    def search(self, line: str, /) -> Found | None:
        """Return the first match in `line`, or None."""
        ...


Metric: TypeAlias = tuple[str, Pattern]


def compile_regex(regex: str) -> re.Pattern[str]:
    """Return the compiled regex; raise ValueError when it is not valid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd but valid, e.g. "[[0-9]"
            return re.compile(regex)
    except (re.error, OverflowError, RecursionError) as fault:
        raise ValueError(str(fault)) from fault


def compile_metrics(
    training: TrainingSpec, *, compile_pattern: Callable[[str], Pattern] = compile_regex
) -> tuple[Metric, ...]:
    """Return the metrics to look for in the log, `ObjectiveMetric` (the objective under its second name) last."""
    found = [(each.name, each.regex) for each in training.metrics if each.name != OBJECTIVE_METRIC]
    aims = [(OBJECTIVE_METRIC, each.regex) for each in training.metrics if each.name == training.objective.metric]
    return tuple((name, compile_pattern(regex)) for name, regex in (*found, *aims))


def emissions(line: str, metrics: Sequence[Metric]) -> list[tuple[str, float]]:
    """Return the metric values that one line of the log emits, in order."""
    segments = [segment[:LINE_LIMIT] for segment in line.split("\r")]
    found = ((name, _value(segment, pattern)) for segment in segments for name, pattern in metrics)
    return [(name, value) for name, value in found if value is not None]


def single_precision(value: float) -> float:
    """Return the nearest single-precision number; an infinity when it is out of range."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _value(segment: str, pattern: Pattern) -> float | None:
    match = pattern.search(segment)
    if match is None and "\t" in segment:
        match = pattern.search(segment.replace("\t", "#011"))
    try:
        value = single_precision(float(match[1] or "")) if match else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None

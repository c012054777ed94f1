"""The properties of a tuning job that Search filters and sorts by."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from airflow_hpt.domain.records import TuningJob
from airflow_hpt.errors import InvalidRequest
from airflow_hpt.local.service.views import Members, tag_list, tuning_heading

TAGS = "Tags"
NAMES = (
    "HyperParameterTuningJobName",
    "HyperParameterTuningJobArn",
    "HyperParameterTuningJobConfig",
    "TrainingJobDefinition",
    "TrainingJobDefinitions",
    "HyperParameterTuningJobStatus",
    "CreationTime",
    "HyperParameterTuningEndTime",
    "LastModifiedTime",
    "TrainingJobStatusCounters",
    "ObjectiveStatusCounters",
    "BestTrainingJob",
    "OverallBestTrainingJob",
    "WarmStartConfig",
    "FailureReason",
    "TuningJobCompletionDetails",
    "ConsumedResources",
    TAGS,
)


class Entity:
    """A tuning job under search: its tags and heading are at hand, its description is made when a filter needs it."""

    def __init__(self, job: TuningJob, *, region: str, describe: Callable[[TuningJob], Members]) -> None:
        self.job = job
        self._heading = tuning_heading(job, region=region)
        self._describe = describe

    @cached_property
    def members(self) -> Members:
        """Return the whole entity as Search shows it."""
        described = {**self._describe(self.job), TAGS: tag_list(self.job.tags)}
        return {name: described.get(name) for name in NAMES}

    def values(self, name: str) -> list[Any]:
        """Return what lies at a dotted property name: nothing, one value, or one for each member of a list."""
        head, _, rest = name.partition(".")
        if head == TAGS:
            return [self.job.tags[rest]] if rest in self.job.tags else []
        return values_in(self._heading[head] if head in self._heading else self.members[head], rest)


def check_name(name: str) -> None:
    """Refuse a property that no tuning job has."""
    head, _, rest = name.partition(".")
    if head not in NAMES:
        raise InvalidRequest(
            f"Unknown property name: {name}. A tuning job has {', '.join(NAMES)}, and what is in them."
        )
    if head == TAGS and not rest:
        raise InvalidRequest("Unknown property name: Tags. Add the key of a tag, as in Tags.team.")


def compared(value: Any, text: str, *, name: str) -> Any:
    """Return `text` as the kind of value that `value` is, so that the two can be compared."""
    refuse_structure(value, name)
    try:
        if isinstance(value, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(value, datetime):
            return _moment(text)
        return float(text) if isinstance(value, int | float) else text
    except (KeyError, ValueError, OverflowError):
        kinds = {bool: "true or false", datetime: "an ISO 8601 time or seconds since the epoch"}
        kind = kinds.get(type(value), "a number")
        raise InvalidRequest(f"The filter on {name} compares with {text!r}, but that property is {kind}.") from None


def refuse_structure(value: Any, name: str) -> None:
    """Refuse to compare a property that is a structure."""
    if isinstance(value, Mapping):
        raise InvalidRequest(f"{name} is a structure; name one of its members: {', '.join(value)}.")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(float(text), UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def values_in(value: Any, path: str) -> list[Any]:
    """Return what lies at a dotted path within a value; a list contributes all its members."""
    return list(_reach(value, path))


def _reach(value: Any, path: str) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _reach(item, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping):
        if path in value:  # hyperparameters and environment variables may have dots in their names
            yield from _reach(value[path], "")
        else:
            head, _, rest = path.partition(".")
            if head in value:
                yield from _reach(value[head], rest)

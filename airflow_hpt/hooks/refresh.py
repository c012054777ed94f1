"""Notices that the data has changed since it was last tuned on, and says how; sensors and triggers do the waiting."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Protocol

from airflow_hpt.domain.fingerprint import Batch, Difference, Fingerprint, compare
from airflow_hpt.errors import InvalidRequest, NotFound, ObjectUnavailable
from airflow_hpt.hooks.data import DataHook, channels, check_location
from airflow_hpt.hooks.identity import DATA_TAG, text
from airflow_hpt.hooks.listings import Listings, Survey, survey
from airflow_hpt.hooks.parents import lineage_jobs
from airflow_hpt.hooks.policies import Policy
from airflow_hpt.hooks.tuning import Connected, TuningHook

logger = logging.getLogger(__name__)

RECENT_JOBS = 100  # how many of a lineage's latest tuning jobs are looked at for a fingerprint


class OnEmpty(Policy):
    """What it means that nothing lies in a location."""

    WAIT = "wait"  # it is just being replaced
    REPORT = "report"  # everything was removed
    FAIL = "fail"


class OnNoBaseline(Policy):
    """What it means that nothing is known to compare the data with."""

    REPORT = "report"  # the data is new
    WAIT = "wait"  # the data as it is now becomes the baseline
    FAIL = "fail"


class Watching(Connected, Protocol):
    """What a sensor or a trigger says about the refresh that it waits for."""

    inputs: Any
    lineage: str | None
    baseline: Any
    listings: str | None
    min_objects: int
    min_bytes: int
    min_fraction: float
    on_empty: str
    on_no_baseline: str
    examples: int


WATCHING = (*Connected.__annotations__, *Watching.__annotations__)


@dataclass(frozen=True, slots=True)
class Refresh:
    """A change that is reported if the data stays as it is."""

    seen: Survey
    report: dict[str, Any]


class RefreshWatch:
    """Looks at the data when it is told to.

    Raises InvalidRequest if the rendered fields of its owner are not what they must be. After `prepare`, or in a
    worker, every method may run in a thread.
    """

    def __init__(self, owner: Watching) -> None:
        self._owner = owner
        self._lineage = text(owner.lineage, "lineage")
        self._channels = channels(owner.inputs)
        self._given = fingerprint_in(owner.baseline)
        location = check_location(owner.listings, parameter="listings") if owner.listings else None
        uris = [channel.uri for channel in self._channels]
        self._is_all_local = not self._lineage and all(uri.startswith("file:") for uri in (*uris, location or "file:"))
        self.hook = TuningHook.of(owner)
        self._data = DataHook(self.hook)
        self._listings = Listings(self._data, location)
        self.reported: Fingerprint | None = None
        self._said = ""

    async def prepare(self) -> None:
        """Fetch the connection on the running event loop, if one is needed."""
        if not self._is_all_local:
            await self.hook.prepare()

    def look(self) -> Refresh | None:
        """Return what is to be reported if the data is still the same in a while."""
        seen = survey(self._data, self._channels)
        if seen.empty and self._is_put_off(seen):
            return None
        tagged = latest_fingerprint(self.hook, self._lineage) if self._lineage else None
        baseline = self.reported or self._given or tagged
        if seen.fingerprint in (baseline, tagged):
            self._listings.keep(seen)  # so that the next change can be described
            self._said = ""
            return None
        if baseline is None and self._is_first(seen):
            return None
        return self._refresh(seen, baseline)

    def confirm(self, refresh: Refresh) -> dict[str, Any] | None:
        """Return the report if the data has not changed again."""
        if survey(self._data, self._channels).fingerprint != refresh.seen.fingerprint:
            self._say("The data is still changing; it is reported when it has come to rest.")
            return None
        self._listings.keep(refresh.seen)
        self.reported = refresh.seen.fingerprint
        return {**refresh.report, "reported_at": _iso(datetime.now(UTC).timestamp())}

    def _is_put_off(self, seen: Survey) -> bool:
        where = ", ".join(channel.uri for channel in seen.empty)
        if self._owner.on_empty == OnEmpty.FAIL:
            raise ObjectUnavailable(f"There is no data in {where}. Wait for it with on_empty='wait'.")
        if self._owner.on_empty == OnEmpty.WAIT:
            self._say(f"There is no data in {where}; waiting for it.")
        return self._owner.on_empty == OnEmpty.WAIT

    def _is_first(self, seen: Survey) -> bool:
        if self._owner.on_no_baseline == OnNoBaseline.FAIL:
            raise NotFound(
                f"There is nothing to compare the data with: baseline is {self._owner.baseline!r}, and no tuning job of"
                f" lineage {self._lineage!r} is tagged {DATA_TAG}. Give the fingerprint of an earlier tuning"
                " result or refresh report, or take all data for new with on_no_baseline='report'."
            )
        if self._owner.on_no_baseline == OnNoBaseline.WAIT:
            self._say(f"Nothing was known of the data; from now on it is compared with {seen.fingerprint}.")
            self._listings.keep(seen)
            self.reported = seen.fingerprint
        return self._owner.on_no_baseline == OnNoBaseline.WAIT

    def _refresh(self, seen: Survey, baseline: Fingerprint | None) -> Refresh | None:
        before = self._listings.find(baseline) if baseline else ()
        difference = None if before is None else compare(before, seen.listing, examples=self._owner.examples)
        if not self._is_enough(difference, baseline or seen.fingerprint, seen.fingerprint):
            self._say(f"The data changed, but less than is asked for: {_words(difference, baseline, seen)}.")
            return None
        self._say(f"The data changed: {_words(difference, baseline, seen)}.")
        facts = {
            "inputs": {channel.name: channel.uri for channel in self._channels},
            "lineage": self._lineage,
            "change": "changed" if baseline else "first",
            "summary": _words(difference, baseline, seen),
            **_totals("", seen.fingerprint),
            **_totals("baseline_", baseline),
            "last_modified": _iso(seen.last_modified),
            "seen_at": _iso(datetime.now(UTC).timestamp()),
        }
        return Refresh(seen, {**facts, **_details(difference)})

    def _is_enough(self, difference: Difference | None, baseline: Fingerprint, now: Fingerprint) -> bool:
        # Without a listing of the baseline only the least that must have changed is known.
        objects = difference.objects if difference else abs(now.objects - baseline.objects)
        size = difference.bytes if difference else abs(now.bytes - baseline.bytes)
        least = max(self._owner.min_bytes, self._owner.min_fraction * baseline.bytes)
        return objects >= self._owner.min_objects and size >= least

    def _say(self, text: str) -> None:
        """Log what is news since the last look."""
        if text != self._said:
            logger.info("%s", text)
        self._said = text


def fingerprint_in(value: Any) -> Fingerprint | None:
    """Return the fingerprint in a rendered field: a fingerprint, a tuning result, a refresh report, or nothing."""
    if isinstance(value, Mapping) and value and "data_fingerprint" not in value:
        raise InvalidRequest(f"{value!r} has no data_fingerprint, as tuning results and refresh reports have.")
    found = value.get("data_fingerprint") if isinstance(value, Mapping) else value
    return None if found in (None, "", "None") else Fingerprint.parse(str(found))


def latest_fingerprint(hook: TuningHook, lineage: str) -> Fingerprint | None:
    """Return what the latest tuning job of a lineage is tagged with; jobs that failed have not learnt the data."""
    has_learnt = {"Name": "HyperParameterTuningJobStatus", "Operator": "NotEquals", "Value": "Failed"}
    for job in islice(lineage_jobs(hook, lineage, has_learnt), RECENT_JOBS):
        tags = {tag["Key"]: tag["Value"] for tag in job.get("Tags", ())}
        if DATA_TAG in tags:
            return Fingerprint.parse(tags[DATA_TAG])
    return None


def survey_request(hook: TuningHook, request: Mapping[str, Any]) -> Survey | None:
    """Look at the data that a CreateHyperParameterTuningJob request reads; return None if it reads none."""
    inputs = _inputs("", request.get("TrainingJobDefinition") or {})
    for definition in request.get("TrainingJobDefinitions") or ():
        inputs |= _inputs(f"{definition['DefinitionName']}/", definition)
    return survey(DataHook(hook), channels(inputs)) if inputs else None


def _inputs(prefix: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{each['ChannelName']}": each for each in definition.get("InputDataConfig") or ()}


def _words(difference: Difference | None, baseline: Fingerprint | None, seen: Survey) -> str:
    if difference is not None or baseline is None:
        return str(difference)
    now = seen.fingerprint
    return f"from {baseline.objects} objects ({baseline.bytes} bytes) to {now.objects} ({now.bytes} bytes)"


def _totals(prefix: str, fingerprint: Fingerprint | None) -> dict[str, Any]:
    return {
        f"{prefix or 'data_'}fingerprint": str(fingerprint) if fingerprint else None,
        f"{prefix}objects": fingerprint.objects if fingerprint else None,
        f"{prefix}bytes": fingerprint.bytes if fingerprint else None,
    }


def _details(difference: Difference | None) -> dict[str, Any]:
    batches: dict[str, Batch | None] = {
        "added": difference.added if difference else None,
        "changed": difference.changed if difference else None,
        "removed": difference.removed if difference else None,
    }
    return {member: fact for name, batch in batches.items() for member, fact in _batch(name, batch).items()}


def _batch(name: str, batch: Batch | None) -> dict[str, Any]:
    return {
        name: [path.encode(errors="backslashreplace").decode() for path in batch.examples] if batch else None,
        f"{name}_objects": batch.objects if batch else None,
        f"{name}_bytes": batch.bytes if batch else None,
    }


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")

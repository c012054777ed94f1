"""The fingerprint of the data that a tuning job saw, kept as a tag of the job."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_hpt.errors import HptError, ObjectUnavailable
from airflow_hpt.hooks.identity import DATA_TAG, with_tags
from airflow_hpt.hooks.tuning import TuningHook

if TYPE_CHECKING:
    from airflow_hpt.hooks.listings import Survey

logger = logging.getLogger(__name__)

READ = "auto"


def fingerprint_of(hook: TuningHook, given: Any, request: Mapping[str, Any]) -> str | None:
    """Return the fingerprint in a rendered field; `auto` reads the input data of the request."""
    from airflow_hpt.hooks.refresh import fingerprint_in, survey_request

    if given != READ:
        found = fingerprint_in(given)
        return str(found) if found else None
    try:
        seen = survey_request(hook, request)
    except HptError as error:
        raise type(error)(
            f"{error} The data is read for data_fingerprint={READ!r}; leave that out and the tuning job runs without."
        ) from error
    return _fingerprint(seen)


def fingerprint_if_readable(hook: TuningHook, request: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the fingerprint of a request's input data, and what to say if it cannot be read from here.

    A tuning job needs no rights of its task on the data, so their want does not keep it from running.
    """
    from airflow_hpt.hooks.refresh import survey_request

    try:
        seen = survey_request(hook, request)
    except HptError as error:
        logger.warning("%s Whether the input data has changed is therefore not known.", error)
        return None, "It is not known whether the input data changed, because it cannot be read here."
    return _fingerprint(seen), None


def _fingerprint(seen: Survey | None) -> str | None:
    if seen and seen.empty:
        raise ObjectUnavailable(
            f"There is no data in {', '.join(channel.uri for channel in seen.empty)}, so every training job would fail."
            " Correct the location, or wait for the data with a DataRefreshSensor."
        )
    return str(seen.fingerprint) if seen else None


def with_fingerprint(request: dict[str, Any], fingerprint: str | None) -> dict[str, Any]:
    """Return the request with the fingerprint among its tags."""
    return with_tags(request, {DATA_TAG: fingerprint}) if fingerprint else request

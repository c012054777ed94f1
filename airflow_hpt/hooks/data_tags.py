"""The fingerprint of the data that a tuning job saw, kept as a tag of the job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_hpt.hooks.identity import DATA_TAG, with_tags
from airflow_hpt.hooks.tuning import TuningHook

READ = "auto"


def fingerprint_of(hook: TuningHook, given: Any, request: Mapping[str, Any]) -> str | None:
    """Return the fingerprint in a rendered field; `auto` reads the input data of the request."""
    from airflow_hpt.hooks.refresh import fingerprint_in, take_request_fingerprint

    found = take_request_fingerprint(hook, request) if given == READ else fingerprint_in(given)
    return str(found) if found else None


def with_fingerprint(request: dict[str, Any], fingerprint: str | None) -> dict[str, Any]:
    """Return the request with the fingerprint among its tags."""
    return with_tags(request, {DATA_TAG: fingerprint}) if fingerprint else request

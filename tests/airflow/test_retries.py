"""The retry policy for tuning tasks."""

from datetime import timedelta
from typing import Any

import pytest

from airflow_hpt import errors, tuning_retry_policy

pytest.importorskip("airflow.sdk.definitions.retry_policy", reason="new in Airflow 3.3")
pytestmark = pytest.mark.airflow


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        (errors.ServiceUnavailable("busy"), "retry", timedelta(minutes=1)),
        (errors.CredentialsExpired("old"), "retry", timedelta(minutes=1)),
        (errors.LimitExceeded("quota"), "retry", timedelta(minutes=30)),
        (errors.AccessRefused("no rights"), "fail", None),
        (errors.ConnectionUnusable("no region"), "fail", None),
        (errors.AlreadyExists("taken"), "fail", None),
        (errors.TuningJobFailed("all training jobs failed"), "fail", None),
        (errors.TuningJobTimedOut("too long"), "fail", None),
        (RuntimeError("anything else"), "default", None),
    ],
)
def test_it_repeats_only_what_may_end_better(error: Exception, action: str, delay: Any) -> None:
    decision = tuning_retry_policy().evaluate(error, 1, 3)
    assert (decision.action.value, decision.retry_delay) == (action, delay)


def test_it_survives_serialization() -> None:
    policy = tuning_retry_policy()
    rebuilt = type(policy).deserialize(policy.serialize())
    assert rebuilt.serialize() == policy.serialize()

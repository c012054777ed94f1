"""When a tuning task is worth another try."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow_hpt import errors

HOPELESS = (errors.AccessRefused, errors.ConnectionUnusable, errors.AlreadyExists, errors.TuningJobUnsuccessful)
WORTH_WAITING_FOR = {
    errors.CredentialsExpired: timedelta(minutes=1),
    errors.ServiceUnavailable: timedelta(minutes=1),
    errors.LimitExceeded: timedelta(minutes=30),  # until other tuning jobs have ended
}


def tuning_retry_policy() -> Any:
    """Return a retry policy for tuning tasks (Airflow 3.3 or later).

    A try that failed for want of rights, or because its tuning job ended badly, is not repeated: the next tuning job
    would cost as much and end the same way. A quota is waited for, and so is a service that is out of order. All else
    follows the task's own retries. Requests that break a rule are never retried, with this policy or without.
    """
    from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

    waits = [
        RetryRule(exception=_path(error), action=RetryAction.RETRY, retry_delay=delay, reason=error.__doc__)
        for error, delay in WORTH_WAITING_FOR.items()
    ]
    ends = [RetryRule(exception=_path(error), action=RetryAction.FAIL, reason=error.__doc__) for error in HOPELESS]
    return ExceptionRetryPolicy(rules=[*waits, *ends])


def _path(error: type[Exception]) -> str:
    return f"{error.__module__}.{error.__qualname__}"

"""Every error that airflow-hpt raises on purpose.

HptError
├── RequestRefused             a call of the tuning API that cannot be carried out; nothing was started
│   ├── InvalidRequest         ValidationException: the request breaks a rule
│   ├── AlreadyExists          ResourceInUse: the name is taken
│   ├── NotFound               ResourceNotFound: no such tuning job
│   └── LimitExceeded          ResourceLimitExceeded: a quota would be passed
├── CallRejected               an HTTP request that never became a call: signature, target or body are wrong
├── IllegalTransition          an event that the current state does not allow
├── SpaceExhausted             every configuration of a finite search space was tried
├── ObjectUnavailable          a location in object storage that is malformed, empty or out of reach
├── ServiceUnavailable         the service does not answer, cannot start, or turns calls away for a while
├── AccessRefused              the service refuses the credentials or what they may do
│   └── CredentialsExpired     they were good once; the connection may hold newer ones by now
├── ConnectionUnusable         the Airflow connection is missing, or lacks something that every call needs
└── TuningJobUnsuccessful      a tuning job ended otherwise than the caller accepts
    ├── TuningJobFailed
    ├── TuningJobStopped
    └── TuningJobTimedOut
"""

from typing import ClassVar


class HptError(Exception):
    """The base of all errors of this package."""


class RequestRefused(HptError):
    """A call of the tuning API cannot be carried out; `code` is the name of the error on the wire."""

    code: ClassVar[str]


class InvalidRequest(RequestRefused):
    """The request breaks a rule; the message says which, what was given and what would work."""

    code = "ValidationException"


class AlreadyExists(RequestRefused):
    """A tuning job with this name exists, running or not."""

    code = "ResourceInUse"


class NotFound(RequestRefused):
    """No tuning job has this name."""

    code = "ResourceNotFound"


class LimitExceeded(RequestRefused):
    """The request would pass a quota."""

    code = "ResourceLimitExceeded"


class CallRejected(HptError):
    """An HTTP request never became a call of the tuning API: its signature, its target or its body is wrong."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class IllegalTransition(HptError):
    """An event arrived that the current state does not allow."""

    def __str__(self) -> str:
        state, event, allowed = self.args  # facts live in args, so the error survives pickling
        return f"Nothing in state {state} can take {event}; it accepts {', '.join(allowed) or 'nothing'}."


class SpaceExhausted(HptError):
    """Every configuration of a finite search space has been tried or is being tried."""


class ObjectUnavailable(HptError):
    """A location in object storage is malformed, holds nothing or cannot be reached."""


class ServiceUnavailable(HptError):
    """The service does not answer, cannot start or is too busy; the message names what helps."""


class AccessRefused(HptError):
    """The service refuses the credentials, or refuses them this call."""


class CredentialsExpired(AccessRefused):
    """The credentials were good once and are not any more."""


class ConnectionUnusable(HptError):
    """The Airflow connection is missing, or lacks something that every call needs."""


class TuningJobUnsuccessful(HptError):
    """A tuning job ended otherwise than the caller accepts."""


class TuningJobFailed(TuningJobUnsuccessful):
    """The tuning job ended as Failed."""


class TuningJobStopped(TuningJobUnsuccessful):
    """The tuning job was stopped and the caller does not accept that."""


class TuningJobTimedOut(TuningJobUnsuccessful):
    """The tuning job outlived the time that its caller allowed."""

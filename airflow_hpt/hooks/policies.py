"""Choices that a DAG author makes once per task."""

from __future__ import annotations

from enum import StrEnum


class Policy(StrEnum):
    """A choice that names its alternatives when it is given none of them."""

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"{cls.__name__} cannot be {value!r}; it is one of {', '.join(map(repr, map(str, cls)))}.")


class Stopped(Policy):
    """What it means for a task that its tuning job was stopped."""

    FAIL = "fail"
    SUCCEED = "succeed"
    SUCCEED_IF_BEST = "succeed_if_best"  # if there is a best training job by then


class StopOnKill(Policy):
    """Who stops the tuning job by ending its task early."""

    USER = "user"  # somebody who marks the task or clears it
    ALWAYS = "always"  # that, and a worker that is shut down or loses touch with Airflow
    NEVER = "never"


class ParentsPolicy(Policy):
    """What happens to a parent that the new tuning job cannot start from."""

    FAIL = "fail"
    DROP = "drop"  # go on without it and log why


class OnNoParents(Policy):
    """What happens when there is no parent to start from."""

    FAIL = "fail"
    COLD = "cold"  # run as a tuning job without parents

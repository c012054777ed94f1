"""What Airflow offers in other places, or only in part, from 3.1 to 3.3."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

from airflow_hpt.errors import InvalidRequest

SECTION = "airflow_hpt"
PAGE_CONNECTIONS = "aws_default, hpt_local"

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function in a thread below an event loop of Airflow's.

    Unlike one of `asyncio.to_thread`, this thread talks to Airflow by way of the loop: before Airflow 3.2, two who talk
    at the same time take each other's answers, and the triggerer dies of it.
    """
    from asgiref.sync import sync_to_async

    return await sync_to_async(function, thread_sensitive=False)(*args, **kwargs)


def defers_by_default() -> bool:
    """Return Airflow's `[operators] default_deferrable`."""
    return _flag("operators", "default_deferrable", default=False)


def shares_polls() -> bool:
    """Return this provider's `[airflow_hpt] shared_polling`; Airflow before 3.3 never asks."""
    return _flag(SECTION, "shared_polling", default=True)


def base_url() -> str:
    """Return the address of Airflow's own web interface, `[api] base_url`; empty when nobody has said it."""
    return str(_conf().get("api", "base_url", fallback="") or "").rstrip("/")


def page_connections() -> str:
    """Return this provider's `[airflow_hpt] page_connections`."""
    return str(_conf().get(SECTION, "page_connections", fallback=PAGE_CONNECTIONS))


def _flag(section: str, option: str, *, default: bool) -> bool:
    return bool(_conf().getboolean(section, option, fallback=default))


def _conf() -> Any:
    try:
        return import_module("airflow.sdk.configuration").conf
    except ImportError:  # before Airflow 3.2
        return import_module("airflow.configuration").conf


def was_ended_by_a_user(ti: Any) -> bool:
    """Say whether somebody has marked or cleared a task instance whose process is being ended.

    A worker that is shut down, or that Airflow's API has become out of reach for, leaves the task running.
    """
    return any(state != "running" for state in _states(ti))


def was_marked_by_a_user(ti: Any) -> bool:
    """Say whether somebody has marked a task instance that was deferred; for Airflow before 3.3."""
    return any(state in ("failed", "success", "skipped") for state in _states(ti))


def is_deferred(ti: Any) -> bool:
    """Say whether a task instance waits in a triggerer."""
    return "deferred" in _states(ti)


def _states(ti: Any) -> list[str | None]:
    """Return what Airflow now takes a task instance for."""
    runtime = import_module("airflow.sdk.execution_time.task_runner").RuntimeTaskInstance
    wanted = {"map_index": ti.map_index, "task_ids": [ti.task_id], "run_ids": [ti.run_id]}
    states: dict[str, dict[str, str | None]] = runtime.get_task_states(ti.dag_id, **wanted)
    return list(states.get(ti.run_id, {}).values())


def called_with(function: Any, arguments: Any, context: Any) -> dict[str, Any]:
    """Return the keyword arguments that a function takes from the context of a task."""
    home = import_module("airflow.sdk.bases.decorator")
    if not hasattr(home, "determine_kwargs"):  # before Airflow 3.2
        home = import_module("airflow.utils.operator_helpers")
    return dict(home.determine_kwargs(function, arguments, context))


def latest_events(events: Any, limit: int) -> list[Any]:
    """Return the latest events of an inlet, the newest first."""
    if hasattr(events, "ascending"):
        return list(events.ascending(False).limit(limit))
    return list(reversed(events))[:limit]  # before Airflow 3.2


@contextmanager
def without_retries() -> Iterator[None]:
    """Let what is refused fail a task for good: it would be refused again."""
    try:
        yield
    except InvalidRequest as error:
        raise airflow_error("AirflowFailException")(str(error)) from error


def airflow_error(name: str) -> type[BaseException]:
    """Return one of Airflow's exceptions."""
    home = import_module("airflow.sdk.exceptions")
    if not hasattr(home, name):  # before Airflow 3.2
        home = import_module("airflow.exceptions")
    found: type[BaseException] = getattr(home, name)
    return found


def metrics() -> Any:
    """Return Airflow's metrics."""
    try:
        return import_module("airflow.sdk.observability.stats").Stats
    except ImportError:  # before Airflow 3.2
        return import_module("airflow.stats").Stats

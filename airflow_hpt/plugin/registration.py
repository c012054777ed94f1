"""What Airflow loads of the plugin: into every process, so it imports nothing but names.

The tuning pages are an application of their own, which is imported by the first request for one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from airflow_hpt._compat import base_url
from airflow_hpt.links import FRAME, PAGES

ICON = "icon.svg"
# What Airflow puts into the address of a tab. Airflow 3.1 does not quote it, so it goes into the path, where a `+` in
# the name of a run stays one; the map index stays as it is written here for a task that is not mapped.
TABS = {
    "dag": "dags/{DAG_ID}",
    "dag_run": "dags/{DAG_ID}/runs/{RUN_ID}",
    "task_instance": "dags/{DAG_ID}/runs/{RUN_ID}/tasks/{TASK_ID}/{MAP_INDEX}",
}


class TuningPages:
    """An ASGI application that imports the real one when it is first called."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if self._app is None:
            from airflow_hpt.plugin.app import create_app

            self._app = create_app()
        await self._app(scope, receive, send)


def external_views(prefix: str) -> list[dict[str, str]]:
    """Return the places in Airflow's interface that show a page; `prefix` is the path that Airflow itself lies at."""
    pages, route = f"{prefix}{PAGES}", FRAME.rpartition("/")[2]
    common = {"name": "Tuning jobs", "icon": f"{pages}/{ICON}", "icon_dark_mode": f"{pages}/{ICON}?theme=dark"}
    nav = {"destination": "nav", "category": "browse", "href": f"{pages}/", "url_route": route}
    tabs = (
        {"destination": place, "href": f"{pages}/{path}", "url_route": f"{route}-{place.replace('_', '-')}"}
        for place, path in TABS.items()
    )
    return [common | each for each in (nav, *tabs)]


class Marks:
    """A listener that has deferred task instances followed up when a user marks them."""

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """Follow up a task instance that has been marked successful."""
        self._follow_up(task_instance)

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any) -> None:
        """Follow up a task instance that has been marked failed."""
        self._follow_up(task_instance)

    @hookimpl
    def on_task_instance_skipped(self, task_instance: Any) -> None:
        """Follow up a task instance that has been marked skipped."""
        self._follow_up(task_instance)

    def _follow_up(self, task_instance: Any) -> None:
        # Workers report ends, too, of task instances that know no trigger; those that did not wait have none.
        if getattr(task_instance, "trigger_id", None):
            from airflow_hpt.plugin.marks import follow_up

            follow_up(task_instance.trigger)


class TuningPlugin(AirflowPlugin):
    """Adds the tuning pages to Airflow, and stops the tuning jobs of marked tasks that no trigger looks after."""

    name = "airflow_hpt"
    fastapi_apps: list[Any] = [{"name": "Tuning jobs", "app": TuningPages(), "url_prefix": PAGES}]  # noqa: RUF012
    external_views: list[Any] = external_views(urlsplit(base_url()).path)
    listeners: list[Any] = [Marks()]  # noqa: RUF012

"""Who looks at a page and what they may see: the one file that knows the inside of Airflow's API server.

Nothing of it is inherited: Airflow mounts a plugin's application without any authentication.
"""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import get_user
from fastapi.concurrency import run_in_threadpool

signed_in = get_user  # the dependency that refuses a request without a valid token


async def readable_dags(user: Any) -> frozenset[str]:
    """Return the DAGs that a user may read; those that Airflow does not know any more are nobody's to read."""
    return frozenset(await run_in_threadpool(get_auth_manager().get_authorized_dag_ids, user=user, method="GET"))


def login_url(page: str) -> str:
    """Return the address that lets somebody sign in and leads on to a page."""
    return str(get_auth_manager().get_url_login(next_url=page))

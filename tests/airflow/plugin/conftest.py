"""The pages as a browser gets them: with Airflow's own tokens, from a service that answers over HTTP."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.routing import Mount

from airflow_hpt.links import PAGES
from airflow_hpt.plugin.registration import TuningPages
from tests.airflow.fake_sagemaker import FakeSageMaker
from tests.airflow.plugin.pages import Sign, know_dags, make_auth_manager


@pytest.fixture(scope="module")
def auth(airflow_db: Path) -> Iterator[Any]:
    """Airflow's authentication, with an auth manager that gives every user DAGs of their own."""
    from airflow.api_fastapi import app as airflow_app

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "AIRFLOW__API_AUTH__JWT_SECRET", "a secret of the tests, long enough for the algorithm of the tokens"
        )
        manager = make_auth_manager()
        state = getattr(airflow_app, "_AuthManagerState", None)
        patch.setattr(*((state, "instance", manager) if state else (airflow_app, "auth_manager", manager)))
        know_dags("alice_churn", "alice_digits", "bob_churn", "shared")
        yield manager


@pytest.fixture
def visitor(auth: Any, fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Somebody who is not signed in."""
    monkeypatch.setenv("AIRFLOW__AIRFLOW_HPT__PAGE_CONNECTIONS", "fake")
    return TestClient(Starlette(routes=[Mount(PAGES, TuningPages())]), raise_server_exceptions=False)


@pytest.fixture
def sign_in(auth: Any, visitor: TestClient) -> Sign:
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    def sign(name: str) -> TestClient:
        token = auth.generate_jwt(SimpleAuthManagerUser(username=name, role="viewer"))
        visitor.headers["Authorization"] = f"Bearer {token}"
        return visitor

    return sign


@pytest.fixture
def alice(sign_in: Sign) -> TestClient:
    return sign_in("alice")


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """An address that refuses connections and will not be given to anybody else."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"

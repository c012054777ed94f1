from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_hpt.testing import LocalService
from tests.driving import Driver
from tests.serving import RawClient


@pytest.fixture
def tuning(hpt_local_service: LocalService, tmp_path: Path) -> Iterator[Driver]:
    driver = Driver(hpt_local_service.client(), tmp_path)
    yield driver
    driver.stop_all()


@pytest.fixture
def raw(hpt_local_service: LocalService) -> Iterator[RawClient]:
    client = RawClient(hpt_local_service.settings.port, hpt_local_service.home.credentials())
    yield client
    client.close()

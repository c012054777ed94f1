"""How the pages get into Airflow: addresses, frame, and what loading them costs."""

import subprocess
import sys

import pytest
from fastapi.testclient import TestClient

import airflow_hpt
from airflow_hpt.links import PAGES, page_url
from airflow_hpt.plugin.registration import TuningPlugin, external_views
from airflow_hpt.provider_info import get_provider_info
from tests.airflow.fake_sagemaker import FakeSageMaker
from tests.airflow.plugin.pages import add_job, look

pytestmark = pytest.mark.airflow


def test_airflow_may_know_every_link_of_every_operator() -> None:
    known = set(get_provider_info()["extra-links"])
    operators = [getattr(airflow_hpt, name) for name in airflow_hpt.__all__]
    links = {type(link) for each in operators for link in getattr(each, "operator_extra_links", ())}
    assert {f"{link.__module__}.{link.__name__}" for link in links} == known
    assert len(known) == 2


class TestFrame:
    """Airflow before 3.3.2 shows the entry page in its frame, whatever its own address says."""

    def test_the_entry_leads_on_to_the_page_that_the_frame_s_address_names(
        self, alice: TestClient, fake: FakeSageMaker
    ) -> None:
        add_job(fake, "job", dag="shared")
        referrer = f"http://testserver{page_url('job', connection='fake', region=None)}"
        answer = alice.get(f"{PAGES}/", headers={"Referer": referrer}, follow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (307, "/hpt/jobs/job?connection=fake")

    @pytest.mark.parametrize(
        "referrer",
        [
            "http://testserver/plugin/tuning",
            "http://testserver/plugin/tuning/hpt/",
            "http://testserver/plugin/tuning//elsewhere.example/hpt/",
            "http://testserver/hpt/jobs/job",
            "http://elsewhere.example/plugin/tuning/hpt/jobs/job",
            "nonsense",
        ],
    )
    def test_any_other_address_leads_nowhere(self, alice: TestClient, referrer: str) -> None:
        answer = alice.get(f"{PAGES}/", headers={"Referer": referrer}, follow_redirects=False)
        assert answer.status_code == 200


class TestAddresses:
    @pytest.mark.parametrize(
        ("base", "url"),
        [
            ("", "/plugin/tuning/hpt/jobs/x?connection=c"),
            ("https://a.example", "https://a.example/plugin/tuning/hpt/jobs/x?connection=c"),
            ("https://a.example/flow/", "https://a.example/flow/plugin/tuning/flow/hpt/jobs/x?connection=c"),
        ],
    )
    def test_the_button_honours_where_airflow_lies(self, monkeypatch: pytest.MonkeyPatch, base: str, url: str) -> None:
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
        assert page_url("x", connection="c", region=None) == url

    @pytest.mark.parametrize(
        ("connection", "region", "query"),
        [
            (None, None, ""),
            ("team/a&b", "eu-west-1", "?connection=team%2Fa%26b&region=eu-west-1"),
        ],
    )
    def test_the_button_names_connection_and_region(
        self, connection: str | None, region: str | None, query: str
    ) -> None:
        assert page_url("x", connection=connection, region=region) == f"/plugin/tuning/hpt/jobs/x{query}"

    def test_pages_below_a_prefix_link_below_it(
        self, alice: TestClient, fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://testserver/flow")
        add_job(fake, "job", dag="shared")
        page = look(alice, "/")
        links = [*page.values("a", "href"), *page.values("link", "href"), *page.values("script", "src")]
        assert [link for link in links if not link.startswith(("/flow/hpt/", "/flow/dags/", "#main"))] == []

    def test_every_place_in_airflow_has_a_route_of_its_own(self) -> None:
        views = external_views("/flow")
        assert [view["destination"] for view in views] == ["nav", "dag", "dag_run", "task_instance"]
        assert len({view["url_route"] for view in views}) == len(views)
        assert all(view["href"].startswith("/flow/hpt/") for view in views)


LOADING = """
import sys, time
from airflow.plugins_manager import AirflowPlugin
before, began = set(sys.modules), time.process_time()
import airflow_hpt.plugin.registration
print(1000 * (time.process_time() - began))
print(*sorted(set(sys.modules) - before))
"""


def test_loading_the_plugin_imports_next_to_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=True)
    new = done.stdout.splitlines()[-1].split()
    assert "airflow_hpt.plugin.registration" in new
    assert len(new) <= 8, new
    assert [name for name in new if name.startswith(("fastapi", "starlette", "boto", "jinja2"))] == []


def test_airflow_loads_the_plugin_once_from_its_entry_point() -> None:
    from importlib.metadata import entry_points

    found = [each for each in entry_points(group="airflow.plugins") if each.dist and each.dist.name == "airflow-hpt"]
    assert [each.load() for each in found] == [TuningPlugin]

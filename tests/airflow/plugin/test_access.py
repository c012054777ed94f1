"""Who sees what: nothing without a token, and the tuning jobs of the DAGs that one may read."""

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from airflow_hpt.links import PAGES
from airflow_hpt.plugin.app import create_app
from tests.airflow.conftest import make_connection
from tests.airflow.fake_sagemaker import FakeSageMaker
from tests.airflow.plugin.pages import add_job, add_trainings, look, warm_start

pytestmark = pytest.mark.airflow


class TestSignIn:
    OTHERS = ("/docs", "/redoc", "/openapi.json", "/jobs", "/nothing/at/all", "/style.css", "/jobs/x?page=x")

    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_nothing_answers_to_nobody(self, visitor: TestClient, method: str) -> None:
        paths = [*(route.path for route in create_app().routes if isinstance(route, APIRoute)), *self.OTHERS]
        answers = {path: visitor.request(method, f"{PAGES}{path}") for path in paths}
        assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(paths, 401)
        assert all("script-src 'self'" in each.headers["Content-Security-Policy"] for each in answers.values())

    def test_every_route_has_the_router_s_dependency(self) -> None:
        from airflow.api_fastapi.core_api.security import get_user

        routes = create_app().routes
        assert len(routes) >= 8
        for route in routes:
            assert isinstance(route, APIRoute)
            assert get_user in [each.call for each in route.dependant.dependencies]

    def test_a_forged_token_is_refused(self, visitor: TestClient) -> None:
        visitor.headers["Authorization"] = "Bearer e30.e30.e30"
        look(visitor, "/", status=403)

    def test_the_browser_s_cookie_is_a_token_too(self, alice: TestClient) -> None:
        token = alice.headers.pop("Authorization").removeprefix("Bearer ")
        alice.cookies.set("_token", token)
        look(alice, "/")

    def test_who_is_not_signed_in_is_told_where_to(self, visitor: TestClient) -> None:
        (link,) = look(visitor, "/jobs/x", status=401).values("a", "href")
        assert link.startswith("/auth/login")

    @pytest.mark.parametrize("address", ["/docs", "/openapi.json", "/jobs", "/nothing/at/all"])
    def test_what_is_no_page_is_not_found(self, alice: TestClient, address: str) -> None:
        assert "There is no such page" in look(alice, address, status=404).text


class TestRights:
    def test_a_list_holds_the_tuning_jobs_of_readable_dags(self, alice: TestClient, fake: FakeSageMaker) -> None:
        add_job(fake, "hers", dag="alice_churn")
        add_job(fake, "his", dag="bob_churn")
        add_job(fake, "everybodys", dag="shared")
        page = look(alice, "/")
        assert [name for name in ("hers", "his", "everybodys") if name in page.html] == ["hers", "everybodys"]

    def test_one_of_another_s_dag_is_as_if_it_did_not_exist(self, alice: TestClient, fake: FakeSageMaker) -> None:
        add_job(fake, "his", dag="bob_churn")
        found = look(alice, "/jobs/his?connection=fake", status=404).html
        missing = look(alice, "/jobs/not?connection=fake", status=404).html
        assert found == missing.replace("There is no tuning job not to", "There is no tuning job his to")

    @pytest.mark.parametrize("path", ["", "/runs/run-1", "/runs/run-1/tasks/tune/{MAP_INDEX}"])
    def test_the_tabs_of_another_s_dag_show_nothing(self, alice: TestClient, fake: FakeSageMaker, path: str) -> None:
        add_job(fake, "his", dag="bob_churn", run="run-1")
        assert "his" not in look(alice, f"/dags/bob_churn{path}", status=404).html.replace("this", "")
        assert fake.count("Search") == 0

    def test_a_lineage_that_several_share_shows_everybody_their_own(
        self, alice: TestClient, fake: FakeSageMaker
    ) -> None:
        add_job(fake, "hers", dag="alice_churn", lineage="churn")
        add_job(fake, "his", dag="bob_churn", lineage="churn")
        page = look(alice, "/lineages?name=churn&connection=fake")
        assert ("hers" in page.html, "/his?" in page.html) == (True, False)

    def test_a_parent_of_another_s_dag_is_only_named(self, alice: TestClient, fake: FakeSageMaker) -> None:
        parent = add_job(fake, "his", dag="bob_churn")
        add_trainings(fake, parent, 3, level=77.0)
        job = add_job(fake, "hers", dag="alice_churn", **warm_start("his"))
        add_trainings(fake, job, 3)
        page = look(alice, "/jobs/hers?connection=fake")
        assert "his deleted, or not yours to see" in page.text
        assert [text for text in (*page.texts, *page.values("a", "href")) if "76." in text or "/his" in text] == []

    @pytest.mark.parametrize("tags", [{}, {"team": "alice_churn"}, {"airflow-hpt:lineage": "alice_churn"}])
    def test_what_others_have_started_is_not_shown(
        self, alice: TestClient, fake: FakeSageMaker, tags: dict[str, str]
    ) -> None:
        add_job(fake, "foreign", tags=tags)
        assert "foreign" not in look(alice, "/").html
        assert "There is no tuning job foreign to show." in look(alice, "/jobs/foreign", status=404).text

    def test_a_dag_that_airflow_has_forgotten_is_nobody_s(self, alice: TestClient, fake: FakeSageMaker) -> None:
        add_job(fake, "orphan", dag="alice_deleted")
        look(alice, "/jobs/orphan", status=404)

    def test_a_page_uses_only_the_listed_connections(
        self, alice: TestClient, fake_server: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_SECRET", make_connection(fake_server.endpoint))
        add_job(fake_server, "hers", dag="alice_churn")
        for query in ("connection=secret", "connection=fake&region=eu-west-2"):
            page = look(alice, f"/jobs/hers?{query}", status=404)
            assert "An administrator can add it to [airflow_hpt] page_connections" in page.text
        assert fake_server.calls == []

    def test_only_calls_that_change_nothing_are_made(self, alice: TestClient, fake: FakeSageMaker) -> None:
        parent = add_job(fake, "parent", dag="shared")
        add_trainings(fake, parent, 3)
        add_trainings(fake, add_job(fake, "job", dag="shared", **warm_start("parent")), 3)
        for path in ("/", "/jobs/job", "/lineages?name=shared&connection=fake", "/dags/shared"):
            look(alice, path)
        assert {name for name, _ in fake.calls} == {
            "Search",
            "DescribeHyperParameterTuningJob",
            "DescribeTrainingJob",
            "ListTags",
            "ListTrainingJobsForHyperParameterTuningJob",
        }

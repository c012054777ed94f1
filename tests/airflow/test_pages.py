"""The tuning pages as a browser gets them: with Airflow's own tokens, and from a service that answers over HTTP."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.routing import Mount

from airflow_hpt.links import PAGES, page_url
from airflow_hpt.plugin import sources
from airflow_hpt.plugin.app import create_app
from airflow_hpt.plugin.registration import TuningPages, TuningPlugin, external_views
from airflow_hpt.testing import LocalService
from tests.airflow.conftest import make_connection
from tests.airflow.fake_sagemaker import FakeSageMaker, training
from tests.airflow.pages import Page, add_job, add_trainings, finish, know_dags, make_auth_manager, warm_start
from tests.driving import Driver

pytestmark = pytest.mark.airflow

HOSTILE = "<script>alert('x')</script>\" onmouseover=\"alert(1)"
Sign = Callable[[str], TestClient]


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


def look(client: TestClient, path: str, *, status: int = 200) -> Page:
    answer = client.get(f"{PAGES}{path}")
    assert answer.status_code == status, answer.text
    return Page(answer.text)


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


class TestLists:
    def test_tuning_jobs_are_listed_by_lineage_the_latest_first(self, alice: TestClient, fake: FakeSageMaker) -> None:
        for name, lineage, days in (("a-1", "a", 3.0), ("b-1", "b", 2.0), ("a-2", "a", 1.0)):
            job = add_job(fake, name, dag="shared", lineage=lineage, days_ago=days)
            add_trainings(fake, job, 4, failed=1, level=0.5 + days / 10)
            finish(job)
        page = look(alice, "/")
        rows = [link for link in page.values("a", "href") if "/jobs/" in link]
        assert rows == [f"/hpt/jobs/{name}?connection=fake" for name in ("a-2", "a-1", "b-1")]
        assert "2 tuning jobs, best validation:accuracy" in page.text
        assert page.text.count("1 failed") == 3
        assert "3 d ago" in page.text

    def test_only_the_latest_of_a_long_lineage_are_in_the_overview(
        self, alice: TestClient, fake: FakeSageMaker
    ) -> None:
        for number in range(12):
            add_job(fake, f"job-{number}", dag="shared", days_ago=number)
        page = look(alice, "/")
        assert "All 12 tuning jobs of this lineage" in page.text
        (whole,) = {link for link in page.values("a", "href") if "/lineages" in link}
        rows = [link for link in look(alice, whole.removeprefix(PAGES)).values("a", "href") if "/jobs/" in link]
        assert len(set(rows)) == 12

    def test_there_is_a_word_for_having_none(self, alice: TestClient) -> None:
        assert "There are no tuning jobs yet." in look(alice, "/").text
        assert "DAG shared has started no tuning jobs that are still known." in look(alice, "/dags/shared").text

    def test_a_run_s_tab_finds_runs_with_a_plus_in_their_name(self, alice: TestClient, fake: FakeSageMaker) -> None:
        run = "manual__2026-11-24T00:00:00+00:00"
        add_job(fake, "this-run", dag="shared", run=run)
        add_job(fake, "other-run", dag="shared", run="manual__other")
        for written in (run, run.replace("+", "%2B").replace(":", "%3A")):
            page = look(alice, f"/dags/shared/runs/{written}")
            assert ("this-run" in page.html, "other-run" in page.html) == (True, False)

    def test_a_task_s_tab_is_its_tuning_job(self, alice: TestClient, fake: FakeSageMaker) -> None:
        add_job(fake, "unmapped", dag="shared", run="r")
        add_job(fake, "third", dag="shared", run="r", task="many", map_index=3)
        add_job(fake, "fourth", dag="shared", run="r", task="many", map_index=4)
        assert "unmapped" in look(alice, "/dags/shared/runs/r/tasks/tune/%7BMAP_INDEX%7D").text
        page = look(alice, "/dags/shared/runs/r/tasks/many/3")
        assert ("third" in page.html, "fourth" in page.html) == (True, False)
        assert "/dags/shared/runs/r/tasks/many/mapped/3" in page.values("a", "href")

    def test_a_task_that_has_started_several_lists_them(self, alice: TestClient, fake: FakeSageMaker) -> None:
        add_job(fake, "first", dag="shared", run="r")
        add_job(fake, "after-a-clear", dag="shared", run="r")
        page = look(alice, "/dags/shared/runs/r/tasks/tune/-1")
        assert "Tuning jobs of this task" in page.text
        assert ("first" in page.html, "after-a-clear" in page.html) == (True, True)

    def test_a_lineage_is_drawn_with_a_link_for_every_tuning_job(self, alice: TestClient, fake: FakeSageMaker) -> None:
        for number in range(5):
            add_trainings(fake, add_job(fake, f"job-{number}", dag="shared", days_ago=5 - number), 3)
        page = look(alice, "/lineages?name=shared&connection=fake")
        assert page.count("circle", "mark") == 5
        assert page.count("title") == 7  # of the page, the drawing and its marks


class TestTuningJob:
    def test_it_tells_everything(self, alice: TestClient, fake: FakeSageMaker) -> None:
        parent = add_job(fake, "parent", dag="shared", days_ago=1)
        add_trainings(fake, parent, 5)
        finish(parent)
        job = add_job(fake, "job", dag="shared", **warm_start("parent", "gone"))
        add_trainings(fake, job, 20, failed=2)
        page = look(alice, "/jobs/job?connection=fake")
        for words in (
            "job InProgress",
            "20 of 4",
            "validation:accuracy, higher is better",
            "TransferLearning",
            "gone deleted, or not yours to see",
            "parents' best",
            "s3://bucket/models/job-",
            "AlgorithmError: exit code 1 ValueError: degree must be positive",
            "continuous 0.1 to 10 Linear",
            "categorical rbf, poly",
            "Training jobs at most 4",
            "airflow-hpt:generation",
            "Updates every 10 s",
        ):
            assert words in page.text
        assert page.count("circle", "completed") + page.count("circle", "stopped") == 18
        assert page.count("path", "failed") == 2
        assert page.count("tr", "best") == 1
        assert "/hpt/jobs/parent?connection=fake" in page.values("a", "href")

    def test_it_refreshes_itself_until_it_has_ended_or_somebody_pauses_it(
        self, alice: TestClient, fake: FakeSageMaker
    ) -> None:
        job = add_job(fake, "job", dag="shared")
        assert look(alice, "/jobs/job?connection=fake").values("meta", "content")[1:] == ["10"]
        paused = look(alice, "/jobs/job?connection=fake&refresh=off")
        assert "Updates are paused" in paused.text
        assert len(paused.values("meta", "content")) == 1
        finish(job)
        add_job(fake, "other", dag="shared")
        finish(fake.jobs["other"])
        assert len(look(alice, "/jobs/other?connection=fake").values("meta", "content")) == 1

    @pytest.mark.parametrize(
        ("query", "first", "rows"),
        [
            ("", "best", 50),
            ("&page=2", "", 50),
            ("&page=10&sort=number", "", 50),
            ("&sort=number", "job-001-00000001", 50),
            ("&page=99", "", 50),
            ("&page=0", "best", 50),
            ("&page=-1&sort=nonsense", "best", 50),
            ("&page=1e9", "best", 50),
        ],
    )
    def test_five_hundred_training_jobs_come_in_pages(
        self, alice: TestClient, fake: FakeSageMaker, query: str, first: str, rows: int
    ) -> None:
        job = add_job(fake, "job", dag="shared")
        add_trainings(fake, job, 500)
        page = look(alice, f"/jobs/job?connection=fake{query}")
        names = [text for text in page.texts[page.texts.index("500 so far") :] if text.startswith("job-")]
        assert len(names) == rows
        best = job["BestTrainingJob"]["TrainingJobName"]
        assert not first or names[0] == (best if first == "best" else first)
        assert page.count("circle", "mark") >= 500

    def test_without_a_connection_every_listed_one_is_tried(
        self, alice: TestClient, fake: FakeSageMaker, nobody: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_DOWN", make_connection(nobody))
        monkeypatch.setenv("AIRFLOW__AIRFLOW_HPT__PAGE_CONNECTIONS", "missing, down, fake")
        add_job(fake, "job", dag="shared")
        assert "Connection fake" in look(alice, "/jobs/job").text

    def test_the_best_value_at_the_end_of_its_range_is_pointed_out(
        self, alice: TestClient, fake: FakeSageMaker
    ) -> None:
        job = add_job(fake, "job", dag="shared")
        add_trainings(fake, job, 3)
        for each in fake.trainings["job"]:
            each["TunedHyperParameters"] = {"C": "9.999", "degree": "3", "kernel": "rbf"}
        assert look(alice, "/jobs/job").text.count("the best lies at the end of the range") == 1

    def test_values_that_are_no_numbers_are_shown_as_they_are(self, alice: TestClient, fake: FakeSageMaker) -> None:
        job = add_job(fake, "job", dag="shared")
        fake.trainings["job"] = [
            {**training("job-001", objective=float("nan")), "TunedHyperParameters": {"C": "wide", "degree": '"3"'}},
            {**training("job-002", objective=0.5), "TunedHyperParameters": {"C": "1", "degree": "3.0"}},
        ]
        job["BestTrainingJob"] = fake.trainings["job"][1]
        page = look(alice, "/jobs/job")
        assert ("wide" in page.text, '"3"' in page.text) == (True, True)
        assert page.count("circle", "completed") == 1

    def test_several_definitions_have_their_own_ranges_and_objectives(
        self, alice: TestClient, fake: FakeSageMaker
    ) -> None:
        ranges = {"ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.001", "MaxValue": "1"}]}
        objective = {"Type": "Minimize", "MetricName": "loss"}
        definition = {"DefinitionName": "boosting", "TuningObjective": objective, "HyperParameterRanges": ranges}
        job = add_job(fake, "job", dag="shared", TrainingJobDefinitions=[definition])
        job["HyperParameterTuningJobConfig"] = {"Strategy": "Random", "ResourceLimits": {"MaxParallelTrainingJobs": 1}}
        loss = {**training("job-001", objective=0.5), "TrainingJobDefinitionName": "boosting"}
        fake.trainings["job"] = [{**loss, "TunedHyperParameters": {"eta": "0.1"}}]
        job["BestTrainingJob"] = loss
        page = look(alice, "/jobs/job")
        assert "eta boosting continuous 0.001 to 1 Logarithmic" in page.text
        assert "lower is better" in page.text


class TestTrouble:
    def test_a_service_that_is_down_is_said_to_be(
        self, alice: TestClient, nobody: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_FAKE", make_connection(nobody))
        page = look(alice, "/jobs/x?connection=fake", status=503)
        assert "No answer from the tuning service at" in page.text
        assert page.values("meta", "content")[1:] == ["10"]

    def test_credentials_that_are_refused_are_said_to_be(self, alice: TestClient, fake: FakeSageMaker) -> None:
        fake.fail_next("AccessDeniedException", times=1)
        page = look(alice, "/jobs/x?connection=fake", status=502)
        assert "Check the credentials of Airflow connection 'fake'" in page.text
        assert "ListTrainingJobsForHyperParameterTuningJob" in page.text

    def test_a_connection_that_is_missing_is_said_to_be(
        self, alice: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AIRFLOW_CONN_FAKE")
        assert "Airflow knows no connection 'fake'" in look(alice, "/jobs/x?connection=fake", status=404).text
        assert "1 connection cannot be read" in look(alice, "/").text

    def test_one_that_fails_hides_no_other(
        self, alice: TestClient, fake: FakeSageMaker, nobody: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_DOWN", make_connection(nobody))
        monkeypatch.setenv("AIRFLOW__AIRFLOW_HPT__PAGE_CONNECTIONS", "down, missing, fake")
        add_job(fake, "job", dag="shared")
        page = look(alice, "/")
        assert "2 connections cannot be read" in page.text
        assert "Read from fake" in page.text
        assert "/hpt/jobs/job?connection=fake" in page.values("a", "href")

    def test_one_that_hangs_keeps_nobody_waiting(
        self, alice: TestClient, fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sources, "PATIENCE_SECONDS", 0.3)
        monkeypatch.setattr(sources, "CLIENT", {"read_timeout": 1, "retries": {"total_max_attempts": 1}})
        monkeypatch.setenv("AIRFLOW__AIRFLOW_HPT__PAGE_CONNECTIONS", "hung, fake")
        add_job(fake, "job", dag="shared")
        with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes calls and never answers
            monkeypatch.setenv("AIRFLOW_CONN_HUNG", make_connection(f"http://127.0.0.1:{deaf.getsockname()[1]}"))
            while "has not answered for 0.3 seconds" not in (page := look(alice, "/")).text:
                assert "No answer from the tuning service" not in page.text
            while "/hpt/jobs/job?connection=fake" not in look(alice, "/").values("a", "href"):
                pass  # the first look may still be making its client
            assert "No answer yet" in look(alice, "/jobs/x?connection=hung", status=503).text

    def test_a_fault_of_the_pages_is_no_blank(
        self, alice: TestClient, fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add_job(fake, "job", dag="shared")
        del fake.jobs["job"]["HyperParameterTuningJobConfig"]["Strategy"]
        assert "This page is broken" in look(alice, "/jobs/job", status=500).text


class TestCache:
    def test_many_viewers_cost_one_reading(self, alice: TestClient, fake: FakeSageMaker) -> None:
        add_job(fake, "job", dag="shared")
        for _ in range(5):
            look(alice, "/jobs/job")
        assert fake.count("ListTrainingJobsForHyperParameterTuningJob") == 1

    def test_an_old_reading_is_done_anew(
        self, alice: TestClient, fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sources, "FRESH_SECONDS", 0.0)
        job = add_job(fake, "job", dag="shared")
        assert "InProgress" in look(alice, "/jobs/job").text
        finish(job)
        assert "Completed" in look(alice, "/jobs/job").text

    def test_what_one_user_has_seen_is_not_shown_to_the_next(self, sign_in: Sign, fake: FakeSageMaker) -> None:
        add_job(fake, "hers", dag="alice_churn")
        assert "hers" in look(sign_in("alice"), "/").html
        assert "hers" not in look(sign_in("bob"), "/").html
        look(sign_in("bob"), "/jobs/hers?connection=fake", status=404)

    def test_expired_credentials_are_read_anew(self, alice: TestClient, fake: FakeSageMaker) -> None:
        add_job(fake, "job", dag="shared")
        fake.fail_next("ExpiredTokenException")
        look(alice, "/jobs/job?connection=fake", status=502)
        assert "job" in look(alice, "/dags/shared").html


def test_hostile_texts_stay_texts(alice: TestClient, fake: FakeSageMaker) -> None:
    tags = {
        f"airflow-hpt:{name}": HOSTILE
        for name in ("lineage", "run", "task", "map-index", "generation", "warm-start", "data")
    }
    job = add_job(fake, "job", tags={**tags, "airflow-hpt:dag": "shared", HOSTILE: HOSTILE})
    each = training("job-001", objective=0.5, reason=HOSTILE)
    each |= {
        "TrainingJobDefinitionName": HOSTILE,
        "TunedHyperParameters": {HOSTILE: HOSTILE},
        "TrainingJobName": HOSTILE,
    }
    each["FinalHyperParameterTuningJobObjectiveMetric"]["MetricName"] = HOSTILE
    fake.trainings["job"] = [each]
    ranges = job["HyperParameterTuningJobConfig"]["ParameterRanges"]
    ranges["CategoricalParameterRanges"] = [{"Name": HOSTILE, "Values": [HOSTILE]}]
    job |= {"BestTrainingJob": each, "OverallBestTrainingJob": each, "FailureReason": HOSTILE}
    job |= warm_start("job")
    for path in ("/jobs/job", "/", "/dags/shared"):
        page = look(alice, path)
        assert escape(HOSTILE, quote=False).split("(")[0] in page.html.replace("&#34;", '"').replace("&#39;", "'")
        assert page.values("script", "src") == ["/hpt/frame.js?0.1.0"]
        assert page.count("script") == 1
        assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []
        links = [*page.values("a", "href"), *page.values("link", "href")]
        assert [link for link in links if not link.startswith(("/hpt/", "/dags/", "#main"))] == []


def test_a_page_needs_nothing_that_its_policy_forbids(alice: TestClient, fake: FakeSageMaker) -> None:
    add_trainings(fake, add_job(fake, "job", dag="shared"), 3)
    for path in ("/", "/jobs/job", "/lineages?name=shared&connection=fake"):
        page = look(alice, path)
        assert (page.count("style"), page.count("form"), page.count("iframe")) == (0, 0, 0)
        assert [name for _, attributes in page.elements for name in attributes if name in ("style", "target")] == []
        for address in (*page.values("script", "src"), *page.values("link", "href")):
            assert alice.get(address).status_code == 200


def test_a_table_says_what_its_columns_and_rows_are(alice: TestClient, fake: FakeSageMaker) -> None:
    add_trainings(fake, add_job(fake, "job", dag="shared"), 3)
    page = look(alice, "/jobs/job")
    assert len(page.values("th", "scope")) == page.count("th") > 0
    assert page.count("caption") == page.count("table") == 2
    assert page.count("h1") == 1
    assert len(page.values("svg", "role")) + len(page.values("svg", "aria-hidden")) == page.count("svg")


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


def test_a_real_tuning_job_is_shown(
    alice: TestClient, hpt_airflow: LocalService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__AIRFLOW_HPT__PAGE_CONNECTIONS", "hpt_local")
    driver = Driver(hpt_airflow.client(), tmp_path)
    tags = {"dag": "shared", "run": "r", "task": "tune", "map-index": "-1", "lineage": "real"}
    request = driver.request(name="real-1", Tags=[{"Key": f"airflow-hpt:{key}", "Value": tags[key]} for key in tags])
    described = driver.run(request)
    page = look(alice, "/jobs/real-1?connection=hpt_local")
    best = described["BestTrainingJob"]
    assert f"{best['FinalHyperParameterTuningJobObjectiveMetric']['Value']:.6g} score, higher is better" in page.text
    assert best["TrainingJobName"] in page.text
    assert page.count("circle", "completed") == 3
    assert "x continuous 0 to 1 Linear" in page.text
    for path in ("/", "/dags/shared", "/dags/shared/runs/r", "/lineages?name=real&connection=hpt_local"):
        assert "/hpt/jobs/real-1?connection=hpt_local" in look(alice, path).values("a", "href")

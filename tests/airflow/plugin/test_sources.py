"""Connections in trouble, and how long a reading is kept."""

import socket

import pytest
from fastapi.testclient import TestClient

from airflow_hpt.plugin import sources
from tests.airflow.conftest import make_connection
from tests.airflow.fake_sagemaker import FakeSageMaker
from tests.airflow.plugin.pages import Sign, add_job, finish, look

pytestmark = pytest.mark.airflow


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

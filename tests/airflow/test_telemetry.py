"""Spans and counters of a tuning task."""

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from airflow_hpt import TuningJobOperator
from airflow_hpt._compat import metrics
from tests.airflow.conftest import make_context
from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name: provider.get_tracer(name))
    return exporter


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(metrics(), "incr", lambda name, tags: found.append((name, tags)), raising=False)
    return found


def run(**changes: Any) -> Any:
    operator = TuningJobOperator(
        task_id="tune", config=make_config(), aws_conn_id="fake", check_interval=0.01, **changes
    )
    return operator.execute(make_context(operator))


def test_submitting_waiting_and_the_result_are_spans(fake: FakeSageMaker, spans: InMemorySpanExporter) -> None:
    fake.on_describe = lambda job: end(job) if fake.count("DescribeHyperParameterTuningJob") == 3 else None
    name = run()["job_name"]
    assert [(each.name, dict(each.attributes)) for each in spans.get_finished_spans()] == [
        ("hpt.submit", {"hpt.generation": 0, "hpt.tuning_job": name}),
        ("hpt.wait", {"hpt.tuning_job": name}),
        ("hpt.result", {"hpt.tuning_job": name, "hpt.status": "Completed"}),
    ]


def test_jobs_created_taken_over_and_stopped_are_counted(fake: FakeSageMaker, counted: list[tuple[str, Any]]) -> None:
    run(wait_for_completion=False)
    with pytest.raises(Exception, match="has been stopped"):
        run(max_ingestion_time=0.02)
    assert counted == [
        ("hpt.tuning_jobs_created", {}),
        ("hpt.tuning_jobs_taken_over", {"status": "InProgress"}),
        ("hpt.tuning_jobs_stopped", {}),
    ]


def test_faults_that_pass_are_counted_by_kind(fake: FakeSageMaker, counted: list[tuple[str, Any]]) -> None:
    def on_describe(job: dict[str, Any]) -> None:
        if fake.count("DescribeHyperParameterTuningJob") == 2:
            fake.fail_next("ThrottlingException")
            fake.fail_next("ExpiredTokenException")
        if fake.count("DescribeHyperParameterTuningJob") > 4:
            end(job)

    fake.on_describe = on_describe
    run(botocore_config={"retries": {"total_max_attempts": 1}})
    kinds = [tags["kind"] for name, tags in counted if name == "hpt.faults_sat_out"]
    assert kinds == ["ServiceUnavailable", "CredentialsExpired"]

"""Lineages as assets: how they are spelled, what their events hold, and what they start."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, Asset, AssetAlias
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt import TuningJobOperator, WarmStartTuningJobOperator, tuning_asset
from airflow_hpt._compat import airflow_error
from airflow_hpt.assets import openlineage_dataset
from airflow_hpt.provider_info import get_provider_info
from tests.airflow.conftest import make_context
from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow

AirflowFailException = airflow_error("AirflowFailException")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("sagemaker-hpt://churn", "sagemaker-hpt://churn"),
        ("SageMaker-HPT://churn/", "sagemaker-hpt://churn"),
        ("sagemaker-hpt://prod/churn#today", "sagemaker-hpt://prod/churn"),
        ("sagemaker-hpt://team churn", "sagemaker-hpt://team%20churn"),
        ("sagemaker-hpt://%63hurn", "sagemaker-hpt://churn"),
    ],
)
def test_a_lineage_has_one_spelling(written: str, kept: str) -> None:
    """Airflow itself calls the handler, as it does for every asset."""
    assert Asset(uri=written).uri == kept


@pytest.mark.parametrize(
    "uri", ["sagemaker-hpt://", "sagemaker-hpt:///churn", "sagemaker-hpt://%20", "sagemaker-hpt://churn?since=june"]
)
def test_an_address_that_names_no_lineage_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"names no lineage of tuning jobs.*sagemaker-hpt://churn.*tuning_asset"):
        Asset(uri=uri)


@given(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S"))).map(lambda text: f"x{text}x"))
def test_every_lineage_can_be_spelled(lineage: str) -> None:
    asset = tuning_asset(lineage)
    assert Asset(uri=asset.uri) == asset
    assert openlineage_dataset(asset, None).name == lineage


def test_airflow_loads_handler_factory_and_converter() -> None:
    try:
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as Providers
    except ImportError:  # before Airflow 3.2
        from airflow.providers_manager import ProvidersManager as Providers

    (entry,) = get_provider_info()["asset-uris"]
    manager = Providers()
    for registry, member in [
        (manager.asset_uri_handlers, "handler"),
        (manager.asset_factories, "factory"),
        (manager.asset_to_openlineage_converters, "to_openlineage_converter"),
    ]:
        function = registry["sagemaker-hpt"]
        assert f"{function.__module__}.{function.__name__}" == entry[member]


def test_other_arguments_are_those_of_every_asset() -> None:
    asset = tuning_asset("churn", name="churn model", group="models")
    assert (asset.name, asset.group, asset.uri) == ("churn model", "models", "sagemaker-hpt://churn")


class Events(list):
    """What Airflow 3.2 and later gives for an inlet; before, it is a list, the oldest first."""

    def ascending(self, ascending: bool) -> "Events":
        return self if ascending else Events(reversed(self))

    def limit(self, limit: int) -> "Events":
        return Events(self[:limit])


def make_event(job: str | None, *, run: str = "run-0", task: str = "baseline") -> SimpleNamespace:
    extra = {"job_name": job} if job else None
    return SimpleNamespace(extra=extra, source_dag_id="retrain", source_run_id=run, source_task_id=task)


@pytest.fixture(params=[list, Events])
def kind(request: pytest.FixtureRequest) -> Iterator[type[list]]:
    """Events as they come before Airflow 3.2, and since."""
    return request.param


class TestParents:
    def retune(self, events: Any, **changes: Any) -> list[str]:
        operator = WarmStartTuningJobOperator(
            task_id="retune",
            parents=tuning_asset("digits"),
            config=make_config(),
            warm_start_type="TransferLearning",
            aws_conn_id="fake",
            wait_for_completion=False,
            **changes,
        )
        (inlet,) = operator.inlets
        context = make_context(operator)
        context["inlet_events"] = _ByAsset(inlet, events)
        return operator.execute(context)["parents"]

    def test_they_are_the_jobs_of_the_latest_events(self, fake: FakeSageMaker, kind: type[list]) -> None:
        for number in range(7):
            fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName=f"job-{number}"))
            end(fake.jobs[f"job-{number}"])
        events = kind(make_event(f"job-{number}") for number in (0, 1, 2, 3, 4, 5, 6, 6))
        assert self.retune(events) == ["job-6", "job-5", "job-4", "job-3", "job-2"]

    def test_what_the_task_has_published_itself_and_events_without_result_do_not_count(
        self, fake: FakeSageMaker, kind: type[list]
    ) -> None:
        fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName="job"))
        end(fake.jobs["job"])
        before_clear = make_event("mine", run="run-1", task="retune")
        assert self.retune(kind([make_event("job"), make_event(None), before_clear])) == ["job"]

    def test_no_event_is_no_parent(
        self, fake: FakeSageMaker, kind: type[list], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        with pytest.raises(AirflowFailException, match="on_no_parents='cold'"):
            self.retune(kind())
        assert self.retune(kind(), on_no_parents="cold") == []
        assert "The latest events of sagemaker-hpt://digits are of no tuning job." in caplog.text


class _ByAsset(dict):
    """Assets cannot be keys on every Airflow."""

    def __init__(self, asset: Asset, events: Any) -> None:
        self._asset, self._events = asset, events

    def __getitem__(self, asset: Asset) -> Any:
        assert asset == self._asset
        return self._events


def started_by(*lineages: str) -> Any:
    """Return what Airflow tells a task of the events that have started its run."""
    from airflow.sdk.execution_time.context import TriggeringAssetEventsAccessor

    return TriggeringAssetEventsAccessor.build(
        SimpleNamespace(asset=tuning_asset(lineage), source_aliases=()) for lineage in lineages
    )


class TestPublishing:
    def test_only_assets_have_events(self, fake: FakeSageMaker) -> None:
        """Airflow takes anything for an outlet."""
        fake.on_describe = end
        alias, table = AssetAlias("models"), object()
        operator = TuningJobOperator(
            task_id="tune", config=make_config(), aws_conn_id="fake", outlets=[tuning_asset("digits"), alias, table]
        )
        context = make_context(operator)
        result = operator.execute(context)
        assert context["outlet_events"][tuning_asset("digits")].extra == result
        assert context["outlet_events"][alias].extra == result

    @pytest.mark.parametrize("causes", [(), ("letters",)])
    def test_a_run_started_by_something_else_goes_on(self, fake: FakeSageMaker, causes: tuple[str, ...]) -> None:
        fake.on_describe = end
        operator = TuningJobOperator(
            task_id="tune", config=make_config(), aws_conn_id="fake", outlets=[tuning_asset("digits")]
        )
        context = {**make_context(operator), "triggering_asset_events": started_by(*causes)}
        assert operator.execute(context)["status"] == "Completed"

    def test_a_dag_that_would_start_itself_for_ever_is_stopped(self, fake: FakeSageMaker) -> None:
        asset = tuning_asset("digits")
        with DAG("retrain", schedule=asset):
            operator = TuningJobOperator(task_id="tune", config=make_config(), aws_conn_id="fake", outlets=[asset])
        context = {**make_context(operator), "triggering_asset_events": started_by("digits")}
        with pytest.raises(AirflowFailException, match=r"sagemaker-hpt://digits has started .* outlets of tune"):
            operator.execute(context)
        assert fake.calls == []

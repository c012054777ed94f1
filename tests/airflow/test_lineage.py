"""What OpenLineage learns of a tuning job."""

from typing import Any

import pytest
from airflow.sdk import Asset, AssetAlias

from airflow_hpt import TuningJobOperator, WarmStartTuningJobOperator, latest, tuning_asset
from airflow_hpt.errors import TuningJobFailed
from airflow_hpt.lineage import Place, place, places_read
from tests.airflow.conftest import make_context
from tests.airflow.fake_sagemaker import FakeSageMaker, end
from tests.airflow.requests import make_config

pytestmark = pytest.mark.airflow


def channel(name: str, uri: str) -> dict[str, Any]:
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("s3://bucket/data/train/", Place("s3://bucket", "data/train")),
        ("s3://bucket", Place("s3://bucket", "/")),
        ("file:///data/train/", Place("file", "/data/train")),
    ],
)
def test_places_are_named_as_openlineage_names_them(uri: str, named: Place) -> None:
    assert place(uri) == named


def test_every_definition_s_channels_are_read_once_each() -> None:
    system = {"FileSystemDataSource": {"FileSystemId": "fs-1", "FileSystemType": "FSxLustre", "DirectoryPath": "/d"}}
    request = {
        "TrainingJobDefinitions": [
            {"InputDataConfig": [channel("train", "s3://bucket/a"), channel("test", "s3://bucket/b")]},
            {"InputDataConfig": [channel("train", "s3://bucket/a"), {"ChannelName": "fs", "DataSource": system}]},
            {},
        ]
    }
    bucket = "s3://bucket"
    assert places_read(request) == [Place(bucket, "a"), Place(bucket, "b"), Place("fsxlustre://fs-1", "/d")]


def run(operator: Any) -> Any:
    """Run a task; return its result and what it then tells OpenLineage."""
    result = operator.execute(make_context(operator))
    return result, operator.get_openlineage_facets_on_complete(None)


def named(datasets: Any) -> list[str]:
    return [f"{each.namespace} {each.name}" for each in datasets]


def make_operator(kind: Any = TuningJobOperator, **changes: Any) -> Any:
    config = make_config()
    config["TrainingJobDefinition"]["InputDataConfig"] = [channel("train", "s3://bucket/data/")]
    settings = {"task_id": "tune", "config": config, "aws_conn_id": "fake", "lineage": "digits"}
    return kind(**{**settings, **changes})


def test_a_task_tells_data_in_and_model_out(fake: FakeSageMaker) -> None:
    fake.on_describe = end
    result, lineage = run(make_operator())
    assert named(lineage.inputs) == ["s3://bucket data"]
    model = result["best_model_artifact"].removeprefix("s3://bucket/")
    assert named(lineage.outputs) == ["sagemaker-hpt digits", f"s3://bucket {model}"]
    assert lineage.run_facets["airflow_hpt_tuningJob"].job_name == result["job_name"]


def test_inlets_and_outlets_are_told_as_well(fake: FakeSageMaker) -> None:
    """Airflow leaves them out when a task has a lineage to tell."""
    fake.on_describe = end
    outlets = [tuning_asset("digits"), Asset(uri="s3://bucket/published"), Asset("without address"), AssetAlias("any")]
    _, lineage = run(make_operator(inlets=[Asset(uri="s3://bucket/labels")], outlets=outlets))
    assert named(lineage.inputs) == ["s3://bucket data", "s3://bucket labels"]
    assert [name for name in named(lineage.outputs) if "model" not in name] == [
        "sagemaker-hpt digits",
        "s3://bucket published",
    ]


@pytest.mark.parametrize(
    ("parents", "lineages"),
    [
        (latest("numbers"), ["sagemaker-hpt numbers"]),
        ([{"job_name": "parent", "lineage": "numbers"}], ["sagemaker-hpt numbers"]),
        ("parent", []),  # a name alone does not tell
    ],
)
def test_a_warm_start_tells_the_lineages_that_it_learnt_from(
    fake: FakeSageMaker, parents: Any, lineages: list[str]
) -> None:
    tags = [{"Key": "airflow-hpt:lineage", "Value": "numbers"}]
    fake.CreateHyperParameterTuningJob(make_config(HyperParameterTuningJobName="parent", Tags=tags))
    fake.on_describe = end
    end(fake.jobs["parent"])
    settings = {"parents": parents, "warm_start_type": "TransferLearning", "config": make_operator().config}
    _, lineage = run(make_operator(WarmStartTuningJobOperator, **settings))
    assert named(lineage.inputs) == ["s3://bucket data", *lineages]


def test_a_failed_task_tells_what_its_tuning_job_has_read(fake: FakeSageMaker) -> None:
    fake.on_describe = lambda job: end(job, "Failed", objective=None, reason="No training job succeeded.")
    operator = make_operator()
    with pytest.raises(TuningJobFailed, match="No training job succeeded"):
        run(operator)
    lineage = operator.get_openlineage_facets_on_complete(None)  # called after failures too
    assert (named(lineage.inputs), lineage.outputs) == (["s3://bucket data"], [])
    assert lineage.run_facets["airflow_hpt_tuningJob"].status == "Failed"


def test_a_task_that_never_had_a_tuning_job_tells_nothing() -> None:
    assert make_operator().get_openlineage_facets_on_complete(None) is None

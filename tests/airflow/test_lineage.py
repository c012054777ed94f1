"""What OpenLineage learns of a tuning job."""

from typing import Any

import pytest

from airflow_hpt import TuningJobOperator
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


def test_a_task_tells_data_in_and_model_out(fake: FakeSageMaker) -> None:
    config = make_config()
    config["TrainingJobDefinition"]["InputDataConfig"] = [channel("train", "s3://bucket/data/")]
    fake.on_describe = end
    operator = TuningJobOperator(task_id="tune", config=config, aws_conn_id="fake")
    result = operator.execute(make_context(operator))
    lineage = operator.get_openlineage_facets_on_complete(None)
    assert [(each.namespace, each.name) for each in lineage.inputs] == [("s3://bucket", "data")]
    (model,) = lineage.outputs
    assert f"{model.namespace}/{model.name}" == result["best_model_artifact"]
    assert lineage.run_facets["airflow_hpt_tuningJob"].job_name == result["job_name"]

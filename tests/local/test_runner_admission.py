"""What is refused at create because its training jobs could not run here."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from airflow_hpt.errors import InvalidRequest
from airflow_hpt.local.runner import admission
from airflow_hpt.local.runner.admission import refuse_unrunnable
from airflow_hpt.local.runner.algorithms.base import Algorithm
from airflow_hpt.local.runner.objects import FolderObjects
from airflow_hpt.local.runner.source import unpack_code
from tests.contracts.runner_launches import make_channel, make_definition

XGBOOST = {"AlgorithmSpecification": {"TrainingImage": "host/sagemaker-xgboost:1.7-1", "TrainingInputMode": "File"}}


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").touch()
    (tmp_path / "s3" / "bucket" / "data").mkdir(parents=True)
    (tmp_path / "s3" / "bucket" / "data" / "x").touch()
    (tmp_path / "s3" / "bucket" / "list").write_text('[{"prefix": "s3://bucket/data/"}, "x"]')
    (tmp_path / "s3" / "bucket" / "holes").write_text('[{"prefix": "s3://bucket/data/"}, "x", "y"]')
    return FolderObjects(tmp_path / "s3")


def refuse(objects: FolderObjects, **definition: Any) -> None:
    script = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": json.dumps(str(objects.root.parent / "code")),
    }
    asked = make_definition(**{"StaticHyperParameters": script, **definition})
    refuse_unrunnable(asked, objects=objects, region="eu-west-1")


def channel(uri: str = "s3://bucket/data", **changes: Any) -> list[dict[str, Any]]:
    return [make_channel("train", uri, **changes)]


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {**XGBOOST, "StaticHyperParameters": {"num_round": "1"}},
        {"InputDataConfig": channel()},
        {"InputDataConfig": channel(InputMode="FastFile", CompressionType="None")},
        {"InputDataConfig": channel("s3://bucket/list", kind="ManifestFile")},
        {"CheckpointConfig": {"S3Uri": "s3://bucket/points", "LocalPath": "/opt/ml/checkpoints"}},
        {"OutputDataConfig": {"S3OutputPath": "file:///tmp/out"}},
    ],
)
def test_what_can_run_is_let_in(objects: FolderObjects, definition: dict[str, Any]) -> None:
    refuse(objects, **definition)


@pytest.mark.parametrize(
    ("definition", "match"),
    [
        ({"StaticHyperParameters": {}}, r"The image 'any' cannot run .* sagemaker-xgboost:\*, xgboost:\*"),
        (
            {"StaticHyperParameters": {}, "AlgorithmSpecification": {"AlgorithmName": "bought"}},
            "The image 'bought' cannot run on this machine",
        ),
        ({"StaticHyperParameters": {"sagemaker_program": "a.py"}}, "sagemaker_submit_directory is missing"),
        (
            {"StaticHyperParameters": {"sagemaker_program": "a.py", "sagemaker_submit_directory": "/no/such"}},
            "There is no folder or archive /no/such",
        ),
        (
            {"StaticHyperParameters": {"sagemaker_program": "a.py", "sagemaker_submit_directory": "s3://bucket/data"}},
            "^sagemaker_program 'a.py' is not in 's3://bucket/data', which holds x",
        ),
        (
            {"StaticHyperParameters": {"sagemaker_program": "a.py", "sagemaker_submit_directory": "s3://bucket/no"}},
            "No objects are stored under s3://bucket/no/",
        ),
        (
            {"InputDataConfig": channel("s3://bucket/none")},
            'No S3 objects found under S3 URL "s3://bucket/none" given in input data source. .*eu-west-1.*role/tuning',
        ),
        ({"InputDataConfig": channel("s3://nobucket/x")}, 'permissions on bucket "nobucket"'),
        (
            {"InputDataConfig": channel("s3://bucket/holes", kind="ManifestFile")},
            'No S3 objects found under S3 URL "s3://bucket/data/y"',
        ),
        ({"InputDataConfig": channel("s3://bucket/data/../x")}, "has '.', '..' or a NUL in its path"),
        ({"InputDataConfig": channel(InputMode="Pipe")}, "input mode Pipe; the local service takes File and FastFile"),
        ({"InputDataConfig": channel(kind="AugmentedManifestFile")}, "S3DataType AugmentedManifestFile"),
        (
            {"InputDataConfig": [{"ChannelName": "fs", "DataSource": {"FileSystemDataSource": {}}}]},
            "Channel fs has the data source FileSystemDataSource",
        ),
        (
            {"InputDataConfig": channel(CompressionType="Gzip")},
            "Invalid compression type for channel train: File mode only supports NONE, got Gzip instead",
        ),
        ({"OutputDataConfig": {"S3OutputPath": "nowhere"}}, "is not a location of objects"),
        ({"CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/tmp/c"}}, "give a folder below /opt/ml"),
        ({"CheckpointConfig": {"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/../c"}}, "give a folder below /opt/ml"),
    ],
)
def test_what_cannot_run_is_refused_with_a_way_out(
    objects: FolderObjects, definition: dict[str, Any], match: str
) -> None:
    with pytest.raises(InvalidRequest, match=match):
        refuse(objects, **definition)


def test_an_algorithm_whose_package_is_missing_says_what_to_install(
    objects: FolderObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = Algorithm("Absent", frozenset({"absent"}), "m", {}, "no_such_package_at_all", "pip install absent")
    monkeypatch.setattr(admission, "find_algorithm", lambda image: absent)
    with pytest.raises(InvalidRequest, match="runs here on the package no_such_package_at_all: pip install absent"):
        refuse(objects, StaticHyperParameters={})


@pytest.fixture
def unusual_code(objects: FolderObjects) -> Path:
    """Return a code folder with the home of a service in it, and with a link to itself."""
    code = objects.root.parent / "code"
    (code / "home" / "jobs").mkdir(parents=True)
    for name in ("state.db", "credentials"):
        (code / "home" / name).touch()
    (code / "package").mkdir()
    (code / "package" / "loop").symlink_to(code)
    return code


@pytest.mark.parametrize("below", ["home/jobs/one/code", "elsewhere/code", "../code-of-one"])
def test_code_is_copied_without_homes_and_without_end(objects: FolderObjects, unusual_code: Path, below: str) -> None:
    into = unusual_code / below
    into.mkdir(parents=True)
    unpack_code({"sagemaker_program": "train.py", "sagemaker_submit_directory": str(unusual_code)}, objects, into=into)
    assert sorted(file.relative_to(into).as_posix() for file in into.rglob("*")) == ["package", "train.py"]


def test_code_around_the_place_where_it_is_tried_is_let_in(
    objects: FolderObjects, unusual_code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(unusual_code))
    refuse(objects)


def test_the_home_of_a_service_is_no_code(objects: FolderObjects, unusual_code: Path) -> None:
    home = {"sagemaker_program": "train.py", "sagemaker_submit_directory": f"file://{unusual_code}/home"}
    with pytest.raises(InvalidRequest, match="home is the home of a local service; keep the code in a folder of its"):
        refuse(objects, StaticHyperParameters=home)

"""What is refused when a tuning job is created because its training jobs could not run here."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_hpt.errors import InvalidRequest, ObjectUnavailable
from airflow_hpt.local.runner.algorithms import algorithms, find_algorithm
from airflow_hpt.local.runner.channels import manifest_entries
from airflow_hpt.local.runner.checkpoints import is_mappable
from airflow_hpt.local.runner.container import input_mode
from airflow_hpt.local.runner.failures import TrainingFault
from airflow_hpt.local.runner.objects import Objects, split_uri
from airflow_hpt.local.runner.source import program_of, unpack_code


def refuse_unrunnable(definition: Mapping[str, Any], *, objects: Objects, region: str) -> None:
    """Raise InvalidRequest when training jobs of this definition cannot run on this machine."""
    try:
        _refuse_code(definition, objects)
        for channel in definition.get("InputDataConfig") or ():
            _refuse_channel(channel, definition)
            _refuse_missing(channel, objects, region=region, role=str(definition.get("RoleArn")))
        _refuse_paths(definition)
    except ObjectUnavailable as fault:
        raise InvalidRequest(str(fault)) from fault


def _refuse_code(definition: Mapping[str, Any], objects: Objects) -> None:
    static: Mapping[str, str] = definition.get("StaticHyperParameters") or {}
    if program_of(static):
        try:
            with tempfile.TemporaryDirectory() as folder:
                unpack_code(static, objects, into=Path(folder, "code"))
        except TrainingFault as fault:
            raise InvalidRequest(str(fault).removeprefix("ClientError: ")) from fault
        return
    image = str(definition["AlgorithmSpecification"].get("TrainingImage") or "")
    algorithm = find_algorithm(image)
    if algorithm is None:
        raise InvalidRequest(_no_such_image(definition["AlgorithmSpecification"].get("AlgorithmName") or image))
    if not algorithm.is_installed:
        raise InvalidRequest(f"The image {image} runs here on the package {algorithm.needs}: {algorithm.install}")


def _no_such_image(image: str) -> str:
    built_in = ", ".join(sorted(f"{name}:*" for known in algorithms() for name in known.repositories))
    return (
        f"The image {image!r} cannot run on this machine, where training jobs are processes and not containers. What "
        f"can run: any image together with a script (static hyperparameters sagemaker_program and "
        f"sagemaker_submit_directory), and without a script the built-in algorithms {built_in}."
    )


def _refuse_channel(channel: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    name, mode = channel["ChannelName"], input_mode(channel, definition)
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        kinds = ", ".join(channel["DataSource"]) or "nothing"
        raise InvalidRequest(f"Channel {name} has the data source {kinds}; the local service takes S3DataSource only.")
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise InvalidRequest(
            f"Channel {name} has S3DataType {source['S3DataType']}; the local service takes S3Prefix and ManifestFile."
        )
    if mode not in ("File", "FastFile"):
        raise InvalidRequest(f"Channel {name} has input mode {mode}; the local service takes File and FastFile.")
    compression = channel.get("CompressionType") or "None"
    if compression != "None":
        raise InvalidRequest(
            f"Invalid compression type for channel {name}: {mode} mode only supports NONE, got {compression} instead"
        )


def _refuse_missing(channel: Mapping[str, Any], objects: Objects, *, region: str, role: str) -> None:
    source = channel["DataSource"]["S3DataSource"]
    uris = [source["S3Uri"]]
    if source["S3DataType"] == "ManifestFile" and objects.exists(source["S3Uri"]):
        uris = [uri for uri, _ in manifest_entries(source["S3Uri"], objects)]
    for uri in uris:
        if not objects.exists(uri):
            bucket = "" if uri.startswith("file:") else f' on bucket "{split_uri(uri)[0]}"'
            raise InvalidRequest(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket '
                f"exists in the selected region ({region}), that objects exist under that S3 prefix, and that the role "
                f'"{role}" has "s3:ListBucket" permissions{bucket}.'
            )


def _refuse_paths(definition: Mapping[str, Any]) -> None:
    output = definition["OutputDataConfig"]["S3OutputPath"]
    if not output.startswith("file:"):
        split_uri(output)
    config = definition.get("CheckpointConfig") or {}
    if (path := config.get("LocalPath")) and not is_mappable(path):
        raise InvalidRequest(f"CheckpointConfig.LocalPath is {path!r}; give a folder below /opt/ml.")

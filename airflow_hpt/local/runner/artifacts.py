"""What a training job leaves behind: its model and its output, stored below the request's S3OutputPath."""

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_hpt.local.runner.objects import Objects

COMPRESSION_LEVEL = 6


def model_artifact(definition: Mapping[str, Any], training_job: str) -> str:
    """Return where a training job's model is stored: an archive, or a folder when CompressionType is NONE."""
    return _artifact(definition, training_job, "model")


def output_artifact(definition: Mapping[str, Any], training_job: str) -> str:
    """Return where the files of a training job's output/data folder are stored."""
    return _artifact(definition, training_job, "output")


def _artifact(definition: Mapping[str, Any], training_job: str, kind: str) -> str:
    config = definition["OutputDataConfig"]
    name = f"{kind}/" if config.get("CompressionType") == "NONE" else f"{kind}.tar.gz"
    return f"{config['S3OutputPath'].rstrip('/')}/{training_job}/output/{name}"


def upload(folder: Path, uri: str, objects: Objects) -> None:
    """Store a folder's content, packed when the location is that of an archive; no content leaves nothing."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if uri.endswith("/"):
        objects.put(folder, uri)
        return
    archive = folder.with_name(f"{folder.name}.tar.gz")
    try:
        with tarfile.open(archive, "w:gz", compresslevel=COMPRESSION_LEVEL) as packed:
            for entry in sorted(folder.iterdir()):
                packed.add(entry, arcname=entry.name)
        objects.put(archive, uri)
    finally:
        archive.unlink(missing_ok=True)

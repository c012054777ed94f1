"""OpenLineage: which data a tuning job read, which tuning jobs it learnt from, which model it made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

RUN_FACET = "airflow_hpt_tuningJob"  # holds the flat result, parents and warm start included


class Place(NamedTuple):
    """A dataset as OpenLineage names it."""

    namespace: str
    name: str


def places_read(request: Mapping[str, Any]) -> list[Place]:
    """Return the places that the training jobs of a request, or of a described tuning job, read."""
    definitions = request.get("TrainingJobDefinitions") or [request.get("TrainingJobDefinition") or {}]
    found = []
    for channel in (channel for each in definitions for channel in each.get("InputDataConfig", ())):
        source = channel.get("DataSource", {})
        if uri := source.get("S3DataSource", {}).get("S3Uri"):
            found.append(place(uri))
        elif system := source.get("FileSystemDataSource"):
            kind = system.get("FileSystemType", "efs").lower()
            found.append(Place(f"{kind}://{system['FileSystemId']}", system["DirectoryPath"]))
    return list(dict.fromkeys(found))


def place(uri: str) -> Place:
    """Return a location as OpenLineage names it.

    >>> place("s3://bucket/data/train/")
    Place(namespace='s3://bucket', name='data/train')
    >>> place("file:///data/train")
    Place(namespace='file', name='/data/train')
    """
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Place("file", parts.path.rstrip("/"))
    return Place(f"{parts.scheme}://{parts.netloc}", parts.path.strip("/") or "/")


def operator_lineage(description: Mapping[str, Any], result: Mapping[str, Any]) -> Any:
    """Return the lineage of a tuning job for Airflow's OpenLineage provider."""
    from airflow.providers.common.compat.openlineage.facet import Dataset, RunFacet
    from airflow.providers.openlineage.extractors import OperatorLineage

    artifact = result.get("overall_best_model_artifact") or result.get("best_model_artifact")
    return OperatorLineage(
        inputs=[Dataset(*each) for each in places_read(description)],
        outputs=[Dataset(*place(artifact))] if artifact else [],
        run_facets={RUN_FACET: RunFacet().with_additional_properties(**result)},
    )

"""OpenLineage: which data a tuning job read, which lineages it learnt from, which model it made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from airflow.sdk import Asset

from airflow_hpt.assets import SCHEME

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


def lineages_in(parents: Any) -> Iterator[str]:
    """Yield the lineages that a rendered `parents` field tells: by itself, or in the results that it holds."""
    if isinstance(parents, Mapping) and parents.get("lineage"):
        yield parents["lineage"]
    elif isinstance(parents, list | tuple):
        for each in parents:
            yield from lineages_in(each)


def operator_lineage(description: Mapping[str, Any], result: Mapping[str, Any], *, task: Any) -> Any:
    """Return the lineage of a task's tuning job for Airflow's OpenLineage provider.

    A lineage that the tuning job learnt from is an input, its own lineage an output. Airflow leaves out a task's inlets
    and outlets when the task has a lineage to tell, so they are added here.
    """
    from airflow.providers.common.compat.openlineage.facet import RunFacet
    from airflow.providers.openlineage.extractors import OperatorLineage

    learnt_from = lineages_in(task.parents) if result["parents"] else ()
    made = [Place(SCHEME, result["lineage"])] if result["lineage"] and result["best_training_job"] else []
    if artifact := result["overall_best_model_artifact"] or result["best_model_artifact"]:
        made.append(place(artifact))
    return OperatorLineage(
        inputs=_datasets([*places_read(description), *(Place(SCHEME, each) for each in learnt_from)], task.inlets),
        outputs=_datasets(made, task.outlets),
        run_facets={RUN_FACET: RunFacet().with_additional_properties(**result)},
    )


def _datasets(places: Iterable[Place], assets: Iterable[Any]) -> list[Any]:
    """Return places and assets as OpenLineage knows them, each once; it does not know every kind of asset."""
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset

    known = (translate_airflow_asset(asset, None) for asset in assets if isinstance(asset, Asset))
    found = [*(Dataset(*each) for each in places), *(each for each in known if each)]
    return list({(each.namespace, each.name): each for each in found}.values())

"""Assets: a lineage of tuning jobs as something that tasks publish and that starts DAGs.

The asset `sagemaker-hpt://<lineage>` is the series of tuning jobs of one model. Each of its events is a tuning job that
has ended, and the extra of the event is the result of that tuning job.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlunsplit

from airflow.sdk import Asset
from airflow.sdk.definitions.asset import BaseAsset

from airflow_hpt._compat import airflow_error, latest_events

logger = logging.getLogger(__name__)

SCHEME = "sagemaker-hpt"
RECENT_EVENTS = 50  # several of them may be about the same tuning job


def tuning_asset(lineage: str, **settings: Any) -> Asset:
    """Return the asset of a lineage: tasks have it among their `outlets`, DAGs as `schedule`, warm starts as `parents`.

    >>> tuning_asset("churn").uri
    'sagemaker-hpt://churn'

    :param lineage: the lineage, as tuning tasks and `latest` name it
    :param settings: other arguments of `airflow.sdk.Asset`, such as `name` or `group`
    """
    return Asset(uri=f"{SCHEME}://{quote(lineage)}", **settings)


def normalized(uri: SplitResult) -> SplitResult:
    """Return the one spelling of an asset's URI, for Airflow; raise ValueError if it names no lineage."""
    lineage = unquote(uri.netloc + uri.path).rstrip("/")
    if not uri.netloc or not lineage.strip() or uri.query:
        raise ValueError(
            f"{urlunsplit(uri)!r} names no lineage of tuning jobs. It looks like {SCHEME}://churn, with nothing behind"
            " the lineage; airflow_hpt.tuning_asset('churn') spells it."
        )
    netloc, slash, path = quote(lineage).partition("/")
    return SplitResult(SCHEME, netloc, slash + path, "", "")


def openlineage_dataset(asset: Asset, _context: Any) -> Any:
    """Return what OpenLineage calls a lineage, for Airflow's OpenLineage provider."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    return Dataset(namespace=SCHEME, name=unquote(asset.uri.removeprefix(f"{SCHEME}://")))


def publish(context: Mapping[str, Any], outlets: Iterable[Any], extra: dict[str, Any]) -> None:
    """Give the events of a task's outlets, which Airflow sends when the task succeeds, their extra."""
    for asset in outlets:
        if isinstance(asset, BaseAsset):  # what else Airflow takes for an outlet has no events
            context["outlet_events"][asset].extra = extra


def refuse_loops(context: Mapping[str, Any], outlets: Iterable[Any]) -> None:
    """Fail a task whose outlets have started its own DAG run: every tuning job would start another, without end."""
    causes = {each.uri for each in context.get("triggering_asset_events") or () if isinstance(each, Asset)}
    for asset in outlets:
        if isinstance(asset, Asset) and asset.uri in causes:
            raise airflow_error("AirflowFailException")(
                f"{asset.uri} has started this DAG run, and it is among the outlets of {context['ti'].task_id}: each"
                " tuning job would start another one, without end. Publish another asset, for instance that of a"
                " lineage of its own, or schedule the DAG by something else."
            )


def published_jobs(context: Mapping[str, Any], asset: Asset, *, limit: int) -> list[str]:
    """Return the tuning jobs in the latest events of an inlet, up to `limit`, the newest first.

    Those that the very task has published count as little as events that hold no result, made by hand for instance.
    """
    ti = context["ti"]
    own = (ti.dag_id, ti.run_id, ti.task_id)
    names = (
        event.extra["job_name"]
        for event in latest_events(context["inlet_events"][asset], RECENT_EVENTS)
        if "job_name" in (event.extra or {}) and (event.source_dag_id, event.source_run_id, event.source_task_id) != own
    )
    found = list(dict.fromkeys(names))[:limit]
    logger.info("The latest events of %s are of %s.", asset.uri, ", ".join(found) or "no tuning job")
    return found

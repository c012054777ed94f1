"""The variables that point clients, scripts and Airflow at a local service."""

import json
from collections.abc import Mapping
from typing import Any

from airflow_hpt.local.home import Home, Settings

CONNECTION = "AIRFLOW_CONN_HPT_LOCAL"


def variables(home: Home, settings: Settings) -> Mapping[str, str]:
    """Return the variables for a service of `home` that runs with `settings`."""
    keys = home.credentials()
    environment = {
        "HPT_ENDPOINT": settings.endpoint,
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_ENDPOINT_URL_SAGEMAKER": settings.endpoint,
        CONNECTION: json.dumps(_connection(home, settings)),
    }
    if settings.s3_endpoint:
        return environment | {"AWS_ENDPOINT_URL_S3": settings.s3_endpoint}
    return environment | {"HPT_S3_ROOT": str(home.s3_root(settings))}


def _connection(home: Home, settings: Settings) -> dict[str, Any]:
    """Return the Airflow connection, as the hooks of the Amazon provider read it.

    The endpoint is that of all services, so that keys which only the local service knows are never sent to AWS.
    """
    keys = home.credentials()
    extra: dict[str, Any] = {"region_name": settings.region, "endpoint_url": settings.endpoint}
    if settings.s3_endpoint:
        extra["service_config"] = {"s3": {"endpoint_url": settings.s3_endpoint}}
    return {"conn_type": "aws", "login": keys.access_key, "password": keys.secret_key, "extra": extra}

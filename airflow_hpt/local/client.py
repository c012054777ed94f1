"""A boto3 client of a local service."""

from typing import Any

from airflow_hpt.errors import ServiceUnavailable
from airflow_hpt.local.daemon import running
from airflow_hpt.local.home import Home


def sagemaker(home: Home) -> Any:
    """Return a boto3 client of the service that serves `home`."""
    import boto3
    from botocore.config import Config

    service = running(home)
    if service is None:
        raise ServiceUnavailable(f"No local service runs in {home.path}. Start it with: {home.command('local start')}")
    keys = home.credentials()
    return boto3.client(
        "sagemaker",
        endpoint_url=service.settings.endpoint,
        region_name=service.settings.region,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        config=Config(proxies={}),  # a proxy of this network does not know this machine's loopback
    )

"""The buttons on a task's page that open its tuning job: in the AWS console, and on this package's tuning page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from airflow.sdk import BaseOperatorLink

from airflow_hpt._compat import base_url

CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
PAGES = "/hpt"  # where the tuning pages are, below Airflow's own address
FRAME = "/plugin/tuning"  # where Airflow shows them within its own interface; what follows is the page's path


class PushedLink(BaseOperatorLink):
    """A button whose address the task pushes as soon as it knows its tuning job."""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the address that the task has pushed."""
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""


class TuningJobLink(PushedLink):
    """Opens the tuning job in the AWS console."""

    name = "Tuning job"


class TuningPageLink(PushedLink):
    """Opens the tuning job on the tuning page."""

    name = "Tuning page"


LINKS = (TuningJobLink(), TuningPageLink())


def console_url(name: str, *, region: str, partition: str) -> str:
    """Return the address of the tuning job `name` in the AWS console."""
    console = CONSOLES.get(partition, CONSOLES["aws"])
    prefix = f"{region}." if partition == "aws" else ""
    return f"https://{prefix}{console}/sagemaker/home?region={region}#/hyper-tuning-jobs/{name}"


def page_url(name: str, *, connection: str | None, region: str | None) -> str:
    """Return the address of the tuning page of the tuning job `name`, framed by Airflow's interface.

    Without a connection (boto3's default chain), the page looks on all those that it may use.
    """
    base = base_url()
    return f"{base}{FRAME}{urlsplit(base).path}{page_path(name, connection=connection, region=region)}"


def page_path(name: str, *, connection: str | None, region: str | None) -> str:
    """Return the path of a tuning job's page, below Airflow's own address."""
    query = {key: value for key, value in (("connection", connection), ("region", region)) if value}
    return f"{PAGES}/jobs/{name}" + (f"?{urlencode(query)}" if query else "")


def push_link(ti: Any, name: str, hook: Any) -> None:
    """Make the buttons of a running task work at once; Airflow itself would fill them in when the process ends.

    A local service has no console, so there that button leads nowhere.
    """
    console = "" if hook.is_local else console_url(name, region=hook.region, partition=hook.partition)
    ti.xcom_push(key=TuningJobLink().xcom_key, value=console)
    page = page_url(name, connection=hook.aws_conn_id, region=hook.region_name)
    ti.xcom_push(key=TuningPageLink().xcom_key, value=page)

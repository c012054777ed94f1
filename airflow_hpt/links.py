"""The button on a task's page that opens its tuning job."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink

CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


class TuningJobLink(BaseOperatorLink):
    """Opens the tuning job in the AWS console."""

    name = "Tuning job"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the address that the task pushed as soon as it knew its tuning job."""
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(key=self.xcom_key, ti_key=ti_key) or ""


def console_url(name: str, *, region: str, partition: str) -> str:
    """Return the address of the tuning job `name` in the AWS console."""
    console = CONSOLES.get(partition, CONSOLES["aws"])
    prefix = f"{region}." if partition == "aws" else ""
    return f"https://{prefix}{console}/sagemaker/home?region={region}#/hyper-tuning-jobs/{name}"


def push_link(ti: Any, name: str, hook: Any) -> None:
    """Make the button of a running task work at once; Airflow itself would fill it in when the process ends.

    A local service has no console, so there the button leads nowhere.
    """
    url = "" if hook.is_local else console_url(name, region=hook.region, partition=hook.partition)
    ti.xcom_push(key=TuningJobLink().xcom_key, value=url)

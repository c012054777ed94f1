"""A trigger of the kind that some of the amazon provider's are: it calls AWS on the triggerer's event loop."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

LOOKS = 20


class LooksOnTheLoop(BaseTrigger):
    """Makes new clients on the event loop, each of which fetches the connection there."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.LooksOnTheLoop", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        for _ in range(LOOKS):
            AwsBaseHook(aws_conn_id="hpt_local", client_type="sagemaker").conn.list_hyper_parameter_tuning_jobs()
            await asyncio.sleep(0.05)
        yield TriggerEvent("done")


class LoopOperator(BaseOperator):
    """Waits for the trigger."""

    def execute(self, context: Any) -> None:
        self.defer(trigger=LooksOnTheLoop(), method_name="execute_complete")

    def execute_complete(self, context: Any, event: str) -> str:
        return event

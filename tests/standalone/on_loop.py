"""A trigger of the kind that some of the amazon provider's are: it calls AWS on the triggerer's event loop."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

SECONDS = 20


class LooksOnTheLoop(BaseTrigger):
    """Makes new clients on the event loop, each of which fetches the connection there."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.LooksOnTheLoop", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        deadline = asyncio.get_running_loop().time() + SECONDS
        while asyncio.get_running_loop().time() < deadline:
            AwsBaseHook(aws_conn_id="hpt_stored", client_type="sagemaker").conn  # noqa: B018 - looking is what counts
            await asyncio.sleep(0)
        yield TriggerEvent("done")


class LoopOperator(BaseOperator):
    """Waits for the trigger."""

    def execute(self, context: Any) -> None:
        self.defer(trigger=LooksOnTheLoop(), method_name="execute_complete")

    def execute_complete(self, context: Any, event: str) -> str:
        return event

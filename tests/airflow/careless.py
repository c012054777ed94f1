"""Triggers that look up AWS connections in the way that locks up a triggerer when both do it at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_hpt._compat import in_thread


def connect(conn_id: str) -> str:
    """Look up a connection with the amazon provider's hook, which may hold a lock of its class meanwhile."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    return str(AwsBaseHook(aws_conn_id=conn_id, client_type="sagemaker").conn_config.conn_id)


class LooksInAThread(BaseTrigger):
    """Leaves to a thread what `TuningJobFinished` does on the event loop first."""

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.LooksInAThread", {"conn_id": self.conn_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        yield TriggerEvent(await in_thread(connect, self.conn_id))


class LooksOnTheLoop(BaseTrigger):
    """Looks up a connection on the event loop each time it is told to, and says so right before."""

    def __init__(self, conn_id: str, folder: str) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.folder = folder

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.LooksOnTheLoop", {"conn_id": self.conn_id, "folder": self.folder}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        looks = 0
        while not Path(self.folder, "enough").exists():
            if Path(self.folder, f"go-{looks}").exists():
                # Nothing else can happen on the loop between the two.
                Path(self.folder, f"going-{looks}").touch()
                connect(self.conn_id)
                looks += 1
            await asyncio.sleep(0.01)
        yield TriggerEvent(looks)

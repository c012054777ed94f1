"""The hook: from an Airflow connection to the tuning API behind it, on AWS or on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from airflow.sdk import BaseHook

from airflow_hpt._compat import airflow_error, in_thread
from airflow_hpt.domain.names import ACCOUNT
from airflow_hpt.errors import CredentialsExpired, InvalidRequest, TuningJobTimedOut
from airflow_hpt.hooks import faults
from airflow_hpt.hooks.clients import ClientSettings, client_for, forget, settled
from airflow_hpt.hooks.progress import Watch
from airflow_hpt.hooks.telemetry import count

UNFETCHED = object()


class Connected(Protocol):
    """Anything that says which connection to use, in the words of the amazon provider."""

    aws_conn_id: str | None
    region_name: str | None
    verify: bool | str | None
    botocore_config: dict[str, Any] | None


class TuningHook(BaseHook):
    """Calls the tuning API and raises this package's errors.

    A hook may be shared by threads once its connection is fetched: at the first call, or by `prepare` on an event loop.

    :param aws_conn_id: connection of type `aws`; None uses boto3's default chain
    :param region_name: overrides the connection's region
    :param verify: whether, or with which certificates, to verify TLS
    :param botocore_config: keyword arguments of `botocore.config.Config`
    """

    def __init__(
        self,
        aws_conn_id: str | None = "aws_default",
        *,
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self._settings = ClientSettings(aws_conn_id, region_name, verify, botocore_config)
        self._connection: Any = UNFETCHED

    @classmethod
    def of(cls, owner: Connected) -> TuningHook:
        """Return a hook on the connection that an operator, sensor or trigger names."""
        return cls(
            owner.aws_conn_id,
            region_name=owner.region_name,
            verify=owner.verify,
            botocore_config=owner.botocore_config,
        )

    def get_conn(self) -> Any:
        """Return the boto3 client of the tuning API."""
        return self.client("sagemaker")

    def client(self, service: str) -> Any:
        """Return the boto3 client of an AWS service on this connection."""
        if self._connection is UNFETCHED:
            self._connection = settled(self._settings, self._fetch_connection())
        return client_for(service, settings=self._settings, connection=self._connection)

    async def prepare(self) -> None:
        """Fetch the connection on the running event loop, then make the client in a thread.

        In a triggerer, a thread that fetches a connection while something on the loop does the same can lock up every
        trigger, so the loop comes first.
        """
        if self._connection is UNFETCHED:
            connection = await self._fetch_connection_on_loop()
            self._connection = await in_thread(settled, self._settings, connection)
        await in_thread(self.get_conn)

    def sit_out(self, fault: Exception) -> None:
        """Get ready for a later attempt: when the credentials have expired, it reads the connection anew."""
        count("faults_sat_out", kind=type(fault).__name__)
        if isinstance(fault, CredentialsExpired):
            forget(self._connection)
            self._connection = UNFETCHED

    @property
    def region(self) -> str:
        """Return the region in force."""
        return str(self.get_conn().meta.region_name)

    @property
    def partition(self) -> str:
        """Return the AWS partition of the region in force."""
        return str(self.get_conn().meta.partition)

    @property
    def endpoint(self) -> str:
        """Return the address of the service."""
        return str(self.get_conn().meta.endpoint_url)

    @property
    def is_local(self) -> bool:
        """Say whether the service runs on this machine."""
        return faults.is_local(self.endpoint)

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation of the SageMaker API, named as in its reference."""
        from botocore import xform_name

        client = self.get_conn()
        with faults.translated(operation, endpoint=client.meta.endpoint_url, connection=self.aws_conn_id):
            response: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
        return response

    def pages(self, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield the items below `key` from every page of a listing operation."""
        token: dict[str, str] = {}
        while True:
            page = self.call(operation, MaxResults=100, **parameters, **token)
            yield from page[key]
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def describe(self, name: str) -> dict[str, Any]:
        """Return the description of the tuning job `name`."""
        return self.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)

    def search(self, *filters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the tuning jobs that pass all filters of the API's Search, with their tags, the latest first."""
        found = self.pages(
            "Search",
            "Results",
            Resource="HyperParameterTuningJob",
            SearchExpression={"Filters": list(filters)},
            SortBy="CreationTime",
            SortOrder="Descending",
        )
        return (each["HyperParameterTuningJob"] for each in found)

    def role_arn(self, role: str) -> str:
        """Return the ARN of a role that may be given by its name."""
        if role.startswith("arn:"):
            return role
        if self.is_local:
            return f"arn:aws:iam::{ACCOUNT}:role/{role}"  # a local service has no roles, but wants one named
        iam = self.client("iam")
        with faults.translated(f"GetRole {role}", endpoint=iam.meta.endpoint_url, connection=self.aws_conn_id):
            return str(iam.get_role(RoleName=role)["Role"]["Arn"])

    def tags(self, arn: str) -> dict[str, str]:
        """Return the tags of a job."""
        return {tag["Key"]: tag["Value"] for tag in self.pages("ListTags", "Tags", ResourceArn=arn)}

    def training_jobs(self, name: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield summaries of the training jobs of the tuning job `name`."""
        listing = "ListTrainingJobsForHyperParameterTuningJob"
        return self.pages(listing, "TrainingJobSummaries", HyperParameterTuningJobName=name, **parameters)

    def stop(self, name: str) -> bool:
        """Stop the tuning job `name`; return False when it had ended, or was stopping, already."""
        try:
            self.call("StopHyperParameterTuningJob", HyperParameterTuningJobName=name)
        except InvalidRequest:
            return False
        count("tuning_jobs_stopped")
        return True

    def wait(self, name: str, *, poll_seconds: float, seconds: float | None = None) -> dict[str, Any]:
        """Return the description of the tuning job once it has ended; raise TuningJobTimedOut after `seconds`."""
        started = time.monotonic()
        watch = Watch(name, poll_seconds)
        while True:
            pause = self._look(watch)
            if watch.ending is not None:
                return watch.ending
            if seconds is not None and time.monotonic() - started + pause > seconds:
                raise TuningJobTimedOut(f"Tuning job {name} is still {watch.status} after {seconds:.0f} seconds.")
            time.sleep(pause)

    def _look(self, watch: Watch) -> float:
        try:
            description = self.describe(watch.name)
        except faults.PASSING as error:
            self.sit_out(error)
            self.log.warning("%s", watch.missed(error))
            return watch.pause
        if line := watch.saw(description):
            self.log.info("%s", line)
        return watch.pause

    def _fetch_connection(self) -> Any:
        if not self.aws_conn_id:
            return None
        try:
            return self.get_connection(self.aws_conn_id)
        except airflow_error("AirflowNotFoundException") as error:
            raise faults.no_such_connection(self.aws_conn_id) from error

    async def _fetch_connection_on_loop(self) -> Any:
        if not self.aws_conn_id:
            return None
        try:
            return await self.aget_connection(self.aws_conn_id)
        except airflow_error("AirflowNotFoundException"):
            # dag.test() looks up connections of the metadata database only from synchronous code.
            return await in_thread(self._fetch_connection)

"""The data of a tuning job's channels: where it lies, and what is there now.

A location of S3 is a string prefix, as it is for SageMaker; a `file:///` location names one file or one folder. For the
local service `s3://bucket/key` is the file `$HPT_S3_ROOT/bucket/key`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import unquote

from airflow_hpt.domain.fingerprint import Entry
from airflow_hpt.errors import InvalidRequest, ObjectUnavailable
from airflow_hpt.hooks.faults import is_local, translated
from airflow_hpt.hooks.files import Files, Found
from airflow_hpt.hooks.tuning import TuningHook

S3_ROOT = "HPT_S3_ROOT"
DIRECTORY_BUCKET = "--x-s3"  # ends the name of a bucket of the kind that is not listed in order

# What S3 answers when not the moment but the caller is the problem, and what helps.
UNREADABLE: Mapping[str, str] = {
    "AccessDenied": "Allow {permission} on arn:aws:s3:::{resource} to the credentials of Airflow connection {conn!r}.",
    "NoSuchBucket": "Create the bucket, or correct the location.",
}


@dataclass(frozen=True, slots=True, order=True)
class Channel:
    """A named location of data."""

    name: str
    uri: str


class DataHook:
    """Reads the places that data lies in; every method may run in a thread once `hook` has its connection."""

    def __init__(self, hook: TuningHook) -> None:
        self._hook = hook
        self._files = Files()

    def list(self, channel: Channel) -> Iterator[tuple[Entry, float]]:
        """Yield an entry for every object of a channel in ascending order, with its date."""
        for found in self._found(channel.uri):
            yield Entry(channel.name, found.key, found.size, found.mark), found.modified

    def read(self, uri: str) -> IO[bytes] | None:
        """Return one object as an open file, None if it does not exist."""
        if path := self._path(uri):
            return self._files.read(path)
        bucket, key = _split(uri)
        answer = self._call("get_object", "s3:GetObject (and s3:ListBucket)", Bucket=bucket, Key=key)
        if not answer:
            return None
        file = TemporaryFile()  # noqa: SIM115 - the caller's to close
        with self._translated(f"get_object on {uri}"):
            shutil.copyfileobj(answer["Body"], file)
        file.seek(0)
        return file

    def write(self, uri: str, content: IO[bytes]) -> None:
        """Store a stream as one object, all of it or nothing."""
        if path := self._path(uri):
            self._files.write(path, content)
        else:
            bucket, key = _split(uri)
            self._call("put_object", "s3:PutObject", Bucket=bucket, Key=key, Body=content)

    def _found(self, uri: str) -> Iterator[Found]:
        if (path := self._path(uri)) is None:
            return self._objects(*_split(uri))
        if uri.startswith("s3:"):
            return self._files.below(path)
        return self._files.below(f"{path.rstrip('/')}/") if os.path.isdir(path) else self._files.only(path)

    def _objects(self, bucket: str, prefix: str) -> Iterator[Found]:
        # An object whose key ends in a slash stands for a folder.
        found = (_object(each, prefix) for each in self._pages(bucket, prefix) if not each["Key"].endswith("/"))
        return iter(sorted(found)) if bucket.endswith(DIRECTORY_BUCKET) else found

    def _pages(self, bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
        more: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", "s3:ListBucket", Bucket=bucket, Prefix=prefix, **more)
            yield from page.get("Contents", ())
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _call(self, operation: str, permission: str, **parameters: Any) -> dict[str, Any]:
        """Call S3; an empty answer means that there is no such object."""
        client = self._hook.client("s3")
        bucket, key = parameters["Bucket"], parameters.get("Key")
        location = f"s3://{bucket}/{parameters.get('Prefix', key)}"
        with self._translated(f"{operation} on {location}"):
            try:
                answer: dict[str, Any] = getattr(client, operation)(**parameters)
            except client.exceptions.ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "NoSuchKey":
                    return {}
                if code not in UNREADABLE:
                    raise
                resource = f"{bucket}/{key}" if key else bucket
                advice = UNREADABLE[code].format(permission=permission, resource=resource, conn=self._hook.aws_conn_id)
                raise ObjectUnavailable(f"{location} is out of reach ({operation}: {code}). {advice}") from error
        return answer

    def _translated(self, what: str) -> AbstractContextManager[None]:
        endpoint = self._hook.client("s3").meta.endpoint_url
        return translated(what, endpoint=endpoint, connection=self._hook.aws_conn_id)

    def _path(self, uri: str) -> str | None:
        """Return the path that a location stands for on this machine; None when it lies in a store."""
        if uri.startswith("file:"):
            return unquote(uri.removeprefix("file://").removeprefix("localhost"))
        root = os.environ.get(S3_ROOT)
        if root is None or not is_local(self._hook.endpoint):
            return None
        if not os.path.isdir(root):
            raise ObjectUnavailable(
                f"{uri} cannot be read: {S3_ROOT} is {root!r}, which is no folder here. `airflow-hpt local env` prints"
                " the folder of the local service; workers and the triggerer need the same one."
            )
        return re.sub("/+", "/", "/".join((root, *_split(uri))))


def channels(inputs: Any) -> list[Channel]:
    """Return the channels that a rendered field means: a location, a list of them, or locations by channel name.

    A location is text, or a Channel of the API.
    """
    if isinstance(inputs, Mapping) and "DataSource" not in inputs:
        named = [(str(name), source) for name, source in inputs.items()]
    else:
        named = [("", source) for source in (inputs if isinstance(inputs, list | tuple) else [inputs])]
    found = [_channel(name, source) for name, source in named]
    if not found or len({each.name for each in found}) < len(found):
        raise InvalidRequest(f"inputs must hold at least one location, and each channel once; it holds {inputs!r}.")
    return sorted(found)


def check_location(text: Any, *, parameter: str) -> str:
    """Return a rendered location if it is one."""
    scheme, _, rest = text.partition("://") if isinstance(text, str) else ("", "", "")
    is_file = scheme == "file" and rest.removeprefix("localhost").startswith("/")
    is_s3 = scheme == "s3" and not rest.startswith("/") and not {".", ".."} & set(rest.split("/"))
    if not (is_file or (is_s3 and rest)):
        raise InvalidRequest(
            f"{parameter} holds {text!r} after rendering; it takes locations like s3://bucket/prefix and file:///folder."
        )
    return str(text)


def _channel(name: str, source: Any) -> Channel:
    if isinstance(source, Mapping):
        name = name or str(source.get("ChannelName", ""))
        data_source = source.get("DataSource") or {}
        source = data_source.get("S3DataSource", {}).get("S3Uri") or data_source
    uri = check_location(source, parameter="inputs")
    return Channel(name or uri, uri)


def _object(described: Mapping[str, Any], prefix: str) -> Found:
    key, etag = described["Key"].removeprefix(prefix), described["ETag"].strip('"')
    return Found(key, described["Size"], etag, described["LastModified"].timestamp())


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key

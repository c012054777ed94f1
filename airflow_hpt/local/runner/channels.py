"""Input channels: what a definition asks for, brought into the folders that a container finds them in."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airflow_hpt.errors import ObjectUnavailable
from airflow_hpt.local.runner.objects import Objects


def bring(channel: Mapping[str, Any], objects: Objects, *, into: Path) -> None:
    """Bring the data of one channel into its folder, as read-only links where the storage allows it."""
    into.mkdir(parents=True, exist_ok=True)
    source = channel["DataSource"]["S3DataSource"]
    if source["S3DataType"] == "S3Prefix":
        objects.fetch(source["S3Uri"], into, writable=False)
        return
    for uri, relative in manifest_entries(source["S3Uri"], objects):
        objects.fetch(uri, (into / relative).parent, writable=False)


def manifest_entries(uri: str, objects: Objects) -> Iterator[tuple[str, str]]:
    """Yield location and relative path of every object that a manifest lists."""
    match _read_json(uri, objects):
        case [{"prefix": str(prefix)}, *entries] if all(isinstance(entry, str) for entry in entries):
            for entry in entries:
                if ".." in entry.split("/"):
                    raise ObjectUnavailable(f"The manifest {uri} lists {entry!r}; give paths without '..'.")
                yield prefix + entry, entry.lstrip("/")
        case _:
            raise ObjectUnavailable(
                f'The manifest {uri} is not a list such as [{{"prefix": "s3://bucket/folder/"}}, "file-1", "file-2"].'
            )


def _read_json(uri: str, objects: Objects) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        objects.fetch(uri, Path(folder))
        text = Path(folder, uri.rpartition("/")[2]).read_bytes()
    try:
        return json.loads(text)
    except ValueError as error:
        raise ObjectUnavailable(f"The manifest {uri} is not JSON: {error}.") from error

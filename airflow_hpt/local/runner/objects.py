"""Object storage as training jobs see it: S3 locations, kept in a folder or in any S3-compatible store.

A location to look below is a string prefix, as in S3: `s3://b/data/tr` covers `data/train/x` and `data/tr.csv`.
What is fetched keeps its path below the prefix when the prefix is a whole folder name (`s3://b/data/train` gives `x`),
and otherwise below the last folder of the prefix (`s3://b/data/tr` gives `train/x`). A `file:///` location names
one file or one folder.
"""

import contextlib
import errno
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from airflow_hpt.errors import ObjectUnavailable

DRAFT = ".airflow-hpt-draft-"
ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the store; `modified` is in seconds since the epoch."""

    uri: str
    size: int
    modified: float


class Objects(Protocol):
    """Object storage; every method raises ObjectUnavailable for a location that is malformed or cannot be reached."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return what `objects_from` needs to open the same storage in another process; no secrets."""
        ...

    def exists(self, prefix: str) -> bool:
        """Say whether anything is stored under the prefix."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield everything that is stored under the prefix."""
        ...

    def fetch(self, prefix: str, into: Path, *, writable: bool = True) -> None:
        """Bring everything under the prefix into a folder; unless `writable`, as links where the storage allows it."""
        ...

    def put(self, path: Path, uri: str) -> None:
        """Store a file, or every file of a folder; each appears as a whole or not at all."""
        ...

    def delete(self, uri: str) -> None:
        """Remove one object, if it is there."""
        ...


def objects_from(settings: Mapping[str, Any]) -> Objects:
    """Open the storage that another process described by `Objects.settings`."""
    if "root" in settings:
        return FolderObjects(Path(settings["root"]))
    return S3Objects(settings["endpoint_url"], region=settings["region"])


class _Keyed(ABC):
    """What both kinds of storage share: locations in, operations on (bucket, key) out."""

    @abstractmethod
    def _scan(self, bucket: str, prefix: str) -> Iterator[tuple[str, int, float]]: ...

    @abstractmethod
    def _take(self, bucket: str, key: str, target: Path, *, writable: bool) -> None: ...

    @abstractmethod
    def _store(self, path: Path, bucket: str, key: str) -> None: ...

    @abstractmethod
    def _remove(self, bucket: str, key: str) -> None: ...

    def _clean(self, key: str, uri: str) -> str:
        return key

    def exists(self, prefix: str) -> bool:
        store, bucket, key = self._locate(prefix)
        return next(store._scan(bucket, key), None) is not None

    def list(self, prefix: str) -> Iterator[StoredObject]:
        store, bucket, key = self._locate(prefix)
        scheme = "file:///" if prefix.startswith("file:") else f"s3://{bucket}/"
        for found, size, modified in store._scan(bucket, key):
            yield StoredObject(scheme + found, size, modified)

    def fetch(self, prefix: str, into: Path, *, writable: bool = True) -> None:
        store, bucket, key = self._locate(prefix)
        found = [name for name, _, _ in store._scan(bucket, key)]
        if not found:
            raise ObjectUnavailable(f"No objects are stored under {prefix}.")
        for name in found:
            target = _inside(into, _relative(name, key))
            with _faults(f"{name} could not be brought from {prefix} to {target}"):
                target.parent.mkdir(parents=True, exist_ok=True)
                store._take(bucket, name, target, writable=writable)

    def put(self, path: Path, uri: str) -> None:
        store, bucket, key = self._locate(uri, is_exact=True)
        files = [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if file.is_file()]
        for file in files:
            name = key if file == path else f"{key.rstrip('/')}/{file.relative_to(path).as_posix()}".lstrip("/")
            with _faults(f"{file} could not be stored as {uri}"):
                store._store(file, bucket, name)

    def delete(self, uri: str) -> None:
        store, bucket, key = self._locate(uri, is_exact=True)
        with _faults(f"{uri} could not be deleted"):
            store._remove(bucket, key)

    def _locate(self, uri: str, *, is_exact: bool = False) -> "tuple[_Keyed, str, str]":
        if not uri.startswith("file:"):
            bucket, key = split_uri(uri)
            return self, bucket, self._clean(key, uri)
        path = Path("/", *_segments(unquote(uri.removeprefix("file://").removeprefix("localhost")), uri))
        is_folder = path.is_dir() and not is_exact
        return FolderObjects(Path("/")), "", path.as_posix().lstrip("/") + "/" * is_folder


class FolderObjects(_Keyed):
    """Storage in a folder: `s3://bucket/key` is the file `<root>/bucket/key`.

    Repeated slashes in a key count as one. Links inside the folder are followed, so that a bucket, or a part of one,
    may be a link to data elsewhere.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return where the folder is."""
        return {"root": str(self.root)}

    def _clean(self, key: str, uri: str) -> str:
        path = "/".join(_segments(key, uri))
        return f"{path}/" if path and key.endswith("/") else path

    def _path(self, bucket: str, key: str) -> Path:
        return self.root.joinpath(bucket, key)

    def _scan(self, bucket: str, prefix: str) -> Iterator[tuple[str, int, float]]:
        folder, _, start = prefix.rpartition("/")
        yield from self._walk(self._path(bucket, folder), f"{folder}/" if folder else "", start, frozenset())

    def _walk(self, folder: Path, below: str, start: str, seen: frozenset[str]) -> Iterator[tuple[str, int, float]]:
        real = os.path.realpath(folder)
        if real in seen:  # a link to a folder that contains it
            return
        for entry in _entries(folder):
            if not entry.name.startswith(start) or entry.name.startswith(DRAFT):
                continue
            if entry.is_dir():
                yield from self._walk(Path(entry.path), f"{below}{entry.name}/", "", seen | {real})
            elif entry.is_file():
                facts = entry.stat()
                yield below + entry.name, facts.st_size, facts.st_mtime

    def _take(self, bucket: str, key: str, target: Path, *, writable: bool) -> None:
        source = self._path(bucket, key)
        if writable:
            shutil.copy(source, target)
        else:
            target.symlink_to(source)

    def _store(self, path: Path, bucket: str, key: str) -> None:
        target = self._path(bucket, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{DRAFT}{os.getpid()}-{os.urandom(4).hex()}")
        try:
            shutil.copyfile(path, draft)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    def _remove(self, bucket: str, key: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path(bucket, key).unlink()


class S3Objects(_Keyed):
    """Storage in S3 or a compatible store, with the credentials that boto3 finds."""

    def __init__(self, endpoint_url: str | None = None, *, region: str = "us-east-1") -> None:
        self.endpoint_url = endpoint_url
        self.region = region
        self._opened: Any = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return where the store is."""
        return {"endpoint_url": self.endpoint_url, "region": self.region}

    @property
    def _client(self) -> Any:
        if self._opened is None:
            import boto3
            from botocore.config import Config

            config = Config(retries={"mode": "standard", "max_attempts": 3}, connect_timeout=10)
            session = boto3.session.Session()  # the default session is not safe across threads
            self._opened = session.client("s3", endpoint_url=self.endpoint_url, region_name=self.region, config=config)
        return self._opened

    def _scan(self, bucket: str, prefix: str) -> Iterator[tuple[str, int, float]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        with _faults(f"s3://{bucket}/{prefix} could not be listed"):
            for page in pages:
                for found in page.get("Contents", ()):
                    if not found["Key"].endswith("/"):  # an empty object that stands for a folder
                        yield found["Key"], found["Size"], found["LastModified"].timestamp()

    def _take(self, bucket: str, key: str, target: Path, *, writable: bool) -> None:
        self._client.download_file(bucket, key, str(target))

    def _store(self, path: Path, bucket: str, key: str) -> None:
        self._client.upload_file(str(path), bucket, key)

    def _remove(self, bucket: str, key: str) -> None:
        self._client.delete_object(Bucket=bucket, Key=key)


def split_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and key of an S3 location; path-style https addresses are understood too.

    >>> split_uri("s3://bucket/some/key")
    ('bucket', 'some/key')
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "https":
        rest = rest.partition("/")[2]
    elif scheme != "s3":
        raise ObjectUnavailable(f"{uri!r} is not a location of objects; give s3://bucket/key or file:///folder.")
    bucket, _, key = rest.partition("/")
    if bucket in ("", ".", ".."):
        raise ObjectUnavailable(f"{uri!r} names no bucket; give s3://bucket/key.")
    return bucket, key


def _segments(path: str, uri: str) -> "list[str]":
    segments = [segment for segment in path.split("/") if segment]
    if {".", ".."} & set(segments) or "\0" in path:
        raise ObjectUnavailable(f"{uri!r} has '.', '..' or a NUL in its path; name the object itself.")
    return segments


def _relative(key: str, prefix: str) -> str:
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    if key.startswith(folder):
        return key.removeprefix(folder)
    return key.removeprefix(prefix.rpartition("/")[0]).lstrip("/")


def _inside(folder: Path, relative: str) -> Path:
    if ".." in relative.split("/") or "\0" in relative:
        raise ObjectUnavailable(f"The object key {relative!r} would leave the folder {folder}; rename the object.")
    return folder / relative


def _entries(folder: Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if error.errno in ABSENT:
            return []
        raise ObjectUnavailable(f"{folder} cannot be listed: {error.strerror}.") from error


@contextlib.contextmanager
def _faults(what: str) -> Iterator[None]:
    """Turn the faults of the file system and of boto3 into ObjectUnavailable."""
    try:
        yield
    except OSError as error:
        raise ObjectUnavailable(f"{what}: {error.strerror or error}.") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in {"botocore", "boto3", "s3transfer"}:
            raise
        raise ObjectUnavailable(f"{what}: {error}.") from error

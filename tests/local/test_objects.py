"""Object storage: one set of promises for the folder and for a real S3 store, and what only the folder has."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.errors import ObjectUnavailable
from airflow_hpt.local.runner.objects import FolderObjects, Objects, S3Objects, objects_from, split_uri

KEYS = ("data/train/x", "data/train/deep/y", "data/tr.csv", "data/other", "top")


@pytest.fixture(scope="module", autouse=True)
def credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield


@pytest.fixture(scope="module")
def s3(credentials: None) -> Iterator[S3Objects]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    storage = S3Objects(f"http://{host}:{port}")
    storage._client.create_bucket(Bucket="bucket")
    yield storage
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """Return an empty storage of either kind."""
    if request.param == "folder":
        return FolderObjects(tmp_path / "s3")
    storage: S3Objects = request.getfixturevalue("s3")
    for uri in [found.uri for found in storage.list("s3://bucket/")]:
        storage.delete(uri)
    return storage


@pytest.fixture
def filled(objects: Objects, tmp_path: Path) -> Objects:
    for key in KEYS:
        source = tmp_path / "source"
        source.write_text(key)
        objects.put(source, f"s3://bucket/{key}")
    return objects


def tree(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("s3://bucket/data/train/", {"x": "data/train/x", "deep/y": "data/train/deep/y"}),
        ("s3://bucket/data/train", {"x": "data/train/x", "deep/y": "data/train/deep/y"}),
        ("s3://bucket/data/train/x", {"x": "data/train/x"}),
        (
            "s3://bucket/data/tr",
            {"train/x": "data/train/x", "train/deep/y": "data/train/deep/y", "tr.csv": "data/tr.csv"},
        ),
        ("s3://bucket/t", {"top": "top"}),
        ("s3://bucket", {key: key for key in KEYS}),
        ("s3://bucket/", {key: key for key in KEYS}),
    ],
)
@pytest.mark.parametrize("writable", [True, False])
def test_a_prefix_is_a_string_prefix(
    filled: Objects, tmp_path: Path, prefix: str, expected: dict[str, str], writable: bool
) -> None:
    assert filled.exists(prefix)
    assert sorted(found.uri for found in filled.list(prefix)) == sorted(
        f"s3://bucket/{key}" for key in expected.values()
    )
    filled.fetch(prefix, tmp_path / "into", writable=writable)
    assert tree(tmp_path / "into") == expected


@pytest.mark.parametrize("prefix", ["s3://bucket/data/nothing", "s3://bucket/top/", "s3://bucket/data/train/x/"])
def test_nothing_is_under_a_prefix_that_no_object_starts_with(filled: Objects, tmp_path: Path, prefix: str) -> None:
    assert not filled.exists(prefix)
    assert list(filled.list(prefix)) == []
    with pytest.raises(ObjectUnavailable, match="No objects are stored under"):
        filled.fetch(prefix, tmp_path / "into")


def test_listed_objects_have_their_size_and_time(filled: Objects) -> None:
    (found,) = filled.list("s3://bucket/top")
    assert (found.uri, found.size) == ("s3://bucket/top", 3)
    assert found.modified > 1.7e9


def test_a_folder_is_stored_file_by_file(objects: Objects, tmp_path: Path) -> None:
    source = tmp_path / "folder"
    (source / "sub").mkdir(parents=True)
    (source / "a").write_text("1")
    (source / "sub" / "b").write_text("2")
    objects.put(source, "s3://bucket/model/")
    objects.fetch("s3://bucket/model", tmp_path / "back")
    assert tree(tmp_path / "back") == {"a": "1", "sub/b": "2"}


def test_an_object_can_be_replaced_and_deleted_twice(filled: Objects, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new")
    filled.put(tmp_path / "new", "s3://bucket/top")
    filled.fetch("s3://bucket/top", tmp_path / "into")
    assert (tmp_path / "into" / "top").read_text() == "new"
    for _ in range(2):
        filled.delete("s3://bucket/top")
    assert not filled.exists("s3://bucket/top")


def test_another_process_opens_the_same_storage_from_its_settings(filled: Objects) -> None:
    again = objects_from(json.loads(json.dumps(dict(filled.settings))))
    assert again.exists("s3://bucket/top")


@pytest.mark.parametrize(
    ("uri", "match"),
    [
        ("bucket/key", "is not a location of objects"),
        ("ftp://bucket/key", "is not a location of objects"),
        ("s3://", "names no bucket"),
        ("s3:///key", "names no bucket"),
        ("s3://../key", "names no bucket"),
        ("file:///a/../b", "in its path"),
    ],
)
def test_what_is_no_location_is_refused(objects: Objects, uri: str, match: str) -> None:
    with pytest.raises(ObjectUnavailable, match=match):
        objects.exists(uri)


def test_files_of_this_machine_are_exact_locations(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a b").write_text("1")
    (tmp_path / "data2").write_text("2")
    assert [found.size for found in objects.list(f"file://{tmp_path}/data")] == [1]
    objects.fetch(f"file://{tmp_path}/data", tmp_path / "into")
    assert tree(tmp_path / "into") == {"a b": "1"}
    objects.put(tmp_path / "data2", f"file://{tmp_path}/out/copy")
    assert (tmp_path / "out" / "copy").read_text() == "2"
    assert objects.exists(f"file://{tmp_path}/data/a%20b")


def test_https_addresses_name_buckets_in_their_path() -> None:
    assert split_uri("https://s3.us-west-2.amazonaws.com/bucket/a/b") == ("bucket", "a/b")


# The folder alone


@pytest.mark.parametrize("key", ["../secret", "a/../../secret", "a/./b", "a\0b"])
def test_no_key_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_text("s")
    objects = FolderObjects(tmp_path / "s3")
    for act in (
        lambda: objects.exists(f"s3://bucket/{key}"),
        lambda: objects.put(tmp_path / "secret", f"s3://bucket/{key}"),
        lambda: objects.delete(f"s3://bucket/{key}"),
    ):
        with pytest.raises(ObjectUnavailable, match="in its path"):
            act()


@given(st.text(alphabet="ab./\0é", max_size=12), st.text(alphabet="ab./\0é", max_size=12))
def test_every_location_lies_in_the_folder_or_is_refused(bucket: str, key: str) -> None:
    objects = FolderObjects(Path("/nowhere/s3"))
    try:
        _, bucket, key = objects._locate(f"s3://{bucket}/{key}")
    except ObjectUnavailable:
        return
    assert objects._path(bucket, key).is_relative_to("/nowhere/s3")
    assert ".." not in objects._path(bucket, key).parts


def test_what_is_fetched_to_be_read_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "s3" / "bucket").mkdir(parents=True)
    (tmp_path / "s3" / "bucket" / "big").write_text("data")
    FolderObjects(tmp_path / "s3").fetch("s3://bucket/big", tmp_path / "into", writable=False)
    assert (tmp_path / "into" / "big").is_symlink()


def test_a_bucket_may_be_a_link_and_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").touch()
    (tmp_path / "elsewhere" / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "s3").mkdir()
    (tmp_path / "s3" / "bucket").symlink_to(tmp_path / "elsewhere")
    assert [found.uri for found in FolderObjects(tmp_path / "s3").list("s3://bucket/")] == ["s3://bucket/x"]


def test_repeated_slashes_count_as_one(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path / "s3")
    (tmp_path / "x").touch()
    objects.put(tmp_path / "x", "s3://bucket//a///x")
    assert [found.uri for found in objects.list("s3://bucket//a//")] == ["s3://bucket/a/x"]


def test_a_reader_never_sees_half_an_object(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path / "s3")
    texts = ["a" * 200_000, "b" * 300_000]
    for number, text in enumerate(texts):
        (tmp_path / f"source-{number}").write_text(text)
    objects.put(tmp_path / "source-0", "s3://bucket/object")
    over = threading.Event()

    def write() -> None:
        for number in range(100):
            objects.put(tmp_path / f"source-{number % 2}", "s3://bucket/object")
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not over.is_set():
        assert (tmp_path / "s3" / "bucket" / "object").read_text() in texts
        assert [found.uri for found in objects.list("s3://bucket/")] == ["s3://bucket/object"]
    writer.join()


def test_a_location_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "s3").touch()
    (tmp_path / "x").touch()
    with pytest.raises(ObjectUnavailable, match="could not be stored as s3://bucket/x: Not a directory"):
        FolderObjects(tmp_path / "s3").put(tmp_path / "x", "s3://bucket/x")


# S3 alone


def test_a_bucket_that_does_not_exist_is_told(s3: S3Objects) -> None:
    with pytest.raises(ObjectUnavailable, match="NoSuchBucket"):
        s3.exists("s3://no-such-bucket/x")


def test_a_store_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(ObjectUnavailable, match="Could not connect"):
        S3Objects("http://127.0.0.1:9").put(tmp_path / "x", "s3://bucket/x")


def test_a_key_that_would_leave_the_folder_is_not_fetched(s3: S3Objects, tmp_path: Path) -> None:
    s3._client.put_object(Bucket="bucket", Key="in/../../out", Body=b"x")
    with pytest.raises(ObjectUnavailable, match="would leave the folder"):
        s3.fetch("s3://bucket/in/", tmp_path / "into")

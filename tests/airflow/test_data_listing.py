"""What lies in the channels of a tuning job: folders, S3, and S3 as a folder."""

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from airflow_hpt.errors import AccessRefused, CredentialsExpired, InvalidRequest, ObjectUnavailable, ServiceUnavailable
from airflow_hpt.hooks.data import S3_ROOT, Channel, DataHook, channels
from airflow_hpt.hooks.listings import Listing, Listings, Survey, survey
from airflow_hpt.hooks.tuning import TuningHook
from tests.airflow.conftest import make_connection
from tests.airflow.fake_s3 import FakeS3
from tests.airflow.fake_sagemaker import FakeSageMaker

pytestmark = pytest.mark.airflow


def make_files(folder: Path, **contents: str) -> Path:
    for name, content in contents.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def make_hook() -> DataHook:
    return DataHook(TuningHook("fake"))


def look(inputs: Any, hook: DataHook | None = None) -> Survey:
    return survey(hook or make_hook(), channels(inputs))


def paths(seen: Survey) -> list[str]:
    return [entry.path for entry in seen.listing]


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3(moto: str, fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the S3 behind the connection `fake`, with an empty bucket `bucket`."""
    extra = {"service_config": {"s3": {"endpoint_url": moto}}}
    monkeypatch.setenv("AIRFLOW_CONN_FAKE", make_connection(fake.endpoint, **extra))
    keys = {"aws_access_key_id": "AKIATEST", "aws_secret_access_key": "secret"}
    client = boto3.client("s3", endpoint_url=moto, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="bucket")
    for each in client.list_objects_v2(Bucket="bucket").get("Contents", ()):
        client.delete_object(Bucket="bucket", Key=each["Key"])
    return client


class TestChannels:
    @pytest.mark.parametrize(
        ("inputs", "expected"),
        [
            ("s3://bucket/data", [("s3://bucket/data", "s3://bucket/data")]),
            (["s3://b/y", "file:///x"], [("file:///x", "file:///x"), ("s3://b/y", "s3://b/y")]),
            ({"train": "s3://bucket", "test": "file:///x"}, [("test", "file:///x"), ("train", "s3://bucket")]),
            ({"train": {"DataSource": {"S3DataSource": {"S3Uri": "s3://b/x"}}}}, [("train", "s3://b/x")]),
            (
                [{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/x"}}}],
                [("train", "s3://b/x")],
            ),
        ],
    )
    def test_inputs_are_given_as_for_a_tuning_job(self, inputs: Any, expected: list[tuple[str, str]]) -> None:
        assert channels(inputs) == [Channel(*each) for each in expected]

    @pytest.mark.parametrize(
        "inputs",
        [
            None,
            "",
            7,
            "data/train",
            "/data/train",
            "s3://",
            "s3:///key",
            "s3://bucket/../other",
            "file://data",
            "https://host/x",
            {"train": None},
            {"train": {"DataSource": {"FileSystemDataSource": {"FileSystemId": "fs-1"}}}},
        ],
    )
    def test_other_values_are_refused_by_what_they_are(self, inputs: Any) -> None:
        with pytest.raises(
            InvalidRequest, match=r"inputs holds .* after rendering; it takes locations like s3://bucket"
        ):
            channels(inputs)

    @pytest.mark.parametrize("inputs", [[], {}, ["s3://b/x", "s3://b/x"]])
    def test_no_channel_and_a_channel_given_twice_are_refused(self, inputs: Any) -> None:
        with pytest.raises(InvalidRequest, match="at least one location, and each channel once"):
            channels(inputs)


class TestFolders:
    def test_every_file_below_a_folder_counts(self, tmp_path: Path) -> None:
        make_files(tmp_path, a="1", sub__b="22")
        seen = look({"train": f"file://{tmp_path}"})
        assert paths(seen) == ["train/a", "train/sub/b"]
        assert (seen.fingerprint.objects, seen.fingerprint.bytes) == (2, 3)

    def test_a_single_file_is_a_channel_too(self, tmp_path: Path) -> None:
        make_files(tmp_path, data="1", data2="2")
        assert look(f"file://{tmp_path}/data").fingerprint.objects == 1

    def test_files_are_listed_in_the_order_of_s3(self, tmp_path: Path) -> None:
        for name in ("a/b", "a-b", "a.b", "a/b-c/d", "B", "é", "b/a"):
            make_files(tmp_path, **{name.replace("/", "__"): "x"})
        keys = [entry.key for entry in look(f"file://{tmp_path}/").listing]
        assert keys == sorted(keys, key=lambda key: key.encode())

    def test_the_same_data_elsewhere_has_the_same_fingerprint(self, tmp_path: Path) -> None:
        first, second = (make_files(tmp_path / name, a="1", sub__b="2") for name in ("first", "second"))
        found = {look({"train": f"file://{folder}"}).fingerprint for folder in (first, second)}
        assert len(found) == 1

    @pytest.mark.parametrize("change", ["content", "name", "removal", "addition"])
    def test_every_kind_of_change_shows(self, tmp_path: Path, change: str) -> None:
        make_files(tmp_path, a="1", b="2")
        hook = make_hook()
        before = look(f"file://{tmp_path}", hook).fingerprint
        match change:
            case "content":
                make_files(tmp_path, a="3")
            case "name":
                (tmp_path / "a").rename(tmp_path / "c")
            case "removal":
                (tmp_path / "a").unlink()
            case "addition":
                make_files(tmp_path, c="")
        assert look(f"file://{tmp_path}", hook).fingerprint != before

    def test_a_file_that_is_merely_touched_has_not_changed(self, tmp_path: Path) -> None:
        make_files(tmp_path, a="1")
        before = look(f"file://{tmp_path}").fingerprint
        os.utime(tmp_path / "a", (1, 1))
        assert look(f"file://{tmp_path}").fingerprint == before

    def test_an_unchanged_file_is_read_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        make_files(tmp_path, a="1")
        # A file that changed just now may change again within the resolution of its dates, so it is not trusted yet.
        reads = count_reads(monkeypatch)
        hook = make_hook()
        for _ in range(2):
            look(f"file://{tmp_path}", hook)
        assert reads == ["a", "a"]
        monkeypatch.setattr("airflow_hpt.hooks.files.RACY_NANOSECONDS", -1)
        for _ in range(3):
            look(f"file://{tmp_path}", hook)
        assert reads == ["a", "a", "a"]
        make_files(tmp_path, a="22")
        look(f"file://{tmp_path}", hook)
        assert reads == ["a"] * 4

    def test_a_missing_folder_is_an_empty_one(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        seen = look({"one": f"file://{tmp_path}/missing/deep", "two": f"file://{tmp_path}/empty"})
        assert [channel.name for channel in seen.empty] == ["one", "two"]
        assert seen.last_modified is None

    def test_links_are_followed_but_not_in_circles(self, tmp_path: Path) -> None:
        make_files(tmp_path, elsewhere__a="1", data__b="2")
        (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "data" / "ring").symlink_to(tmp_path / "data")
        (tmp_path / "data" / "dangling").symlink_to(tmp_path / "nothing")
        assert paths(look({"train": f"file://{tmp_path}/data"})) == ["train/b", "train/link/a"]

    def test_an_unreadable_folder_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: str) -> None:
            raise PermissionError(13, "Permission denied", path)

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(ObjectUnavailable, match=rf"{tmp_path} cannot be read: Permission denied\. The workers"):
            look(f"file://{tmp_path}")

    def test_an_unreadable_file_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(file: Any, digest: str) -> None:
            raise PermissionError(13, "Permission denied")

        make_files(tmp_path, a="1")
        monkeypatch.setattr(hashlib, "file_digest", refuse)
        with pytest.raises(ObjectUnavailable, match=f"{tmp_path}/a cannot be read: Permission denied"):
            look(f"file://{tmp_path}")

    def test_a_file_that_goes_while_the_folder_is_read_is_not_there(self, tmp_path: Path) -> None:
        make_files(tmp_path, a="1", b="2", c="3")
        listed = make_hook().list(Channel("train", f"file://{tmp_path}"))
        keys = [next(listed)[0].key]
        (tmp_path / "b").unlink()
        assert keys + [entry.key for entry, _ in listed] == ["a", "c"]

    def test_a_name_that_is_no_text_does_no_harm(self, tmp_path: Path) -> None:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))).write_text("1")
        assert look(f"file://{tmp_path}").fingerprint.objects == 1


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    reads: list[str] = []
    real = hashlib.file_digest

    def counting(file: Any, digest: str) -> Any:
        reads.append(os.path.basename(file.name))
        return real(file, digest)

    monkeypatch.setattr(hashlib, "file_digest", counting)
    return reads


class TestS3AsAFolder:
    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path, fake: FakeSageMaker, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv(S3_ROOT, str(tmp_path))
        return tmp_path

    @pytest.mark.parametrize(
        ("uri", "keys"),
        [
            ("s3://bucket/data/tr", ["ain/x", "ain2/y", "ee"]),
            ("s3://bucket/data/train/", ["x"]),
            ("s3://bucket/data/train", ["/x", "2/y"]),
            ("s3://bucket", ["data/train/x", "data/train2/y", "data/tree", "other"]),
            ("s3://bucket/nothing", []),
            ("s3://no-such-bucket/data", []),
        ],
    )
    def test_a_location_is_a_prefix_as_in_s3(self, root: Path, uri: str, keys: list[str]) -> None:
        make_files(root / "bucket", data__train__x="1", data__train2__y="2", data__tree="3", other="4")
        assert [entry.key for entry in look(uri).listing] == keys

    def test_what_is_just_being_written_does_not_count(self, root: Path) -> None:
        make_files(root / "bucket", **{"a": "1", ".airflow-hpt-draft-1": "2"})
        assert look("s3://bucket").fingerprint.objects == 1

    def test_a_root_that_is_not_there_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(S3_ROOT, "/no/such/folder")
        with pytest.raises(ObjectUnavailable, match=r"HPT_S3_ROOT is '/no/such/folder', which is no folder here"):
            look("s3://bucket/data")

    def test_the_folder_is_not_taken_for_the_s3_of_aws(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        make_files(root / "bucket", a="1")
        service = FakeS3()
        extra = {"service_config": {"s3": {"endpoint_url": service.endpoint}}}
        monkeypatch.setenv("AIRFLOW_CONN_FAKE", make_connection("https://api.sagemaker.eu-west-1.example", **extra))
        assert look("s3://bucket").fingerprint.objects == 0
        assert len(service.requests) == 1
        service.close()


class TestS3:
    def test_objects_count_with_key_size_and_etag(self, s3: Any) -> None:
        for key, body in {"data/a": b"1", "data/b/c": b"22", "data/": b"", "else": b"3"}.items():
            s3.put_object(Bucket="bucket", Key=key, Body=body)
        seen = look({"train": "s3://bucket/data/"})
        assert [(entry.path, entry.size) for entry in seen.listing] == [("train/a", 1), ("train/b/c", 2)]
        assert seen.last_modified is not None

    def test_new_content_of_the_same_size_shows(self, s3: Any) -> None:
        s3.put_object(Bucket="bucket", Key="data/a", Body=b"1")
        before = look("s3://bucket/data").fingerprint
        assert look("s3://bucket/data").fingerprint == before
        s3.put_object(Bucket="bucket", Key="data/a", Body=b"2")
        assert look("s3://bucket/data").fingerprint != before

    def test_a_missing_prefix_is_empty(self, s3: Any) -> None:
        assert look({"train": "s3://bucket/nothing"}).empty == (Channel("train", "s3://bucket/nothing"),)

    def test_a_missing_bucket_is_an_error_that_names_it(self, s3: Any) -> None:
        with pytest.raises(ObjectUnavailable, match=r"s3://no-such-bucket/data is out of reach .*NoSuchBucket.*Create"):
            look("s3://no-such-bucket/data")

    def test_listings_are_kept_and_found_by_fingerprint(self, s3: Any) -> None:
        s3.put_object(Bucket="bucket", Key="data/a", Body=b"1")
        seen = look("s3://bucket/data")
        Listings(make_hook(), "s3://bucket/listings/").keep(seen)
        later = Listings(make_hook(), "s3://bucket/listings")
        assert list(later.find(seen.fingerprint) or ()) == list(seen.listing)
        assert later.find(look("s3://bucket/listings").fingerprint) is None


class TestFaults:
    def test_a_hundred_thousand_objects_are_listed_page_by_page(self, fake_s3: FakeS3) -> None:
        objects = [(f"data/part-{index:06}.parquet", index, f"{index:032x}") for index in range(100_000)]
        fake_s3.listing = lambda bucket: objects
        seen = look({"train": "s3://bucket/data/"})
        assert (seen.fingerprint.objects, seen.fingerprint.bytes) == (100_000, sum(range(100_000)))
        assert len(fake_s3.requests) == 100

    def test_a_page_is_asked_for_when_the_one_before_was_used(self, fake_s3: FakeS3) -> None:
        fake_s3.listing = lambda bucket: [(f"{index:05}", 1, "e") for index in range(3_000)]
        for count, _ in enumerate(make_hook().list(Channel("train", "s3://bucket")), start=1):
            assert len(fake_s3.requests) == -(-count // 1_000)

    def test_a_directory_bucket_which_s3_lists_in_no_order_is_sorted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hook = make_hook()
        facts = {"Size": 1, "ETag": '"e"', "LastModified": datetime(2026, 11, 24, tzinfo=UTC)}
        monkeypatch.setattr(hook, "_pages", lambda *place: iter([{"Key": key, **facts} for key in ("b", "a", "a/")]))
        monkeypatch.setattr(hook, "_path", lambda uri: None)
        listed = hook.list(Channel("train", "s3://data--use1-az4--x-s3"))
        assert [entry.key for entry, _ in listed] == ["a", "b"]

    def test_a_refused_listing_names_prefix_permission_and_connection(self, fake_s3: FakeS3) -> None:
        fake_s3.faults = [("AccessDenied", 403)]
        message = (
            r"s3://bucket/data is out of reach \(list_objects_v2: AccessDenied\)\. Allow s3:ListBucket on"
            r" arn:aws:s3:::bucket to the credentials of Airflow connection 'fake'\."
        )
        with pytest.raises(ObjectUnavailable, match=message):
            look("s3://bucket/data")

    def test_a_refused_write_names_object_and_permission(self, fake_s3: FakeS3, tmp_path: Path) -> None:
        seen = look(f"file://{make_files(tmp_path, a='1')}")
        fake_s3.faults = [("AccessDenied", 403)]
        message = rf"s3://bucket/kept/{seen.fingerprint}.jsonl.gz .* s3:PutObject on arn:aws:s3:::bucket/kept/"
        with pytest.raises(ObjectUnavailable, match=message):
            Listings(make_hook(), "s3://bucket/kept").keep(seen)

    @pytest.mark.parametrize(
        ("code", "status", "error"),
        [
            ("SlowDown", 503, ServiceUnavailable),
            ("InternalError", 500, ServiceUnavailable),
            ("ExpiredToken", 400, CredentialsExpired),
            ("InvalidAccessKeyId", 403, AccessRefused),
            ("SignatureDoesNotMatch", 403, AccessRefused),
        ],
    )
    def test_faults_are_told_apart(self, fake_s3: FakeS3, code: str, status: int, error: type[Exception]) -> None:
        fake_s3.faults = [(code, status)] * 5
        with pytest.raises(error, match=f"list_objects_v2 on s3://bucket/data .*{code}"):
            look("s3://bucket/data")

    def test_throttling_in_the_middle_of_a_listing_is_retried(self, fake_s3: FakeS3) -> None:
        fake_s3.listing = lambda bucket: [(f"{index:05}", 1, "e") for index in range(1_500)]
        fake_s3.faults = [("SlowDown", 503)]
        assert look("s3://bucket").fingerprint.objects == 1_500


def test_a_listing_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    make_files(tmp_path, a="1", sub__b="2")
    seen = look({"train": f"file://{tmp_path}"})
    copy = Listing()
    assert list(copy.recording(seen.listing)) == list(seen.listing) == list(copy)


def test_listings_are_kept_in_a_folder_as_well(tmp_path: Path) -> None:
    seen = look(f"file://{make_files(tmp_path / 'data', a='1')}")
    Listings(make_hook(), f"file://{tmp_path}/new/kept").keep(seen)
    assert [file.name for file in (tmp_path / "new" / "kept").iterdir()] == [f"{seen.fingerprint}.jsonl.gz"]
    assert list(Listings(make_hook(), f"file://{tmp_path}/new/kept").find(seen.fingerprint) or ()) == list(seen.listing)


def test_a_listing_that_was_not_kept_is_not_found(tmp_path: Path) -> None:
    seen = look(f"file://{make_files(tmp_path, a='1')}")
    listings = Listings(make_hook(), f"file://{tmp_path}/kept")
    assert listings.find(seen.fingerprint) is None
    (tmp_path / "kept" / f"{seen.fingerprint}.jsonl.gz").mkdir(parents=True)
    with pytest.raises(ObjectUnavailable, match=r"\.jsonl\.gz cannot be read: Is a directory"):
        listings.find(seen.fingerprint)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    seen = look(f"file://{make_files(tmp_path, a='1')}")
    with pytest.raises(ObjectUnavailable, match=rf"{tmp_path}/a/.*\.jsonl\.gz cannot be written: File exists"):
        Listings(make_hook(), f"file://{tmp_path}/a").keep(seen)

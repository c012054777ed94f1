"""Fingerprints of data and differences between two listings."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.domain.fingerprint import Batch, Difference, Entry, Fingerprint, compare, take_fingerprint
from airflow_hpt.errors import InvalidRequest

Content = dict[tuple[str, str], tuple[int, str]]

places = st.tuples(st.sampled_from(["test", "train"]), st.text(max_size=3))
contents = st.dictionaries(places, st.tuples(st.integers(0, 99), st.sampled_from(["a", "b"])), max_size=8)


def listing(content: Content) -> list[Entry]:
    return sorted(Entry(*place, *facts) for place, facts in content.items())


def make_entries(**sizes: int) -> list[Entry]:
    return listing({("train", key): (size, f"etag-{size}") for key, size in sizes.items()})


@given(contents, contents)
def test_fingerprints_are_equal_exactly_when_the_data_is(one: Content, other: Content) -> None:
    assert (take_fingerprint(listing(one)) == take_fingerprint(listing(other))) == (one == other)


@given(contents)
def test_a_fingerprint_counts_what_it_covers(content: Content) -> None:
    fingerprint = take_fingerprint(listing(content))
    assert (fingerprint.objects, fingerprint.bytes) == (len(content), sum(size for size, _ in content.values()))


@given(contents)
def test_a_fingerprint_is_read_back_from_its_text(content: Content) -> None:
    fingerprint = take_fingerprint(listing(content))
    assert Fingerprint.parse(str(fingerprint)) == fingerprint


def test_the_largest_fingerprint_fits_a_tag() -> None:
    assert len(str(Fingerprint("0" * 32, 10**12, 10**18))) < 256


def test_fingerprints_stay_the_same_between_releases() -> None:
    # Jobs are tagged with them: another way to take them would make every DAG retune once.
    assert str(take_fingerprint(make_entries(x=1, y=2))) == "d23a4d374bb2629a100cf76c3ba07df2-2-3"


@pytest.mark.parametrize("text", ["", "None", "0" * 32, f"{'0' * 31}g-1-2", f"{'0' * 32}-1", f"{'0' * 32}-1-x"])
def test_other_text_is_not_taken_for_a_fingerprint(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"is not a data fingerprint; it looks like 0{32}-<objects>-<bytes>"):
        Fingerprint.parse(text)


@given(contents, contents)
def test_a_difference_is_that_of_the_sets(before: Content, after: Content) -> None:
    difference = compare(listing(before), listing(after), examples=99)
    assert set(difference.added.examples) == {Entry(*place, 0, "").path for place in after.keys() - before.keys()}
    assert set(difference.removed.examples) == {Entry(*place, 0, "").path for place in before.keys() - after.keys()}
    assert difference.changed.objects == sum(before[place] != after[place] for place in before.keys() & after.keys())
    assert difference.objects == len(set(before.items()) ^ set(after.items())) - difference.changed.objects
    assert (str(difference) == "unchanged") == (before == after)


@given(contents, contents)
def test_a_difference_the_other_way_round_swaps_added_and_removed(before: Content, after: Content) -> None:
    there, back = compare(listing(before), listing(after)), compare(listing(after), listing(before))
    assert (there.added, there.removed) == (back.removed, back.added)


def test_a_difference_names_the_first_few_and_counts_all() -> None:
    before = make_entries(a=1, b=2, c=3)
    after = make_entries(b=20, c=3, d=4, e=5, f=6, g=7)
    difference = compare(before, after, examples=2)
    assert difference == Difference(
        added=Batch(4, 22, ("train/d", "train/e")),
        changed=Batch(1, 20, ("train/b",)),
        removed=Batch(1, 1, ("train/a",)),
    )
    assert (difference.objects, difference.bytes) == (6, 43)
    assert str(difference) == "added 4 (train/d, train/e, ...); changed 1 (train/b); removed 1 (train/a)"


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        (Entry("train", "2026/part-0.csv", 1, ""), "train/2026/part-0.csv"),
        (Entry("s3://bucket/data/", "x", 1, ""), "s3://bucket/data/x"),
        (Entry("s3://bucket/data.csv", "", 1, ""), "s3://bucket/data.csv"),
    ],
)
def test_an_entry_is_shown_as_a_path(entry: Entry, path: str) -> None:
    assert entry.path == path


@pytest.mark.parametrize("keys", [("b", "a"), ("a", "a")])
def test_a_listing_out_of_order_is_refused(keys: tuple[str, str]) -> None:
    entries = [Entry("train", key, 1, "etag") for key in keys]
    with pytest.raises(ValueError, match=r"has \('train', 'a'\) after \('train', '[ab]'\); sort it"):
        take_fingerprint(entries)
    with pytest.raises(ValueError, match="sort it"):
        compare([], entries)


def test_listings_are_consumed_as_they_come() -> None:
    """Nothing is kept of an entry once the next one is read, however many there are."""
    ahead = 0

    def entries(side: int) -> Iterator[Entry]:
        nonlocal ahead
        for index in range(2_000):
            ahead += 1 - 2 * side
            assert abs(ahead) <= 2
            yield Entry("train", f"{index:05}", 1, "etag")

    assert compare(entries(0), entries(1)) == Difference()

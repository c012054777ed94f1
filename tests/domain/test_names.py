"""Names of tuning jobs and training jobs."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_hpt.domain import names

parts = st.lists(st.text() | st.integers(), max_size=5)


@given(st.text(), parts)
def test_every_tuning_job_name_fits_the_api_and_repeats(prefix: str, identity: list[str | int]) -> None:
    name = names.tuning_job_name(prefix, *identity)
    assert names.TUNING_JOB_NAME.fullmatch(name)
    assert name == names.tuning_job_name(prefix, *identity)


@pytest.mark.parametrize("other", [("digits", "a", 2), ("digits", "a1"), ("digits_", "a", 1)])
def test_another_identity_gives_another_name(other: tuple[str | int, ...]) -> None:
    assert names.tuning_job_name("digits", "a", 1) != names.tuning_job_name(*other)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["a" * 33, "a_b", "-a", "a-", "", "a\n"])
def test_the_pattern_refuses_what_the_api_refuses(text: str) -> None:
    assert not names.TUNING_JOB_NAME.fullmatch(text)


@pytest.mark.parametrize(("index", "start"), [(1, "tune-001-"), (42, "tune-042-"), (1000, "tune-1000-")])
def test_training_jobs_are_numbered_as_the_api_numbers_them(index: int, start: str) -> None:
    name = names.training_job_name("tune", index, seed=7)
    assert re.fullmatch(f"{start}[0-9a-f]{{8}}", name)
    assert name != names.training_job_name("tune", index, seed=8)


def test_arns_end_in_the_name_they_are_made_of() -> None:
    assert names.tuning_job_arn("tune", "eu-west-1") == (
        "arn:aws:sagemaker:eu-west-1:000000000000:hyper-parameter-tuning-job/tune"
    )
    assert names.name_of(names.training_job_arn("tune-001-aa", "eu-west-1")) == "tune-001-aa"

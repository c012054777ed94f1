"""Every test that docs/safety.md names as a proof is there."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs/safety.md"
PROOF = re.compile(r"`((?:airflow|domain|standalone)/\w+\.py)(?:::(\w+))?`")
PROOFS = sorted(set(PROOF.findall(PAGE.read_text())))


def test_every_row_has_its_number() -> None:
    rows = re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [str(number) for number in range(1, 37)]


@pytest.mark.parametrize(("file", "name"), PROOFS)
def test_a_proof_is_there(file: str, name: str) -> None:
    source = (TESTS / file).read_text()
    assert re.search(rf"^\s*(?:def|class) {name or 'test_'}", source, re.MULTILINE)

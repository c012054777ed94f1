"""Users' regexes find what `re` finds, and none of them holds up the service."""

import re

import pytest

from airflow_hpt.local.service.matching import BoundedPattern

LINES = ["loss=0.25; epoch 3", "[4]#011validation-auc:0.75", "accuracy: -1.5e-3", "", "naïve = 1", "loss=;loss=7"]
PATTERNS = [
    r"loss=([^;]+);",
    r".*\[[0-9]+\].*#011validation-auc:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*",
    r"accuracy\s*[=:]\s*(\S+)",
    r"(?i)LOSS=(\d)",
    r"na.ve = (\d)",
    r"[[0-9](\d)",
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.filterwarnings("ignore:Possible nested set")
def test_a_regex_finds_what_the_standard_library_finds(pattern: str, line: str) -> None:
    expected, found = re.search(pattern, line), BoundedPattern(pattern).search(line)
    assert (found and found[1]) == (expected and expected[1])


def test_an_exponential_regex_gives_up_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    pattern = BoundedPattern(r"loss=(x+x+)+y")
    found = [pattern.search("loss=" + "x" * 4000) for _ in range(100)]
    assert set(found) == {None}
    assert "takes too long" in caplog.text

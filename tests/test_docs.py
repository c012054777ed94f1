"""The documentation keeps step with the code."""

import ast
import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)
names = {"ids": lambda path: str(path.relative_to(ROOT)) if isinstance(path, Path) else None}


@pytest.mark.parametrize("page", PAGES, **names)
def test_links_lead_to_files(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, **names)
def test_python_snippets_are_python(page: Path) -> None:
    for snippet in SNIPPET.findall(page.read_text()):
        if ">>>" not in snippet:
            ast.parse(snippet)


@pytest.mark.parametrize("page", PAGES, **names)
def test_sessions_give_what_they_show(page: Path) -> None:
    assert doctest.testfile(str(page), module_relative=False).failed == 0


def test_every_make_verb_is_in_the_contributing_page() -> None:
    verbs = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert verbs
    assert [verb for verb in verbs if f"`make {verb}`" not in page] == []


def test_every_page_is_reachable_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in seen or not page.exists():
            continue
        seen.add(page)
        if page.is_dir():
            waiting += page.glob("*.md")
        elif page.suffix == ".md":
            waiting += [page.parent / target for target in LINK.findall(page.read_text()) if "://" not in target]
    assert {page.resolve() for page in PAGES} - seen == set()

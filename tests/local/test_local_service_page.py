"""docs/local-service.md names every operation, command, option, fixture and variable, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from airflow_hpt.local.cli import app
from airflow_hpt.local.environment import variables
from airflow_hpt.local.home import DEFAULT_PORT, Home, Settings
from airflow_hpt.local.service.app import DISCARD_LIMIT
from airflow_hpt.local.service.operations import Operations
from airflow_hpt.local.service.wire import BODY_LIMIT

PAGE = (Path(__file__).parents[2] / "docs" / "local-service.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def commands(group: TyperGroup, prefix: str = "airflow-hpt") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_the_operations_are_those_of_the_service() -> None:
    assert sorted(
        re.findall(r"^\| `([A-Z]\w+)` \|", section("Operations").split("\n| subject")[0], re.MULTILINE)
    ) == sorted(Operations.names)


def test_the_commands_are_those_of_the_command_line() -> None:
    assert set(re.findall(r"^\| `(airflow-hpt [\w ]+)` \|", PAGE, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_there(command: str) -> None:
    options = [option for parameter in COMMANDS[command].params for option in parameter.opts if option.startswith("--")]
    assert [option for option in options if f"`{option}`" not in PAGE] == []


def test_every_variable_is_there(tmp_path: Path) -> None:
    names = variables(Home(tmp_path), Settings()).keys() | variables(Home(tmp_path), Settings(s3_endpoint="x")).keys()
    assert [name for name in names if f"`{name}`" not in section("Point clients at it")] == []


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"| {DEFAULT_PORT}; 0 picks" in PAGE
    assert f"over {BODY_LIMIT >> 20} MiB is read" in PAGE
    assert f"over {DISCARD_LIMIT >> 20} MiB the connection" in PAGE

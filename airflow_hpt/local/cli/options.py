"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from airflow_hpt.local.home import Home

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="HPT_HOME", help="The folder that the local service owns.", show_default=True)
]


def home_at(path: Path) -> Home:
    """Return the home folder at `path`, which may start with `~` and may be relative."""
    return Home(path.expanduser().absolute())

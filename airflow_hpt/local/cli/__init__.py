"""The command `airflow-hpt`.

Commands that need no client load none: `status` and `env` are called from shell profiles and scripts.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from airflow_hpt.errors import HptError
from airflow_hpt.local.cli import reports, service


class _Group(TyperGroup):
    """Commands whose expected errors are one message and exit code 1, not a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except HptError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Hyperparameter tuning jobs with warm start, on this machine.",
)
app.add_typer(service.commands, name="local")
app.command()(reports.jobs)
app.command()(reports.report)

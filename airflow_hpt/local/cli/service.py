"""`airflow-hpt local ...`: run the local service and look after it."""

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from airflow_hpt.errors import ServiceUnavailable
from airflow_hpt.local import daemon
from airflow_hpt.local.cli.options import HomeOption, home_at
from airflow_hpt.local.environment import variables
from airflow_hpt.local.home import DEFAULT_HOME, DEFAULT_PORT, Settings

commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Run the local service and look after it.")

PortOption = Annotated[int, typer.Option(min=0, max=65535, help="The port on 127.0.0.1; 0 picks a free one.")]
SlotsOption = Annotated[
    int, typer.Option(min=1, help="Training jobs that run at once on this machine.", show_default="processors")
]
RootOption = Annotated[
    Path | None, typer.Option(help="The folder that stands for S3.", show_default="the folder s3 of the home")
]
EndpointOption = Annotated[str | None, typer.Option(help="An S3-compatible service to use instead of a folder.")]
DEFAULT_SLOTS = Settings().slots


@commands.command()
def start(
    home: HomeOption = DEFAULT_HOME,
    port: PortOption = DEFAULT_PORT,
    slots: SlotsOption = DEFAULT_SLOTS,
    s3_root: RootOption = None,
    s3_endpoint: EndpointOption = None,
) -> None:
    """Start the service in the background, wait until it answers and print its endpoint."""
    folder = home_at(home)
    if service := daemon.running(folder):
        typer.echo(f"The local service already runs at {service.settings.endpoint} (process {service.pid}).")
        return
    service = daemon.start(folder, _settings(port, slots, s3_root, s3_endpoint))
    typer.echo(f"The local service runs at {service.settings.endpoint} (process {service.pid}).")
    typer.echo(f'Point clients at it with:  eval "$({folder.command("local env")})"')


@commands.command()
def run(
    home: HomeOption = DEFAULT_HOME,
    port: PortOption = DEFAULT_PORT,
    slots: SlotsOption = DEFAULT_SLOTS,
    s3_root: RootOption = None,
    s3_endpoint: EndpointOption = None,
) -> None:
    """Run the service in the foreground, with its log on standard error."""
    from airflow_hpt.local.serving import serve

    serve(home_at(home), _settings(port, slots, s3_root, s3_endpoint))


def _settings(port: int, slots: int, s3_root: Path | None, s3_endpoint: str | None) -> Settings:
    if s3_root and s3_endpoint:
        raise typer.BadParameter("S3 is either a folder (--s3-root) or a service (--s3-endpoint), not both.")
    root = str(s3_root.expanduser().absolute()) if s3_root else ""
    return Settings(port=port, slots=slots, s3_root=root, s3_endpoint=s3_endpoint)


@commands.command()
def status(home: HomeOption = DEFAULT_HOME) -> None:
    """Say whether the service runs and where; exit code 1 when it does not."""
    folder = home_at(home)
    service = daemon.running(folder)
    if service is None:
        typer.echo(f"No local service runs in {folder.path}. Start it with: {folder.command('local start')}")
        raise typer.Exit(1)
    typer.echo(f"The local service runs at {service.settings.endpoint} (process {service.pid}).")
    typer.echo(f"home   {folder.path}")
    typer.echo(f"s3     {service.settings.s3_endpoint or folder.s3_root(service.settings)}")
    typer.echo(f"slots  {service.settings.slots}")
    typer.echo(f"log    {folder.log}")


@commands.command()
def stop(home: HomeOption = DEFAULT_HOME) -> None:
    """Stop the service; training jobs run on, and the next start takes them over."""
    service = daemon.stop(home_at(home))
    if service is None:
        typer.echo("The local service was not running.")
        return
    typer.echo(f"The local service (process {service.pid}) has stopped.")
    typer.echo("Training jobs that were running run on; the next start takes them over.")


@commands.command()
def env(home: HomeOption = DEFAULT_HOME) -> None:
    """Print shell lines that point boto3, the AWS CLI and Airflow at the service."""
    folder = home_at(home)
    if folder.serving_pid() is None:
        typer.echo(f"The local service does not run; start it with: {folder.command('local start')}", err=True)
    for name, value in variables(folder, folder.last_settings()).items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@commands.command()
def logs(
    training_job: Annotated[str | None, typer.Argument(help="Show the log of this training job.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the log grows, until interrupted.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Print the log of the service, or of one training job."""
    folder = home_at(home)
    file = folder.training_log(training_job) if training_job else folder.log
    if not file.is_file():
        raise ServiceUnavailable(f"There is no log {file}.")
    with file.open("rb") as log:
        while True:
            sys.stdout.buffer.write(log.read())
            sys.stdout.buffer.flush()
            if not follow:
                return
            time.sleep(0.2)

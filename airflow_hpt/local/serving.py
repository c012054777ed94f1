"""The process of a local service: everything put together, from signal to signal."""

import socket
from contextlib import closing
from dataclasses import replace

from airflow_hpt.errors import ServiceUnavailable
from airflow_hpt.local.home import Home, Settings
from airflow_hpt.local.runner.objects import FolderObjects, Objects, S3Objects
from airflow_hpt.local.runner.processes import ProcessRunner
from airflow_hpt.local.service import logs
from airflow_hpt.local.service.app import create_app, serve_http
from airflow_hpt.local.service.assembly import Service


def serve(home: Home, settings: Settings) -> None:
    """Serve a home folder in this process until it is told to end."""
    logs.configure()
    with home.held(), closing(_listen(settings.port)) as listener:
        settings = replace(settings, port=listener.getsockname()[1])
        objects = _objects(home, settings)
        runner = ProcessRunner(home.jobs, objects, slots=settings.slots)
        service = Service(home.path, region=settings.region, slots=settings.slots, runner=runner, objects=objects)
        home.record(settings)
        service.start()
        try:
            serve_http(create_app(service.operations, home.credentials()), listener)
        finally:
            service.stop()


def _listen(port: int) -> socket.socket:
    """Return a listening socket of the loopback interface; other machines cannot reach the service."""
    try:
        return socket.create_server(("127.0.0.1", port), backlog=1024)
    except OSError as error:
        raise ServiceUnavailable(
            f"Port {port} of 127.0.0.1 cannot be used: {error.strerror}. "
            "Choose another one with --port; 0 picks a free one."
        ) from error


def _objects(home: Home, settings: Settings) -> Objects:
    if settings.s3_endpoint:
        return S3Objects(settings.s3_endpoint, region=settings.region)
    root = home.s3_root(settings)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FolderObjects(root)

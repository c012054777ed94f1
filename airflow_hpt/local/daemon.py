"""Starting a local service in the background, asking how it is, and stopping it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from airflow_hpt.errors import ServiceUnavailable
from airflow_hpt.local.home import Home, Settings

START_PATIENCE_SECONDS = 60.0
STOP_PATIENCE_SECONDS = 30.0
LOG_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Running:
    """A service that answers."""

    pid: int
    settings: Settings


def running(home: Home) -> Running | None:
    """Return the service of this home folder; None when there is none, ServiceUnavailable when it does not answer."""
    pid = home.serving_pid()
    if pid is None:
        return None
    if service := _answering(home):
        return service
    raise ServiceUnavailable(
        f"Process {pid} serves {home.path} but does not answer at {home.last_settings().endpoint}. "
        f"See {home.log}. {_last_resort(pid)}"
    )


def _answering(home: Home) -> Running | None:
    pid, settings = home.serving_pid(), home.last_settings()
    return Running(pid, settings) if pid and _health(settings.port) == pid else None


def start(home: Home, settings: Settings) -> Running:
    """Start a service in the background and wait until it answers; of several starts at once, one starts it."""
    home.prepare()
    with home.log.open("ab") as log:
        offset = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "airflow_hpt.local", *_arguments(home, settings)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home.path,
            start_new_session=True,  # it outlives the terminal that it was started from
        )
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if service := _answering(home):
            if service.pid != process.pid:
                _end(process)  # another start was faster; this one must not take over when that service stops
            return service
        if process.poll() is not None and home.serving_pid() is None:
            break
        time.sleep(0.03)
    reason = "did not answer in time" if process.poll() is None else f"ended with code {process.returncode}"
    _end(process)
    raise ServiceUnavailable(f"The local service {reason}:\n{_tail(home, offset)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def _arguments(home: Home, settings: Settings) -> list[str]:
    options = {
        "--home": home.path,
        "--port": settings.port,
        "--slots": settings.slots,
        "--s3-root": settings.s3_root,
        "--s3-endpoint": settings.s3_endpoint,
    }
    given = [(option, str(value)) for option, value in options.items() if value not in (None, "")]
    return ["local", "run", *(text for pair in given for text in pair)]


def stop(home: Home) -> Running | None:
    """Stop the service of this home folder; return what it was, None when there was none."""
    service = running(home)  # only a process that answers as this service is sent a signal
    if service is None:
        return None
    os.kill(service.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_PATIENCE_SECONDS
    while home.serving_pid() == service.pid:
        if time.monotonic() > deadline:
            raise ServiceUnavailable(f"Process {service.pid} does not stop. {_last_resort(service.pid)}")
        time.sleep(0.03)
    return service


def _last_resort(pid: int) -> str:
    return f"End it with `kill -9 {pid}`: nothing that it keeps is lost by that."


def _health(port: int) -> int | None:
    """Return the process that answers at a port as a local service."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        answer = json.loads(connection.getresponse().read())
        return int(answer["pid"])
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None
    finally:
        connection.close()


def _tail(home: Home, offset: int) -> str:
    with home.log.open("rb") as log:
        log.seek(offset)
        lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:]) or f"(nothing was written to {home.log})"

"""`make up`: Airflow's web interface with the example DAGs, and the local service that they tune on.

Both live in the folder .up of the project and stop with Ctrl-C.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from urllib.error import URLError
from urllib.request import urlopen

from workbench import PROJECT, airflow_environment, local_service

HOME = PROJECT / ".up"
LOG = HOME / "airflow.log"
PORT = os.environ.get("AIRFLOW_PORT", "8080")
START_SECONDS = 300
STOP_SECONDS = 30
PARTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


def main() -> int:
    with local_service(HOME / "service") as service:
        print(f"The local service speaks SageMaker's API at {service['HPT_ENDPOINT']}.", flush=True)
        environment = airflow_environment(HOME / "airflow", service) | {
            "AIRFLOW__API__PORT": PORT,
            "AIRFLOW__API__BASE_URL": f"http://localhost:{PORT}",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{PORT}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        }
        return serve(environment)


def serve(environment: Mapping[str, str]) -> int:
    """Run Airflow until it ends or is interrupted."""
    command = [sys.executable, "-m", "airflow", "standalone"]
    with LOG.open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        print(f"Airflow starts; its log is {LOG.relative_to(PROJECT)} ...", flush=True)
        if not is_ready(process):
            print(f"Airflow did not start. The end of its log:\n{LOG.read_text()[-2000:]}")
            return 1
        print(f"Airflow is ready at http://localhost:{PORT}. Stop everything with Ctrl-C.", flush=True)
        return process.wait()
    finally:
        stop(process)


def is_ready(process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{PORT}/api/v2/monitor/health", timeout=5) as answer:
                health = json.load(answer)
        except (URLError, OSError, ValueError):
            health = {}
        if all((health.get(part) or {}).get("status") == "healthy" for part in PARTS):
            return True
        time.sleep(1)
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End Airflow and all that it has started: an interrupt reaches every process of the group, SIGTERM would not."""
    for sent in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + STOP_SECONDS
        while is_alive(process) and time.monotonic() < deadline:
            time.sleep(0.2)


def is_alive(process: subprocess.Popen[bytes]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Everything that was started has been stopped.")
        sys.exit(0)

"""The folder that one local service owns: where everything lies, its keys, and who serves it now.

state.db          every tuning job and training job
credentials       the pair of keys that the service accepts, readable by its owner only
jobs/<name>/      the folder and log of one training job
s3/<bucket>/      what `s3://<bucket>/` means, unless the service was started with another place
service.json      how the service was last started, and its process
service.log       the log of services that were started in the background
lock              held by the process that serves this folder
"""

import fcntl
import json
import os
import secrets
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from airflow_hpt.errors import ServiceUnavailable
from airflow_hpt.local.service.signing import Credentials

DEFAULT_PORT = 9400
DEFAULT_HOME = Path("~/.airflow-hpt")
LOCK_PATIENCE_SECONDS = 1.0  # whoever only looks whether the lock is held, holds it for an instant


@dataclass(frozen=True, slots=True)
class Settings:
    """How a service was started."""

    port: int = DEFAULT_PORT
    slots: int = os.cpu_count() or 1
    s3_root: str = ""  # empty: the folder `s3` of the home
    s3_endpoint: str | None = None
    region: str = "us-east-1"

    @property
    def endpoint(self) -> str:
        """Return the URL of the service."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of a local service."""

    path: Path

    @property
    def database(self) -> Path:
        """Return the file of the state."""
        return self.path / "state.db"

    @property
    def jobs(self) -> Path:
        """Return the folder that holds a folder for every training job."""
        return self.path / "jobs"

    @property
    def log(self) -> Path:
        """Return the log of services that were started in the background."""
        return self.path / "service.log"

    def training_log(self, training_job: str) -> Path:
        """Return the log of a training job."""
        return self.jobs / Path(training_job).name / "log"

    def command(self, words: str) -> str:
        """Return the words of a command of `airflow-hpt` for this folder, ready for a shell."""
        is_default = self.path == DEFAULT_HOME.expanduser()
        return f"airflow-hpt {words}" + ("" if is_default else f" --home {shlex.quote(str(self.path))}")

    def prepare(self) -> None:
        """Make the folder if it is missing, for its owner only, and see that it can be written."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.path / "lock").touch(mode=0o600)
        except OSError as error:
            raise ServiceUnavailable(
                f"The home folder {self.path} cannot be written: {error.strerror}. "
                "Choose another one with --home or the variable HPT_HOME."
            ) from error

    def s3_root(self, settings: Settings) -> Path:
        """Return the folder that stands for S3."""
        return Path(settings.s3_root) if settings.s3_root else self.path / "s3"

    def credentials(self) -> Credentials:
        """Return the keys of the service, made when they are first asked for."""
        file = self.path / "credentials"
        if not file.exists():
            self.prepare()
            fresh = {"access_key": f"HPT{secrets.token_hex(8).upper()}", "secret_key": secrets.token_urlsafe(30)}
            _write_private(file, fresh)
        return Credentials(**json.loads(file.read_text()))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only process that serves this folder, as long as the block runs."""
        self.prepare()
        with (self.path / "lock").open() as lock:
            deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
            while not _try_lock(lock.fileno()):
                if time.monotonic() > deadline:
                    raise ServiceUnavailable(f"Another local service already serves {self.path}.")
                time.sleep(0.02)
            yield

    def record(self, settings: Settings) -> None:
        """Write down that this process serves the folder; only the holder may do so."""
        _write_private(self.path / "service.json", {"pid": os.getpid(), **asdict(settings)})

    def last_settings(self) -> Settings:
        """Return how the service was last started."""
        return Settings(**{name: value for name, value in self._recorded().items() if name != "pid"})

    def serving_pid(self) -> int | None:
        """Return the process that serves this folder now."""
        try:
            with (self.path / "lock").open() as lock:
                return None if _try_lock(lock.fileno()) else self._recorded().get("pid")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _recorded(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.path / "service.json").read_text()))
        except FileNotFoundError:
            return {}


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_private(file: Path, content: dict[str, Any]) -> None:
    """Write a file that its owner alone may read, all of it or nothing."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump(content, stream)
    draft.replace(file)

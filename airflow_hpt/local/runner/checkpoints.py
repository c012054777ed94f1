"""Checkpoints: a folder of the training job kept equal to a location in storage while the job runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_hpt.errors import ObjectUnavailable
from airflow_hpt.local.runner.container import Layout
from airflow_hpt.local.runner.objects import Objects

CONTAINER_BASE = "/opt/ml"
DEFAULT_PATH = f"{CONTAINER_BASE}/checkpoints"
SYNC_SECONDS = 1.0


class Checkpoints:
    """The checkpoints of one training job."""

    def __init__(self, config: Mapping[str, Any], objects: Objects, *, layout: Layout) -> None:
        self.folder = checkpoint_folder(config, layout)
        self._uri = str(config["S3Uri"]).rstrip("/")
        self._objects = objects
        self._stored: dict[str, tuple[int, int]] = {}

    def restore(self) -> None:
        """Bring what is stored into the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._objects.exists(f"{self._uri}/"):
            self._objects.fetch(f"{self._uri}/", self.folder)
        self._stored = self._present()

    def sync(self) -> None:
        """Store what is new or changed in the folder, and delete what was deleted from it."""
        present = self._present()
        for name, facts in present.items():
            if self._stored.get(name) != facts and (self.folder / name).exists():
                self._objects.put(self.folder / name, f"{self._uri}/{name}")
                self._stored[name] = facts
        for name in self._stored.keys() - present.keys():
            self._objects.delete(f"{self._uri}/{name}")
            del self._stored[name]

    def try_sync(self) -> None:
        """Sync; what cannot be stored now, for example because it vanishes meanwhile, is left to the next time."""
        try:
            self.sync()
        except ObjectUnavailable:
            return

    def _present(self) -> dict[str, tuple[int, int]]:
        found = {}
        for path in self.folder.rglob("*"):
            try:
                facts = path.stat()
            except FileNotFoundError:  # replaced while we looked
                continue
            if path.is_file():
                found[path.relative_to(self.folder).as_posix()] = (facts.st_mtime_ns, facts.st_size)
        return found


def checkpoint_folder(config: Mapping[str, Any], layout: Layout) -> Path:
    """Return the folder that stands for the request's LocalPath."""
    relative = Path(config.get("LocalPath") or DEFAULT_PATH).relative_to(CONTAINER_BASE)
    return layout.base / relative


def is_mappable(local_path: str) -> bool:
    """Say whether a LocalPath has a place here: it must lie below /opt/ml."""
    path = Path(local_path)
    return path.is_relative_to(CONTAINER_BASE) and path != Path(CONTAINER_BASE) and ".." not in path.parts

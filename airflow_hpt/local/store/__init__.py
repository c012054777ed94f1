"""What the local service remembers: tuning jobs, training jobs, emissions of metrics and tags, in one SQLite file."""

from pathlib import Path

from airflow_hpt.local.store.database import Database
from airflow_hpt.local.store.tags import Tags
from airflow_hpt.local.store.training_jobs import TrainingJobs
from airflow_hpt.local.store.tuning_jobs import Parser, TuningJobs


class Store:
    """The state of one home folder.

    Every method is one transaction and may be called from any thread. What is returned are frozen records of one
    moment: a later change does not reach them. Requests are kept as they were sent, and `parse` reads them.
    """

    def __init__(self, path: Path, *, parse: Parser) -> None:
        self._database = Database(path)
        self.tuning_jobs = TuningJobs(self._database, parse=parse)
        self.training_jobs = TrainingJobs(self._database)
        self.tags = Tags(self._database)

    def close(self) -> None:
        """Close the file; nothing may be using the store any more."""
        self._database.close()

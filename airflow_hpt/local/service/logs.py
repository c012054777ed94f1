"""The service's log: one line per request, one per change of state."""

import logging
import sys

from airflow_hpt.local.service.wire import Answer

requests = logging.getLogger("airflow_hpt.requests")


def configure(level: int = logging.INFO) -> None:
    """Send everything to standard error, which the command line redirects into the log file."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("botocore").setLevel(logging.WARNING)


def log_request(answer: Answer, *, milliseconds: float, target: str = "-", job: str = "") -> None:
    """Write the line of one request: operation, status, error, duration, job, id."""
    requests.info(
        "%s status=%d error=%s ms=%.1f job=%s id=%s",
        _one_line(target.removeprefix("SageMaker.")),
        answer.status,
        answer.error or "-",
        milliseconds,
        _one_line(job),
        answer.request_id,
    )


def _one_line(text: str) -> str:
    """Return text that came from outside in a form that cannot forge a line of the log."""
    return "".join(character for character in text if character.isprintable() and character != " ")[:128] or "-"

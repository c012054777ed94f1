"""The clock of the service: aware UTC in whole milliseconds, which is what the API and the store can tell."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

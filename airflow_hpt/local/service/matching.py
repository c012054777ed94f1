"""Searches log lines for a metric, with a bound on the time that a backtracking regex may take.

The regexes are the users', the engine serves everybody: one that needs exponential time on some line must not hold up
other training jobs. The standard library's `re` cannot be interrupted; the `regex` package, with the same syntax, can.
"""

import logging
import time

import regex

logger = logging.getLogger(__name__)

LINE_SECONDS = 0.1
PATTERN_SECONDS = 1.0


class BoundedPattern:
    """A compiled regex that gives up on a line after a while, and on all lines once it has wasted too much time."""

    def __init__(self, pattern: str) -> None:
        self._pattern = regex.compile(pattern)
        self._seconds_left = PATTERN_SECONDS

    def search(self, line: str) -> "regex.Match[str] | None":
        """Return the first match in `line`; None when there is none or when it cannot be found in time."""
        if self._seconds_left <= 0:
            return None
        began = time.monotonic()
        try:
            return self._pattern.search(line, timeout=LINE_SECONDS)
        except TimeoutError:
            self._give_up_a_little(time.monotonic() - began)
            return None

    def _give_up_a_little(self, seconds: float) -> None:
        self._seconds_left -= seconds
        if self._seconds_left <= 0:
            logger.warning(
                "The metric regex %r takes too long on the lines of this log and is not searched any more; "
                "avoid a repeat inside a repeat, such as (x+)+.",
                self._pattern.pattern,
            )

"""What a wait for a tuning job says and how long it pauses; the waiting itself is done by whoever looks."""

from collections.abc import Mapping
from typing import Any

from airflow_hpt.domain.states import TuningState

# Everything else is an end: AWS also knows Deleting and DeleteFailed, which no wait would ever see the back of.
LIVE = (TuningState.IN_PROGRESS, TuningState.STOPPING)
LONGEST_PAUSE_SECONDS = 300.0
# A line is for people, and the API allows a hundred hyperparameters with names and values of 256 characters.
SHOWN_HYPERPARAMETERS = 12
SHOWN_CHARACTERS = 40


def is_terminal(description: Mapping[str, Any]) -> bool:
    """Say whether a described tuning job has ended."""
    return description["HyperParameterTuningJobStatus"] not in LIVE


class Watch:
    """Follows one tuning job: fed with looks and misses, it says what to log and how long to pause."""

    def __init__(self, name: str, poll_seconds: float) -> None:
        self.name = name
        self.pause = poll_seconds
        self.status = "unseen"
        self.ending: dict[str, Any] | None = None
        self._poll_seconds = poll_seconds
        self._misses = 0
        self._last_line = ""

    def saw(self, description: dict[str, Any]) -> str | None:
        """Take in a description; return a line to log when there is news."""
        self._misses = 0
        self.pause = self._poll_seconds
        self.status = description["HyperParameterTuningJobStatus"]
        if is_terminal(description):
            self.ending = description
        line = progress_line(description)
        news = line if line != self._last_line else None
        self._last_line = line
        return news

    def missed(self, error: Exception) -> str:
        """Take in a fault that will pass; pause longer each time, and return a line to log."""
        self._misses += 1
        longest = max(LONGEST_PAUSE_SECONDS, self._poll_seconds)
        self.pause = min(self._poll_seconds * 2.0 ** min(self._misses, 20), longest)
        return f"{error} Will look at tuning job {self.name} again in {self.pause:.0f} s."


def progress_line(description: Mapping[str, Any]) -> str:
    """Return one line on how far a described or listed tuning job is and what it has found."""
    counters = description.get("TrainingJobStatusCounters", {})
    limits = description.get("HyperParameterTuningJobConfig", description).get("ResourceLimits", {})
    total = limits.get("MaxNumberOfTrainingJobs")
    failed = counters.get("RetryableError", 0) + counters.get("NonRetryableError", 0)
    parts = [
        f"{counters.get('Completed', 0)} completed",
        "" if is_terminal(description) else f"{counters.get('InProgress', 0)} running",
        f"{counters.get('Stopped', 0)} stopped" if counters.get("Stopped") else "",
        f"{failed} failed" if failed else "",
    ]
    said = ", ".join(part for part in parts if part)
    budget = f" of {total}" if total else ""
    name, status = description["HyperParameterTuningJobName"], description["HyperParameterTuningJobStatus"]
    return f"{name} {status}: {said}{budget} training jobs{_best_so_far(description)}"


def _best_so_far(description: Mapping[str, Any]) -> str:
    best = description.get("BestTrainingJob", {})
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric")
    if not metric:
        return ""
    tuned = sorted(best.get("TunedHyperParameters", {}).items())
    shown = ", ".join(f"{_cut(name)}={_shortened(text)}" for name, text in tuned[:SHOWN_HYPERPARAMETERS])
    more = f" and {len(tuned) - SHOWN_HYPERPARAMETERS} more" if len(tuned) > SHOWN_HYPERPARAMETERS else ""
    return f"; best {metric['MetricName']} {metric['Value']:.6g} with {shown}{more}"


def _shortened(text: str) -> str:
    """Return a hyperparameter without the digits that only matter to the training job."""
    try:
        return f"{float(text):.4g}" if "." in text else _cut(text)
    except ValueError:
        return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"

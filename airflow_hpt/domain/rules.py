"""Rules on a whole tuning job: what strategy, budget, definitions and warm start allow of each other; quotas."""

from airflow_hpt.domain.space import CategoricalRange
from airflow_hpt.domain.spec import Strategy, TuningSpec
from airflow_hpt.errors import InvalidRequest, LimitExceeded

PARALLEL_QUOTA = 100
TOTAL_QUOTA = 750
RANDOM_TOTAL_QUOTA = 10_000
RUNTIME_QUOTA = 30 * 24 * 60 * 60
ENVIRONMENT_LIMIT = 48
WARM_STRATEGIES = (Strategy.BAYESIAN, Strategy.RANDOM)


def check_rules(spec: TuningSpec) -> None:
    """Raise InvalidRequest or LimitExceeded when parts of the tuning job do not fit together or pass a quota."""
    _check_definitions(spec)
    _check_strategy(spec)
    _check_warm_start(spec)
    _check_size(spec)
    _check_quotas(spec)


def total_quota(strategy: Strategy) -> int:
    """Return how many training jobs a tuning job may have, those of its parents included."""
    return RANDOM_TOTAL_QUOTA if strategy is Strategy.RANDOM else TOTAL_QUOTA


def _check_definitions(spec: TuningSpec) -> None:
    names = [each.name for each in spec.definitions if each.name]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidRequest(f"DefinitionName must be unique within TrainingJobDefinitions, but {repeated} repeat.")
    variables = sum(len(each.definition.get("Environment") or ()) for each in spec.definitions)
    if variables > ENVIRONMENT_LIMIT:
        raise InvalidRequest(
            f"The definitions set {variables} environment variables; all together may set at most {ENVIRONMENT_LIMIT}."
        )


def _check_strategy(spec: TuningSpec) -> None:
    if spec.early_stopping and spec.strategy is Strategy.HYPERBAND:
        raise InvalidRequest(
            "TrainingJobEarlyStoppingType must be Off with the Hyperband strategy, which stops training jobs itself."
        )
    if spec.early_stopping and spec.is_multiple:
        raise InvalidRequest("TrainingJobEarlyStoppingType must be Off for a tuning job with TrainingJobDefinitions.")
    if spec.strategy is not Strategy.GRID:
        return
    ranges = [each for definition in spec.definitions for each in definition.space.ranges]
    if other := [each.name for each in ranges if not isinstance(each, CategoricalRange)]:
        raise InvalidRequest(
            f"The Grid strategy takes categorical ranges only, but {other} are numeric; list their values in "
            "CategoricalParameterRanges or choose another strategy."
        )
    size = sum(each.space.size for each in spec.definitions)
    if spec.limits.total != size:
        raise InvalidRequest(
            f"MaxNumberOfTrainingJobs is {spec.limits.total}, but the Grid strategy runs all {size:.0f} combinations; "
            f"leave it out or make it {size:.0f}."
        )


def _check_warm_start(spec: TuningSpec) -> None:
    if spec.warm_start is None:
        return
    if spec.is_multiple:
        raise InvalidRequest(
            "WarmStartConfig is not available with TrainingJobDefinitions; use a single TrainingJobDefinition."
        )
    if spec.strategy not in WARM_STRATEGIES:
        raise InvalidRequest(
            f"Warm start needs the {' or '.join(WARM_STRATEGIES)} strategy, but the strategy is {spec.strategy}."
        )


def _check_size(spec: TuningSpec) -> None:
    size = sum(each.space.size for each in spec.definitions)
    if size < spec.limits.total:
        raise InvalidRequest(
            "You don't have enough combinations of hyperparameter ranges. The total number of hyperparameter "
            f"combinations for the provided ranges [{size}] must be equal or greater than the value of "
            f"MaxNumberOfJobs, [{spec.limits.total}]. Provide additional ranges."
        )


def _check_quotas(spec: TuningSpec) -> None:
    limits, runtime = spec.limits, spec.limits.runtime_seconds or 0
    _check_quota("parallel training jobs per tuning job", "Training Jobs", limits.parallel, PARALLEL_QUOTA)
    _check_quota("training jobs per tuning job", "Training Jobs", limits.total, total_quota(spec.strategy))
    _check_quota("run time of a tuning job", "Seconds", runtime, RUNTIME_QUOTA)


def _check_quota(what: str, unit: str, asked: int, quota: int) -> None:
    if asked > quota:
        raise LimitExceeded(
            f"The account-level service limit 'Maximum {what}' is {quota} {unit}, with current utilization of 0 {unit} "
            f"and a request delta of {asked} {unit}. Ask for at most {quota}."
        )

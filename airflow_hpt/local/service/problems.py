"""What a searcher is told of a tuning job: its history, and what its parents learnt, with typed hyperparameters."""

from collections.abc import Iterator, Sequence

from airflow_hpt.domain.records import TrainingJob, TuningJob
from airflow_hpt.domain.space import Space, Value, typed
from airflow_hpt.domain.spec import TrainingSpec, WarmStartType
from airflow_hpt.local.search.base import Observation, Parent, Problem


def problem_of(
    job: TuningJob, definition: str | None, trainings: Sequence[TrainingJob], *, parents: tuple[Parent, ...] = ()
) -> Problem:
    """Return the problem of finding the next configuration of a definition, after its `trainings` in claim order."""
    training = job.spec.definition(definition)
    warm = job.spec.warm_start
    return Problem(
        space=training.space,
        maximize=training.objective.maximize,
        seed=job.seed,
        index=len(trainings),
        observations=tuple(
            Observation(training.space.parse(each.tuned), each.objective)
            for each in trainings
            if not each.state.is_live
        ),
        pending=tuple(training.space.parse(each.tuned) for each in trainings if each.state.is_live),
        parents=parents,
        same_task=warm is not None and warm.kind is WarmStartType.IDENTICAL,
    )


def parents_for(job: TuningJob, ended: Sequence[tuple[TuningJob, Sequence[TrainingJob]]]) -> tuple[Parent, ...]:
    """Return what parents know of the hyperparameters of `job`, the newest parent first.

    A parent that failed contributes what succeeded. A hyperparameter that was static in a parent and is tunable now
    contributes its static value. What cannot be read by the ranges of `job` is left out.
    """
    space = job.spec.definitions[0].space  # tuning jobs with several definitions have no parents
    newest_first = sorted(ended, key=lambda pair: pair[0].created_at, reverse=True)
    return tuple(
        Parent(parent.name, tuple(_observations(space, parent.spec.definitions, trainings)))
        for parent, trainings in newest_first
    )


def _observations(
    space: Space, definitions: Sequence[TrainingSpec], trainings: Sequence[TrainingJob]
) -> Iterator[Observation]:
    static = {each.name: each.static for each in definitions}
    for training in trainings:
        if training.objective is not None:
            known = _typed(space, {**static[training.definition], **training.tuned})
            if known is not None:
                yield Observation(known, training.objective)


def _typed(space: Space, texts: dict[str, str]) -> dict[str, Value] | None:
    try:
        return {each.name: typed(each, texts[each.name]) for each in space.ranges}
    except (KeyError, ValueError):
        return None

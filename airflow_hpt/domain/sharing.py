"""Sharing scarce room: slots of the host among tuning jobs, training jobs among the definitions of one tuning job."""

import heapq
from collections.abc import Mapping, Sequence

from airflow_hpt.domain.records import TrainingJob, best
from airflow_hpt.domain.spec import TrainingSpec, TuningSpec

FAIR_JOBS = 3  # training jobs that every definition gets before results count


def share_slots(free: int, wants: Mapping[str, int], held: Mapping[str, int]) -> dict[str, int]:
    """Return how many of the `free` slots each tuning job gets: one by one, to the one that holds fewest.

    `wants` says how many more each tuning job could use, `held` how many it has. The earlier one in `wants` goes first
    among equals.

    >>> share_slots(3, {"a": 5, "b": 1, "c": 0}, {"a": 1})
    {'a': 2, 'b': 1, 'c': 0}
    """
    shares = dict.fromkeys(wants, 0)
    waiting = [(held.get(name, 0), at, name) for at, name in enumerate(wants) if wants[name] > 0]
    heapq.heapify(waiting)
    while free > 0 and waiting:
        holding, at, name = waiting[0]
        shares[name] += 1
        free -= 1
        if shares[name] < wants[name]:
            heapq.heapreplace(waiting, (holding + 1, at, name))
        else:
            heapq.heappop(waiting)
    return shares


def share_starts(spec: TuningSpec, trainings: Sequence[TrainingJob], room: int) -> list[str | None]:
    """Return the definition of each of the next training jobs, at most `room`.

    Every definition first gets the same few training jobs. From then on, where all pursue one objective, each gets
    twice as many as the next one in the ranking of their best training jobs. One whose combinations are used up gets
    no more.
    """
    claimed = {each.name: 0 for each in spec.definitions}
    for training in trainings:
        claimed[training.definition] += 1
    weights = _weights(spec, trainings)
    chosen: list[str | None] = []
    while len(chosen) < room:
        available = [each for each in spec.definitions if claimed[each.name] < each.space.size]
        if not available:
            break
        fair = min(claimed[each.name] for each in available) < FAIR_JOBS
        names = [each.name for each in available]
        name = min(names, key=lambda name: claimed[name] if fair else (claimed[name] + 1) / weights[name])
        claimed[name] += 1
        chosen.append(name)
    return chosen


def _weights(spec: TuningSpec, trainings: Sequence[TrainingJob]) -> dict[str | None, float]:
    if len({each.objective for each in spec.definitions}) > 1:
        return {each.name: 1.0 for each in spec.definitions}
    ranking = sorted(spec.definitions, key=lambda each: _loss(each, trainings))
    return {each.name: 2.0**-rank for rank, each in enumerate(ranking)}


def _loss(definition: TrainingSpec, trainings: Sequence[TrainingJob]) -> float:
    maximize = definition.objective.maximize
    top = best((each for each in trainings if each.definition == definition.name), maximize=maximize)
    if top is None or top.objective is None:
        return float("inf")
    return -top.objective if maximize else top.objective

"""Other libraries' engines behind the same two methods, each with its own way of using parents where it has one.

Install what `peers.txt` pins into an environment of its own; each import happens only when its engine is asked for.
"""

import contextlib
import math
import tempfile
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from search_engines import Engine, Setting

from airflow_hpt.domain.space import (
    CategoricalRange,
    ContinuousRange,
    Hyperparameters,
    IntegerRange,
    Range,
    Scaling,
    Space,
    Value,
)
from airflow_hpt.local.search.base import Observation, Parent


def _is_log(of: Range) -> bool:
    return not isinstance(of, CategoricalRange) and of.resolved is Scaling.LOGARITHMIC


class Optuna:
    """Optuna's samplers; parents' trials are added to the study, as its documentation advises."""

    def __init__(self, setting: Setting, *, sampler: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", module="optuna")
        chosen = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=setting.seed, multivariate=True),
            "gp": lambda: optuna.samplers.GPSampler(seed=setting.seed, deterministic_objective=False),
        }[sampler]()
        self.study = optuna.create_study(sampler=chosen)
        self.space = {each.name: self._distribution(each) for each in setting.space.ranges}
        self.learn(_usable(setting))

    def learn(self, observations: Sequence[Observation]) -> None:
        """Add finished trials to the study."""
        from optuna.trial import create_trial

        for each in observations:
            values = dict(each.hyperparameters)
            self.study.add_trial(create_trial(params=values, distributions=self.space, value=each.objective))

    @staticmethod
    def _distribution(of: Range) -> Any:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if isinstance(of, CategoricalRange):
            return CategoricalDistribution(of.values)
        kind = IntDistribution if isinstance(of, IntegerRange) else FloatDistribution
        return kind(of.low, of.high, log=_is_log(of))

    def ask(self) -> Hyperparameters:
        self.trial = self.study.ask(self.space)
        return dict(self.trial.params)

    def tell(self, hyperparameters: Hyperparameters, objective: float) -> None:
        self.study.tell(self.trial, objective)


class Smac:
    """SMAC3's hyperparameter facade: random forests and local search.

    Parents' trials are told before the first question and stand in for the initial design, as in its documentation's
    page on warmstarting. By default its forest is fitted again after every 8 configurations only.
    """

    STARTING = 10

    def __init__(self, setting: Setting) -> None:
        import logging

        from smac import HyperparameterOptimizationFacade as Facade
        from smac import Scenario

        logging.disable(logging.WARNING)
        space = self._space(setting.space)
        folder = Path(tempfile.gettempdir()) / "smac"
        scenario = Scenario(space, n_trials=1000, seed=setting.seed, deterministic=True, output_directory=folder)
        told = self._told(space, _usable(setting))
        design = Facade.get_initial_design(
            scenario, n_configs=0 if told else self.STARTING, additional_configs=[info.config for info, _ in told]
        )
        self.facade = Facade(
            scenario,
            lambda config, seed=0: 0.0,
            initial_design=design,
            overwrite=True,
            logging_level=False,
        )
        for info, value in told:
            self.facade.tell(info, value, save=False)

    @staticmethod
    def _told(space: Any, observations: Sequence[Observation]) -> list[tuple[Any, Any]]:
        from ConfigSpace import Configuration
        from smac.runhistory.dataclasses import TrialInfo, TrialValue

        def clipped(name: str, value: Value) -> Value:
            known = space[name]  # ConfigSpace rounds bounds, so a value at the end of a range may be just outside
            return value if isinstance(value, str) else min(max(value, known.lower), known.upper)

        values = [{name: clipped(name, value) for name, value in each.hyperparameters.items()} for each in observations]
        return [
            (TrialInfo(Configuration(space, values=configuration), seed=0), TrialValue(each.objective))
            for configuration, each in zip(values, observations, strict=True)
        ]

    @staticmethod
    def _space(space: Space) -> Any:
        from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

        found = ConfigurationSpace()
        for each in space.ranges:
            if isinstance(each, CategoricalRange):
                found.add(Categorical(each.name, list(each.values)))
            else:
                kind = Integer if isinstance(each, IntegerRange) else Float
                found.add(kind(each.name, (each.low, each.high), log=_is_log(each)))
        return found

    def ask(self) -> Hyperparameters:
        self.trial = self.facade.ask()
        return {name: _plain(value) for name, value in dict(self.trial.config).items()}

    def tell(self, hyperparameters: Hyperparameters, objective: float) -> None:
        from smac.runhistory.dataclasses import TrialValue

        self.facade.tell(self.trial, TrialValue(cost=objective, time=1.0), save=False)


class BoTorch:
    """BoTorch's default models with log expected improvement, categories by its mixed kernel.

    Cold and on the parents' own task that is the single-task model. Other parents are tasks of its multi-task model,
    each standardised on its own; the first training job is where that model predicts best for a task without results.
    """

    STARTING = 8

    def __init__(self, setting: Setting) -> None:
        import torch

        torch.set_num_threads(1)
        warnings.filterwarnings("ignore")
        self.setting, self.x, self.y = setting, [], []
        self.relatives = () if setting.same_task else setting.parents
        for each in _usable(setting) if setting.same_task else ():
            self.tell(each.hyperparameters, each.objective)
        self.categorical = [j for j, each in enumerate(setting.space.ranges) if isinstance(each, CategoricalRange)]
        draws = np.random.default_rng(setting.seed)
        self.first = draws.random((self.STARTING, len(setting.space.ranges)))

    def ask(self) -> Hyperparameters:
        if not self.relatives and len(self.y) < self.STARTING:
            return self.setting.space.decode(self.first[len(self.y)].tolist())
        return self.setting.space.decode(self._proposed())

    def tell(self, hyperparameters: Hyperparameters, objective: float) -> None:
        self.x.append(self.setting.space.encode(hyperparameters))
        self.y.append(-objective)

    def _proposed(self) -> list[float]:
        import torch
        from botorch.acquisition import LogExpectedImprovement, PosteriorMean
        from botorch.fit import fit_gpytorch_mll
        from botorch.optim import optimize_acqf, optimize_acqf_mixed_alternating
        from gpytorch.mlls import ExactMarginalLogLikelihood

        torch.manual_seed(self.setting.seed * 1000 + len(self.y))
        model = self._related() if self.relatives else self._single(self.x, self.y)
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        acquisition = LogExpectedImprovement(model, best_f=max(self.y)) if self.y else PosteriorMean(model)
        ranges, last = self.setting.space.ranges, [float(len(self.relatives))] * bool(self.relatives)
        bounds = torch.tensor([[0.0] * (len(ranges) + len(last)), [1.0] * len(ranges) + last], dtype=torch.double)
        search: dict[str, Any] = {"q": 1, "num_restarts": 10, "raw_samples": 512}
        if self.relatives:
            search["fixed_features"] = {len(ranges): 0.0}  # the column of tasks
        if self.categorical:
            choices = {j: [ranges[j].to_unit(value) for value in ranges[j].values] for j in self.categorical}
            found, _ = optimize_acqf_mixed_alternating(acquisition, bounds, cat_dims=choices, **search)
        else:
            found, _ = optimize_acqf(acquisition, bounds, **search)
        return [float(each) for each in found[0][: len(ranges)]]

    def _single(self, points: Sequence[Sequence[float]], values: Sequence[float]) -> Any:
        import torch
        from botorch.models import MixedSingleTaskGP, SingleTaskGP
        from botorch.models.transforms import Standardize

        x, y = torch.tensor(points, dtype=torch.double), torch.tensor(values, dtype=torch.double)[:, None]
        if self.categorical:
            return MixedSingleTaskGP(x, y, cat_dims=self.categorical, outcome_transform=Standardize(1))
        return SingleTaskGP(x, y, outcome_transform=Standardize(1))

    def _related(self) -> Any:
        """Return the multi-task model: task 0 is the one that is tuned, its column comes last."""
        import torch
        from botorch.models import MultiTaskGP
        from botorch.models.transforms.outcome import StratifiedStandardize

        rows = [(*point, 0, value) for point, value in zip(self.x, self.y, strict=True)]
        for task, parent in enumerate(self.relatives, start=1):
            known = _usable(self.setting, [parent])
            rows += [(*self.setting.space.encode(each.hyperparameters), task, -each.objective) for each in known]
        tasks = list(range(len(self.relatives) + 1))
        data = torch.tensor(rows, dtype=torch.double)
        # BoTorch has no mixed multi-task model, but its multi-task model takes the kernel of the mixed one.
        mixed = self._single(data[:, :-2].tolist(), data[:, -1].tolist()).covar_module if self.categorical else None
        return MultiTaskGP(
            data[:, :-1],
            data[:, -1:],
            task_feature=data.shape[1] - 2,
            covar_module=mixed,
            output_tasks=[0],
            all_tasks=tasks,
            outcome_transform=StratifiedStandardize(data.shape[1] - 2, torch.tensor(tasks)),
        )


class SyneTune:
    """Syne Tune's schedulers: conformal quantile regression, which starts cold, and two that need parents.

    `box` is that regression within the bounding box of each parent's ten best configurations; `quantile` samples a
    model of the parents' quantiles and never learns from the tuning job's own results.
    """

    METRIC = "objective"

    def __init__(self, setting: Setting, *, method: str) -> None:
        import logging

        logging.disable(logging.ERROR)
        if (method == "cqr") == bool(setting.parents):
            raise ValueError(
                "syne-tune starts cold and can take no parents, syne-tune-box and syne-tune-quantile need some: "
                f"it was asked for {method!r} with {len(setting.parents)} parents"
            )
        np.random.seed(setting.seed)  # Syne Tune draws from the global generator
        self.setting, self.count = setting, 0
        self.space = {each.name: self._domain(each) for each in setting.space.ranges}
        with contextlib.redirect_stdout(None):
            self.scheduler = {"cqr": self._cqr, "box": self._box, "quantile": self._quantile}[method]()

    def _cqr(self) -> Any:
        from syne_tune.optimizer.baselines import CQR

        return CQR(self.space, self.METRIC, random_seed=self.setting.seed)

    def _box(self) -> Any:
        from syne_tune.optimizer.baselines import CQR
        from syne_tune.optimizer.schedulers.transfer_learning.bounding_box import BoundingBox

        return BoundingBox(
            lambda box, metric, do_minimize, seed: CQR(box, metric, do_minimize, random_seed=seed),
            self.space,
            self.METRIC,
            self._evaluations(),
            num_hyperparameters_per_task=10,
            random_seed=self.setting.seed,
        )

    def _quantile(self) -> Any:
        from syne_tune.optimizer.schedulers.single_objective_scheduler import SingleObjectiveScheduler
        from syne_tune.optimizer.schedulers.transfer_learning.quantile_based.quantile_based_searcher import (
            QuantileBasedSurrogateSearcher,
        )

        searcher = QuantileBasedSurrogateSearcher(self.space, self._evaluations(), random_seed=self.setting.seed)
        return SingleObjectiveScheduler(self.space, self.METRIC, searcher=searcher, random_seed=self.setting.seed)

    def _evaluations(self) -> dict[str, Any]:
        import pandas as pd
        from syne_tune.optimizer.schedulers.transfer_learning.transfer_learning_task_evaluation import (
            TransferLearningTaskEvaluations,
        )

        return {
            parent.name: TransferLearningTaskEvaluations(
                self.space,
                pd.DataFrame([dict(each.hyperparameters) for each in known]),
                [self.METRIC],
                np.array([each.objective for each in known]).reshape(-1, 1, 1, 1),
            )
            for parent in self.setting.parents
            if (known := _usable(self.setting, [parent]))
        }

    @staticmethod
    def _domain(of: Range) -> Any:
        from syne_tune import config_space

        if isinstance(of, CategoricalRange):
            return config_space.choice(list(of.values))
        if isinstance(of, ContinuousRange):
            return (config_space.loguniform if _is_log(of) else config_space.uniform)(of.low, of.high)
        return (config_space.lograndint if _is_log(of) else config_space.randint)(of.low, of.high)

    def ask(self) -> Hyperparameters:
        return {name: _plain(value) for name, value in self.scheduler.suggest().config.items()}

    def tell(self, hyperparameters: Hyperparameters, objective: float) -> None:
        from syne_tune.backend.trial_status import Trial

        self.count += 1
        if math.isfinite(objective):
            trial = Trial(self.count, dict(hyperparameters), datetime.now())
            self.scheduler.on_trial_complete(trial, {self.METRIC: objective})


def _usable(setting: Setting, parents: Sequence[Parent] | None = None) -> list[Any]:
    """Return the parents' observations that have an objective and fit the space, oldest parent first."""
    return [
        each
        for parent in reversed(setting.parents if parents is None else parents)
        for each in parent.observations
        if each.objective is not None and math.isfinite(each.objective) and setting.space.contains(each.hyperparameters)
    ]


def _plain(value: Any) -> Value:
    return str(value) if isinstance(value, str) else value.item() if hasattr(value, "item") else value


PEERS: dict[str, Callable[[Setting], Engine]] = {
    "optuna-tpe": partial(Optuna, sampler="tpe"),
    "optuna-gp": partial(Optuna, sampler="gp"),
    "smac": Smac,
    "botorch": BoTorch,
    "syne-tune": partial(SyneTune, method="cqr"),
    "syne-tune-box": partial(SyneTune, method="box"),
    "syne-tune-quantile": partial(SyneTune, method="quantile"),
}

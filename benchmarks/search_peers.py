"""Other libraries' engines behind the same two methods, each with its own way of using parents where it has one.

Install what `peers.txt` pins into an environment of its own; each import happens only when its engine is asked for.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from airflow_hpt.local.search.base import Observation


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
        for parent in setting.parents:
            self.learn([each for each in parent.observations if setting.space.contains(each.hyperparameters)])

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
    """SMAC3's hyperparameter facade: random forests and local search."""

    def __init__(self, setting: Setting) -> None:
        import logging

        from smac import HyperparameterOptimizationFacade as Facade
        from smac import Scenario

        logging.disable(logging.WARNING)
        scenario = Scenario(
            self._space(setting.space),
            n_trials=1000,
            seed=setting.seed,
            deterministic=True,
            output_directory="/tmp/smac",
        )
        design = Facade.get_initial_design(scenario, n_configs=10)
        self.facade = Facade(
            scenario, lambda config, seed=0: 0.0, initial_design=design, overwrite=True, logging_level=False
        )

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

        self.facade.tell(self.trial, TrialValue(cost=objective, time=1.0))


class BoTorch:
    """BoTorch's default single-task model with log expected improvement, categories by its mixed kernel."""

    STARTING = 8

    def __init__(self, setting: Setting) -> None:
        self.setting, self.x, self.y = setting, [], []
        self.is_categorical = [isinstance(each, CategoricalRange) for each in setting.space.ranges]
        draws = np.random.default_rng(setting.seed)
        self.first = draws.random((self.STARTING, len(setting.space.ranges)))

    def ask(self) -> Hyperparameters:
        if len(self.y) < self.STARTING:
            return self.setting.space.decode(self.first[len(self.y)].tolist())
        return self.setting.space.decode(self._proposed())

    def tell(self, hyperparameters: Hyperparameters, objective: float) -> None:
        self.x.append(self.setting.space.encode(hyperparameters))
        self.y.append(-objective)

    def _proposed(self) -> list[float]:
        import torch
        from botorch.acquisition import LogExpectedImprovement
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import MixedSingleTaskGP, SingleTaskGP
        from botorch.models.transforms import Standardize
        from botorch.optim import optimize_acqf, optimize_acqf_mixed_alternating
        from gpytorch.mlls import ExactMarginalLogLikelihood

        torch.manual_seed(self.setting.seed * 1000 + len(self.y))
        torch.set_num_threads(1)
        warnings.filterwarnings("ignore")
        x, y = torch.tensor(self.x, dtype=torch.double), torch.tensor(self.y, dtype=torch.double)[:, None]
        categorical = [j for j, each in enumerate(self.is_categorical) if each]
        if categorical:
            model: Any = MixedSingleTaskGP(x, y, cat_dims=categorical, outcome_transform=Standardize(1))
        else:
            model = SingleTaskGP(x, y, outcome_transform=Standardize(1))
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        acquisition = LogExpectedImprovement(model, best_f=y.max())
        bounds = torch.tensor([[0.0] * x.shape[1], [1.0] * x.shape[1]], dtype=torch.double)
        if categorical:
            choices: Mapping[int, list[float]] = {
                j: [self.setting.space.ranges[j].to_unit(v) for v in self.setting.space.ranges[j].values]
                for j in categorical
            }
            found, _ = optimize_acqf_mixed_alternating(
                acquisition, bounds, cat_dims=choices, q=1, num_restarts=10, raw_samples=512
            )
        else:
            found, _ = optimize_acqf(acquisition, bounds, q=1, num_restarts=10, raw_samples=512)
        return [float(each) for each in found[0]]


class SyneTune:
    """Syne Tune's conformal quantile regression."""

    def __init__(self, setting: Setting) -> None:
        import logging

        from syne_tune.optimizer.schedulers.searchers.conformal.conformal_quantile_regression_searcher import (
            ConformalQuantileRegression,
        )

        logging.disable(logging.ERROR)
        self.count = 0
        space = {each.name: self._domain(each) for each in setting.space.ranges}
        self.searcher = ConformalQuantileRegression(space, random_seed=setting.seed)

    @staticmethod
    def _domain(of: Range) -> Any:
        from syne_tune import config_space

        if isinstance(of, CategoricalRange):
            return config_space.choice(list(of.values))
        if isinstance(of, ContinuousRange):
            return (config_space.loguniform if _is_log(of) else config_space.uniform)(of.low, of.high)
        return (config_space.lograndint if _is_log(of) else config_space.randint)(of.low, of.high)

    def ask(self) -> Hyperparameters:
        self.count += 1
        return {name: _plain(value) for name, value in self.searcher.suggest().items()}

    def tell(self, hyperparameters: Hyperparameters, objective: float) -> None:
        if math.isfinite(objective):
            self.searcher.on_trial_complete(self.count - 1, dict(hyperparameters), objective)


def _plain(value: Any) -> Value:
    return str(value) if isinstance(value, str) else value.item() if hasattr(value, "item") else value


PEERS: dict[str, Callable[[Setting], Engine]] = {
    "optuna-tpe": partial(Optuna, sampler="tpe"),
    "optuna-gp": partial(Optuna, sampler="gp"),
    "smac": Smac,
    "botorch": BoTorch,
    "syne-tune": SyneTune,
}

"""The numeric parts of the Bayesian search, each against an independent way of getting the same number."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from airflow_hpt.domain.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from airflow_hpt.local.search.acquisition import log_expected_improvement, slopes
from airflow_hpt.local.search.cube import Array, Cube
from airflow_hpt.local.search.evidence import Loss, fit
from airflow_hpt.local.search.gp import Model, Relative
from airflow_hpt.local.search.maximiser import Acquisition, maximise
from airflow_hpt.local.search.objective import representative, softened, standardised
from airflow_hpt.local.search.priors import prior_for
from airflow_hpt.local.search.transfer import calibrated
from airflow_hpt.local.search.warp import by_bend, by_point, warped

SPACE = Space(
    (
        ContinuousRange("a", 0.0, 1.0),
        ContinuousRange("b", 1e-5, 1.0, Scaling.LOGARITHMIC),
        CategoricalRange("c", ("x", "y", "z")),
    )
)
CUBE = Cube(SPACE)


def make_points(count: int, seed: int) -> Array:
    return CUBE.snap(np.random.default_rng(seed).random((count, CUBE.dimensions)))


def truth(x: Array) -> Array:
    return np.asarray(np.sin(5 * x[:, 0]) + x[:, 1] ** 2 + x[:, 2] - 1.2)


def make_relatives(z: Array, count: int) -> tuple[Relative, ...]:
    parents = [make_points(12, seed) for seed in range(count)]
    return tuple(Relative(fit(CUBE.expand(x), truth(x), CUBE.owner, prior_for(3)), z) for x in parents)


def make_model(relatives: int, *, points: int = 10) -> Model:
    x = make_points(points, 50)
    z = CUBE.expand(x)
    return fit(z, truth(x), CUBE.owner, prior_for(3, relatives), relatives=make_relatives(z, relatives))


def differences(function: Callable[[Array], float], at: Array, step: float = 1e-5) -> Array:
    return np.array([(function(at + e) - function(at - e)) / (2 * step) for e in step * np.eye(len(at))])


@pytest.mark.parametrize("relatives", [0, 1, 3])
def test_the_gradient_of_the_evidence_is_its_slope(relatives: int) -> None:
    x = make_points(10, 50)
    z = CUBE.expand(x)
    prior = prior_for(3, relatives)
    loss = Loss(z, truth(x), CUBE.owner, prior, relatives=make_relatives(z, relatives))
    theta = prior.mean + 0.3 * np.random.default_rng(1).standard_normal(len(prior.mean))
    assert loss(theta)[1] == pytest.approx(differences(lambda at: loss(at)[0], theta), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("relatives", [0, 2])
def test_the_slopes_of_the_posterior_are_those_of_its_predictions(relatives: int) -> None:
    model = make_model(relatives)
    z = CUBE.expand(make_points(3, 9))
    mean, sd, by_mean, by_sd = model.slopes(z)
    predicted = model.predict(z)
    assert mean == pytest.approx(predicted[0])
    assert sd == pytest.approx(predicted[1])
    for row, index in itertools.product(range(len(z)), (0, 1)):
        slope = (by_mean, by_sd)[index][row]
        expected = differences(lambda at, i=index: float(model.predict(at[None, :])[i][0]), z[row])
        assert slope[CUBE.is_number] == pytest.approx(expected[CUBE.is_number], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("relatives", "is_bent"), [(0, True), (2, False)])
def test_only_a_task_that_stands_alone_bends_its_axes(relatives: int, is_bent: bool) -> None:
    assert make_model(relatives, points=25).is_bent == is_bent


@given(
    z=st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=5),
    a=st.floats(0.25, 4.0),
    b=st.floats(0.25, 4.0),
)
def test_a_warped_axis_keeps_its_order_and_its_ends(z: list[float], a: float, b: float) -> None:
    column = np.sort(np.array([-0.5, 0.0, 1.0, 1.5, *z]))[:, None]
    bent = warped(column, np.array([a]), np.array([b]))
    assert (np.diff(bent, axis=0) >= 0).all()
    is_inside = (column >= 0) & (column <= 1)
    assert ((bent[is_inside] >= 0) & (bent[is_inside] <= 1)).all()
    assert bent[~is_inside].tolist() == column[~is_inside].tolist()


def test_slopes_of_a_warped_axis_are_its_differences() -> None:
    z = np.array([[0.1, 0.5, 0.97, 1.2]])
    a, b = np.array([0.6, 1.0, 2.0, 3.0]), np.array([1.7, 1.0, 0.5, 0.4])
    by_log_a, by_log_b = by_bend(z, a, b)
    h = 1e-6
    assert by_point(z, a, b) == pytest.approx((warped(z + h, a, b) - warped(z - h, a, b)) / (2 * h), rel=1e-5)
    up, down = np.exp(h), np.exp(-h)
    assert by_log_a == pytest.approx((warped(z, a * up, b) - warped(z, a * down, b)) / (2 * h), rel=1e-5)
    assert by_log_b == pytest.approx((warped(z, a, b * up) - warped(z, a, b * down)) / (2 * h), rel=1e-5)


def test_the_posterior_passes_through_exact_results_and_is_sure_there() -> None:
    model = make_model(0, points=25)
    mean, sd = model.predict(model.z)
    assert mean == pytest.approx(model.y, abs=0.1)
    assert sd.max() < 0.2 * np.sqrt(model.signal)


def test_a_relative_informs_where_the_task_has_no_data() -> None:
    x = make_points(60, 3)
    near, far = x[x[:, 0] < 0.3], x[x[:, 0] > 0.6]
    z = CUBE.expand(near)
    alone = fit(z, truth(near), CUBE.owner, prior_for(3))
    taught = fit(z, truth(near), CUBE.owner, prior_for(3, 2), relatives=make_relatives(z, 2))
    errors = [np.abs(model.predict(CUBE.expand(far))[0] - truth(far)).mean() for model in (alone, taught)]
    assert errors[1] < 0.5 * errors[0]


def test_a_relative_that_says_the_opposite_is_not_followed() -> None:
    x = make_points(20, 3)
    z = CUBE.expand(x)
    model = fit(z, -truth(x), CUBE.owner, prior_for(3, 1), relatives=make_relatives(z, 1))
    assert model.shares[0][0] < 0.1


def test_believing_a_pending_point_leaves_the_mean_and_removes_the_doubt() -> None:
    model = make_model(2)
    pending = CUBE.expand(make_points(2, 77))
    mean, sd = model.predict(pending)
    believed_mean, believed_sd = model.believing(pending).predict(pending)
    assert believed_mean == pytest.approx(mean, abs=1e-2)
    assert (believed_sd < sd).all()


@pytest.mark.parametrize(("mean", "sd", "best"), [(0.0, 1.0, 0.5), (0.3, 0.2, 0.0), (1.0, 0.5, -0.5)])
def test_expected_improvement_is_the_integral_that_defines_it(mean: float, sd: float, best: float) -> None:
    integral = quad(lambda v: (best - v) * norm.pdf(v, mean, sd), best - 12 * sd - abs(best - mean), best)[0]
    found = log_expected_improvement(np.array(mean), np.array(sd), best)
    assert float(np.exp(found)) == pytest.approx(integral, rel=1e-6)


@pytest.mark.parametrize("distance", [0.0, 0.99, 1.01, 5.0, 40.0, 9e3, 1.1e4, 1e6])
def test_expected_improvement_has_slopes_however_unlikely_it_is(distance: float) -> None:
    mean, sd = np.array(distance), np.array(1.0)
    by_mean, by_sd = slopes(mean, sd, 0.0)
    step = 1e-4 * max(distance, 1.0)
    ahead, behind = (log_expected_improvement(mean + sign * step, sd, 0.0) for sign in (1, -1))
    assert np.isfinite(by_sd)
    assert float(by_mean) == pytest.approx(float((ahead - behind) / (2 * step)), rel=1e-2)


def test_the_maximum_of_an_acquisition_is_found_among_numbers_and_categories() -> None:
    target = CUBE.snap(np.array([[0.3137, 0.771, 0.9]]))[0]

    def values(x: Array) -> Array:
        return np.asarray(-((x - target) ** 2).sum(axis=1))

    acquisition = Acquisition(values, lambda x: (values(x), -2 * (x - target)))
    around = make_points(3, 1)
    found = maximise(acquisition, CUBE, around=around, rng=np.random.default_rng(0))[0]
    assert found == pytest.approx(target, abs=1e-4)
    held = maximise(acquisition, CUBE, around=around, rng=np.random.default_rng(0), held=(2, 1 / 6))
    assert set(held[:, 2]) == {1 / 6}


def test_softening_keeps_the_order_and_the_good_half() -> None:
    y = np.array([0.1, 0.2, 0.3, 0.4, 1e9])
    assert softened(y)[:3].tolist() == y[:3].tolist()
    assert (np.diff(softened(y)) >= 0).all()
    assert softened(y)[-1] < 1.0


def test_constant_values_are_all_average() -> None:
    assert standardised(np.full(4, 3.0)).tolist() == [0.0] * 4


@pytest.mark.parametrize("cap", [1, 2, 9, 10, 50])
def test_a_choice_of_observations_holds_the_best_within_its_cap(cap: int) -> None:
    y = np.random.default_rng(0).random(50)
    chosen = representative(y, cap)
    assert len(set(chosen.tolist())) == len(chosen) == cap
    assert set(np.argsort(y)[: cap // 2].tolist()) <= set(chosen.tolist())


def test_calibration_maps_results_to_what_the_parents_expected() -> None:
    expected = np.linspace(-2.0, -1.0, 30)
    assert calibrated(7 + 5 * expected, expected, float(np.log(5))) == pytest.approx(expected)


def test_what_a_parent_had_outside_the_ranges_stays_outside_and_apart() -> None:
    space = Space((ContinuousRange("a", 0.0, 1.0), IntegerRange("n", 1, 4), CategoricalRange("c", ("x", "y"))))
    cube = Cube(space)
    inside, outside = cube.encode([{"a": 0.5, "n": 2, "c": "x"}, {"a": 9.0, "n": "2", "c": "gone"}])
    assert outside[0] > 1
    assert outside[1] == inside[1]  # a static value is text
    gaps = cube.expand(np.array([inside, outside]))
    assert ((gaps[0] - gaps[1])[~cube.is_number] ** 2).sum() == pytest.approx(1.0)

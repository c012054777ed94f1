"""Built-in algorithms: XGBoost as the image runs it, and algorithms that other packages add."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets, metrics

from airflow_hpt.local.runner import algorithms as registry
from airflow_hpt.local.runner.algorithms import Algorithm, find_algorithm, image_metrics, xgboost_scores
from airflow_hpt.local.runner.algorithms.xgboost_hyperparameters import KINDS, read
from airflow_hpt.local.runner.algorithms.xgboost_training import main
from airflow_hpt.local.runner.base import Ending, Launch
from airflow_hpt.local.runner.objects import FolderObjects
from airflow_hpt.local.runner.processes import ProcessRunner
from tests.contracts.runner import await_ending, read_whole_log

xgboost = pytest.importorskip("xgboost")

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
SETTINGS = {"num_round": "3", "objective": "binary:logistic", "max_depth": "2"}


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (IMAGE, "XGBoost"),
        ("811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:latest", "XGBoost"),
        ("xgboost", "XGBoost"),
        ("host:5000/xgboost@sha256:00", "XGBoost"),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1", None),
        ("", None),
    ],
)
def test_an_image_is_known_by_its_repository(image: str, name: str | None) -> None:
    found = find_algorithm(image)
    assert (found.name if found else None) == name
    assert (image_metrics(image) is None) == (name is None)


def test_other_packages_add_algorithms_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    added = Algorithm("Mean", frozenset({"mean"}), "somebody.mean", {"train:mae": "mae=(.*)"}, "json", "nothing")

    class Entry:
        def load(self) -> Algorithm:
            return added

    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry()] if group == "airflow_hpt.algorithms" else [])
    registry.algorithms.cache_clear()
    try:
        assert find_algorithm("registry/mean:2") == added
    finally:
        registry.algorithms.cache_clear()


# Hyperparameters


@pytest.mark.parametrize(
    ("wire", "fault"),
    [
        ({"num_round": "0"}, "num_round is '0' but must be a whole number of at least 1"),
        ({"num_round": "2.5"}, "num_round is '2.5' but must be a whole number of at least 1"),
        ({}, "num_round is required"),
        ({"num_round": "1", "eta": "2"}, "eta is '2' but must be a number from 0 to 1"),
        ({"num_round": "1", "booster": "tree"}, "booster is 'tree' but must be one of gbtree, gblinear, dart"),
        ({"num_round": "1", "learningrate": "1"}, "learningrate is not a hyperparameter of XGBoost"),
        ({"num_round": "1", "objective": "multi:softmax"}, "num_class is required for the objective multi:softmax"),
        ({"num_round": "1", "refresh_leaf": "maybe"}, "refresh_leaf is 'maybe' but must be true or false"),
        ({"num_round": "x", "eta": "nan"}, "eta is 'nan' but must be a number from 0 to 1; num_round is 'x' but"),
    ],
)
def test_every_wrong_hyperparameter_is_named(wire: Mapping[str, str], fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        read(wire)


def test_hyperparameters_are_typed_and_the_tuners_own_are_left_out() -> None:
    wire = {
        "num_round": "10",
        "eta": "0.3",
        "tree_method": '"hist"',
        "eval_metric": "auc, error@0.7",
        "one_drop": "true",
        "_tuning_objective_metric": "validation:auc",
        "sketch_eps": "0.03",
    }
    expected = {"num_round": 10, "eta": 0.3, "tree_method": "hist", "eval_metric": ["auc", "error@0.7"], "one_drop": 1}
    assert read(wire) == expected


SAMPLES = {
    "aft_loss_distribution": {"aft_loss_distribution": "normal", "objective": "survival:aft"},
    "aft_loss_distribution_scale": {"objective": "survival:aft"},
    "booster": {"booster": "dart"},
    "grow_policy": {"grow_policy": "depthwise", "tree_method": "hist"},
    "huber_slope": {"objective": "reg:pseudohubererror"},
    "interaction_constraints": {"interaction_constraints": "[[0,1]]"},
    "max_bin": {"max_bin": "4", "tree_method": "hist"},
    "monotone_constraints": {"monotone_constraints": "(1,0)"},
    "normalize_type": {"booster": "dart", "normalize_type": "forest"},
    "num_class": {"num_class": "3", "objective": "multi:softmax"},
    "objective": {"objective": "reg:squarederror"},
    "one_drop": {"booster": "dart"},
    "process_type": {"process_type": "default"},
    "rate_drop": {"booster": "dart"},
    "sample_type": {"booster": "dart", "sample_type": "weighted"},
    "sampling_method": {"sampling_method": "uniform", "tree_method": "hist"},
    "skip_drop": {"booster": "dart"},
    "tree_method": {"tree_method": "approx"},
    "tweedie_variance_power": {"tweedie_variance_power": "1.5", "objective": "reg:tweedie"},
    "updater": {"updater": "grow_colmaker,prune"},
}
IMAGES_OWN = {"num_round", "early_stopping_rounds", "csv_weights", "eval_metric", "save_model_on_termination"}


@pytest.mark.parametrize("name", sorted(KINDS.keys() - IMAGES_OWN))
def test_xgboost_knows_every_setting_that_is_passed_on(name: str, recwarn: pytest.WarningsRecorder) -> None:
    settings = read({"num_round": "1", name: "1"} | SAMPLES.get(name, {}))
    del settings["num_round"]
    labels = [0, 1]
    matrix = xgboost.DMatrix(np.eye(2), labels, label_lower_bound=labels, label_upper_bound=labels)
    xgboost.train(settings, matrix, 1)
    assert not [str(warning.message) for warning in recwarn if "not used" in str(warning.message)]


# Metrics that the image computes itself, against scikit-learn


def macro(score: Callable[..., float]) -> Callable[[Any, Any], float]:
    return lambda truth, guess: score(truth, guess, average="macro", zero_division=0)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("accuracy", metrics.accuracy_score),
        ("balanced_accuracy", metrics.balanced_accuracy_score),
        ("f1_macro", macro(metrics.f1_score)),
        ("precision_macro", macro(metrics.precision_score)),
        ("recall_macro", macro(metrics.recall_score)),
    ],
)
@pytest.mark.parametrize("classes", [2, 5])
def test_metrics_of_classes_agree_with_scikit_learn(name: str, reference: Any, classes: int) -> None:
    random = np.random.default_rng(7)
    truth, guess = random.integers(0, classes, 50), random.integers(0, classes - 1, 50)
    assert xgboost_scores.OF_CLASSES[name](truth, guess) == pytest.approx(reference(truth, guess))


@pytest.mark.parametrize(
    ("name", "reference"),
    [("f1_binary", metrics.f1_score), ("precision", metrics.precision_score), ("recall", metrics.recall_score)],
)
def test_metrics_of_class_one_agree_with_scikit_learn(name: str, reference: Any) -> None:
    random = np.random.default_rng(8)
    truth, guess = random.integers(0, 2, 50), random.integers(0, 2, 50)
    assert xgboost_scores.OF_CLASSES[name](truth, guess) == pytest.approx(reference(truth, guess))
    assert xgboost_scores.OF_CLASSES[name](np.ones(3), np.zeros(3)) == 0.0


@pytest.mark.parametrize(("name", "reference"), [("mse", metrics.mean_squared_error), ("r2", metrics.r2_score)])
def test_metrics_of_values_agree_with_scikit_learn(name: str, reference: Any) -> None:
    random = np.random.default_rng(9)
    truth, predicted = random.normal(size=50), random.normal(size=50)
    assert xgboost_scores.OF_VALUES[name](truth, predicted) == pytest.approx(reference(truth, predicted))


@pytest.mark.parametrize(
    ("objective", "predictions", "expected"),
    [
        ("binary:logistic", [0.2, 0.7], [0, 1]),
        ("binary:logitraw", [-0.1, 0.1], [0, 1]),
        ("multi:softmax", [2.0, 0.0], [2, 0]),
        ("multi:softprob", [[0.1, 0.9], [0.6, 0.4]], [1, 0]),
    ],
)
def test_classes_follow_from_what_the_objective_predicts(
    objective: str, predictions: list[Any], expected: list[int]
) -> None:
    assert xgboost_scores.classes_of(np.array(predictions), objective).tolist() == expected


# The program


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for folder in ("input/config", "input/data", "model", "output"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def prepare(base: Path, wire: Mapping[str, str], *, content_type: str | None = "text/csv", **files: str) -> None:
    kinds = {"ContentType": content_type} if content_type else {}
    config = base / "input" / "config"
    (config / "hyperparameters.json").write_text(json.dumps(wire))
    (config / "inputdataconfig.json").write_text(json.dumps({name: kinds for name in files}))
    for name, text in files.items():
        folder = base / "input" / "data" / name
        folder.mkdir()
        (folder / "part-1").write_text(text)


def read_model(base: Path) -> Any:
    model = xgboost.Booster()
    model.load_model(bytearray((base / "model" / "xgboost-model").read_bytes()))
    return model


def csv_of(rows: Any) -> str:
    return "\n".join(",".join(f"{value:g}" for value in row) for row in rows)


def table(*, rows: int = 60, seed: int = 1) -> np.ndarray:
    features = np.random.default_rng(seed).normal(size=(rows, 3))
    return np.column_stack([(features[:, 0] > 0).astype(float), features])


def test_csv_channels_give_a_model_and_the_metrics_of_every_round(base: Path, capfd: Any) -> None:
    wire = {**SETTINGS, "_tuning_objective_metric": "validation:auc", "eval_metric": "error,accuracy"}
    prepare(base, wire, train=csv_of(table()), validation=csv_of(table(seed=2)))
    main(base)
    lines = capfd.readouterr().out.splitlines()
    regexes = image_metrics(IMAGE)
    assert regexes is not None
    for metric in ("train:error", "validation:error", "validation:auc", "validation:accuracy", "train:accuracy"):
        found = [re.match(regexes[metric], line.replace("\t", "#011")) for line in lines]
        assert len(found) == 3
        assert all(0 <= float(match.group(1)) <= 1 for match in found if match)
        assert None not in found
    assert read_model(base).num_boosted_rounds() == 3


def libsvm_of(rows: Any) -> str:
    return "\n".join(" ".join([f"{row[0]:g}", *(f"{i}:{v:g}" for i, v in enumerate(row[1:], 1))]) for row in rows)


@pytest.mark.parametrize("content_type", ["text/libsvm", "text/x-libsvm; charset=utf-8", None])
def test_libsvm_channels_are_read(base: Path, content_type: str | None) -> None:
    sparse = "1 2:0.5\n0 1:1 # a comment\n\n1 1:0.5"  # narrower than the other channel
    prepare(base, SETTINGS, content_type=content_type, train=libsvm_of(table()), validation=sparse)
    main(base)
    assert (base / "model" / "xgboost-model").exists()


def test_weights_may_be_the_second_column(base: Path) -> None:
    rows = table()
    weighted = np.column_stack([rows[:, 0], np.where(rows[:, 0] == 1, 0, 1), rows[:, 1:]])
    prepare(base, {**SETTINGS, "csv_weights": "1", "base_score": "0.5", "num_round": "30"}, train=csv_of(weighted))
    main(base)
    assert read_model(base).predict(xgboost.DMatrix(rows[:, 1:])).max() < 0.5  # only class 0 has weight


def test_early_stopping_ends_training_before_the_last_round(base: Path, capfd: Any) -> None:
    random = np.random.default_rng(3)
    noise = np.column_stack([random.integers(0, 2, 50), random.normal(size=(50, 2))])
    wire = {**SETTINGS, "num_round": "500", "early_stopping_rounds": "3", "eval_metric": "logloss", "eta": "1"}
    prepare(base, wire, train=csv_of(table()[:, :3]), validation=csv_of(noise))
    main(base)
    assert len(capfd.readouterr().out.splitlines()) < 100


def test_survival_data_is_taken_as_uncensored(base: Path, capfd: Any) -> None:
    rows = table()
    rows[:, 0] += 1
    wire = {"num_round": "2", "objective": "survival:aft", "eval_metric": "aft-nloglik"}
    prepare(base, wire, train=csv_of(rows))
    main(base)
    assert "train-aft-nloglik" in capfd.readouterr().out


def test_ranking_data_carries_query_ids(base: Path) -> None:
    lines = "\n".join(f"{i % 3} qid:{i // 6} 1:{i * 7 % 5} 2:{i}" for i in range(30))
    prepare(base, {"num_round": "2", "objective": "rank:ndcg"}, content_type="text/libsvm", train=lines)
    main(base)
    assert (base / "model" / "xgboost-model").exists()


@pytest.mark.parametrize(
    ("wire", "content_type", "train", "said"),
    [
        ({"num_round": "1", "nonsense": "1"}, "text/csv", "1,2", "nonsense is not a hyperparameter of XGBoost"),
        (SETTINGS, "text/csv", "label,age\n1,2", "part-1, line 1: a field is not a number; the file must not have a"),
        (SETTINGS, "text/csv", "1,2\n1,x", "part-1, line 2: a field is not a number"),
        (SETTINGS, "text/csv", "1,2\n1,2,3", "part-1, line 2: 3 columns after 2"),
        (SETTINGS, "text/csv", "", "part-1 is empty"),
        (SETTINGS, "text/csv", "1\n0", "there are 1 columns"),
        (SETTINGS, "text/csv; label_size=0", "1,2", "the label is one column"),
        (SETTINGS, "application/x-parquet", "1,2", "is not supported; give text/csv or text/libsvm"),
        (SETTINGS, "text/libsvm", "1,2", "part-1, line 1: not libsvm"),
        (SETTINGS, "text/csv", "7,1\n8,2", "base_score must be in (0,1)"),
        ({**SETTINGS, "objective": "no:such"}, "text/csv", "1,2\n0,1", "Unknown objective function: `no:such`"),
        ({**SETTINGS, "early_stopping_rounds": "2"}, "text/csv", "1,2\n0,1", "needs the channel validation"),
    ],
)
def test_what_the_image_cannot_use_is_a_client_error(
    base: Path, wire: Mapping[str, str], content_type: str, train: str, said: str
) -> None:
    prepare(base, wire, content_type=content_type, train=train)
    with pytest.raises(SystemExit, match="1"):
        main(base)
    failure = (base / "output" / "failure").read_text()
    assert failure.startswith("ClientError: ")
    assert said in failure


def test_missing_values_in_csv_stay_missing(base: Path) -> None:
    prepare(base, SETTINGS, train="1,,2\n0,1,\n" * 10)
    main(base)
    assert (base / "model" / "xgboost-model").exists()


def test_the_channel_train_is_required(base: Path) -> None:
    prepare(base, SETTINGS, validation="1,2\n0,1")
    with pytest.raises(SystemExit, match="1"):
        main(base)
    assert "The channel train is required" in (base / "output" / "failure").read_text()


# As a training job


def launch_of(wire: Mapping[str, str], *, channels: tuple[str, ...] = ("train", "validation")) -> Launch:
    return Launch(
        name="boost",
        arn="arn",
        tuning_job="tune",
        region="us-east-1",
        hyperparameters=wire,
        definition={
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "InputDataConfig": [
                {
                    "ChannelName": name,
                    "ContentType": "text/csv",
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/{name}"}},
                }
                for name in channels
            ],
            "OutputDataConfig": {"S3OutputPath": "s3://out"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
    )


def test_a_training_job_with_the_image_needs_no_script(tmp_path: Path) -> None:
    samples = datasets.load_breast_cancer()
    rows = np.column_stack([samples.target, samples.data])
    objects = FolderObjects(tmp_path / "s3")
    for name, part in (("train", rows[::2]), ("validation", rows[1::2])):
        (tmp_path / "s3" / "data" / name).mkdir(parents=True)
        (tmp_path / "s3" / "data" / name / "rows.csv").write_text(csv_of(part))
    runner = ProcessRunner(tmp_path / "jobs", objects)
    runner.start(launch_of({**SETTINGS, "num_round": "20", "_tuning_objective_metric": "validation:auc"}))
    sighting = await_ending(runner, "boost")
    assert (sighting.ending, sighting.failure_reason) == (Ending.COMPLETED, None)
    regex = (image_metrics(IMAGE) or {})["validation:auc"]
    emitted = [re.match(regex, line.replace("\t", "#011")) for line in read_whole_log(runner, "boost")]
    assert float([match for match in emitted if match][-1].group(1)) > 0.97
    assert objects.exists("s3://out/boost/output/model.tar.gz")


def test_a_training_job_says_what_is_wrong_with_its_hyperparameters(tmp_path: Path) -> None:
    (tmp_path / "s3" / "data" / "train").mkdir(parents=True)
    (tmp_path / "s3" / "data" / "train" / "rows.csv").write_text("1,2\n0,1\n")
    runner = ProcessRunner(tmp_path / "jobs", FolderObjects(tmp_path / "s3"))
    runner.start(launch_of({**SETTINGS, "max_depth": "deep"}, channels=("train",)))
    sighting = await_ending(runner, "boost")
    said = "ClientError: max_depth is 'deep' but must be a whole number of at least 0"
    assert (sighting.ending, sighting.failure_reason) == (Ending.FAILED, said)

"""The metrics that the XGBoost image computes itself, from predictions of a built-in objective."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Score = Callable[[Any, Any], float]


def classes_of(predictions: Any, objective: str) -> Any:
    """Return predicted classes, from what an objective predicts: classes, a probability per class, or one number."""
    if objective == "multi:softmax":
        return predictions
    if predictions.ndim > 1:
        return predictions.argmax(axis=1)
    return (predictions > (0.0 if objective == "binary:logitraw" else 0.5)).astype(float)


def _counts(truth: Any, guess: Any) -> tuple[Any, Any, Any]:
    """Return per class how often it was guessed rightly, guessed, and true."""
    import numpy as np

    labels = np.union1d(truth, guess)
    right = np.array([np.sum((truth == label) & (guess == label)) for label in labels], dtype=float)
    guessed = np.array([np.sum(guess == label) for label in labels], dtype=float)
    true = np.array([np.sum(truth == label) for label in labels], dtype=float)
    return right, guessed, true


def _ratio(part: Any, whole: Any) -> Any:
    import numpy as np

    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def accuracy(truth: Any, guess: Any) -> float:
    """Return the share of right guesses."""
    return float((truth == guess).mean())


def balanced_accuracy(truth: Any, guess: Any) -> float:
    """Return the mean share of right guesses over the true classes."""
    right, _, true = _counts(truth, guess)
    return float((right[true > 0] / true[true > 0]).mean())


def precision_macro(truth: Any, guess: Any) -> float:
    """Return the mean precision over the classes."""
    right, guessed, _ = _counts(truth, guess)
    return float(_ratio(right, guessed).mean())


def recall_macro(truth: Any, guess: Any) -> float:
    """Return the mean recall over the classes."""
    right, _, true = _counts(truth, guess)
    return float(_ratio(right, true).mean())


def f1_macro(truth: Any, guess: Any) -> float:
    """Return the mean F1 over the classes."""
    right, guessed, true = _counts(truth, guess)
    return float(_ratio(2 * right, guessed + true).mean())


def precision(truth: Any, guess: Any) -> float:
    """Return the precision of class 1."""
    return _share(((truth == 1) & (guess == 1)).sum(), (guess == 1).sum())


def recall(truth: Any, guess: Any) -> float:
    """Return the recall of class 1."""
    return _share(((truth == 1) & (guess == 1)).sum(), (truth == 1).sum())


def f1_binary(truth: Any, guess: Any) -> float:
    """Return the F1 of class 1."""
    return _share(2 * ((truth == 1) & (guess == 1)).sum(), (guess == 1).sum() + (truth == 1).sum())


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else 0.0


def mse(truth: Any, predicted: Any) -> float:
    """Return the mean squared error."""
    return float(((truth - predicted) ** 2).mean())


def r2(truth: Any, predicted: Any) -> float:
    """Return the coefficient of determination."""
    return 1 - _share(((truth - predicted) ** 2).sum(), ((truth - truth.mean()) ** 2).sum())


OF_CLASSES: Mapping[str, Score] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": f1_macro,
    "f1_binary": f1_binary,
    "f1_macro": f1_macro,
    "precision": precision,
    "precision_macro": precision_macro,
    "precision_micro": accuracy,  # the same when every example has one class
    "recall": recall,
    "recall_macro": recall_macro,
    "recall_micro": accuracy,
}
OF_VALUES: Mapping[str, Score] = {"mse": mse, "r2": r2}
COMPUTED = frozenset(OF_CLASSES) | frozenset(OF_VALUES)


def scorer(names: Sequence[str], objective: str) -> Callable[[Any, Any], list[tuple[str, float]]]:
    """Return a metric function for XGBoost that computes the named metrics."""

    def score(predictions: Any, matrix: Any) -> list[tuple[str, float]]:
        truth = matrix.get_label()
        guess = classes_of(predictions, objective)
        return [
            (name, OF_CLASSES[name](truth, guess) if name in OF_CLASSES else OF_VALUES[name](truth, predictions))
            for name in names
        ]

    return score

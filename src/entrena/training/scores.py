"""The catalogue of scores: how good predictions are.

They are written in NumPy, because importing scikit-learn would cost a second of every run. The function of an entry is
a `Score` (see `score_kinds`). In the details: `task`; `sign`, +1 where more is better; `classes`, "two" where it is for
two classes only, else "any"; `title`, as people write it; `unit`, "target" where it is in the target's units.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from entrena.registry import Choice, Entry, Registry, Setting
from entrena.training import class_scores, number_scores
from entrena.training.class_scores import accuracy, log_loss, roc_auc
from entrena.training.number_scores import mae, r2, rmse
from entrena.training.score_kinds import Score, Weight

__all__ = [
    "SCORES",
    "accuracy",
    "fitting_scores",
    "log_loss",
    "mae",
    "of_choice",
    "r2",
    "rmse",
    "roc_auc",
    "score",
    "sign",
]


def _classes(title: str, sign: int, classes: str = "any") -> dict[str, object]:
    return {"task": "classification", "sign": sign, "classes": classes, "title": title, "unit": None}


def _numbers(title: str, sign: int, unit: str | None = None) -> dict[str, object]:
    return {"task": "regression", "sign": sign, "classes": "any", "title": title, "unit": unit}


SCORES = Registry(
    "training.scoring",
    "Activations and outputs",
    (
        Entry(
            "accuracy",
            "share of rows with argmax_k p_k = true class",
            "How often the most probable class is right.",
            accuracy,
            other_names=("acc", "accuracy_score"),
            details=_classes("accuracy", 1),
        ),
        Entry(
            "balanced_accuracy",
            "mean_k (hits of class k / rows of class k)",
            "The accuracy if all classes were equally frequent: what chance gets, 1/K, does not grow with the most "
            "frequent class.",
            class_scores.balanced_accuracy,
            source="Brodersen, Ong, Stephan & Buhmann, The balanced accuracy and its posterior distribution, ICPR 2010",
            other_names=("balanced_accuracy_score", "bac", "macro_recall", "recall_macro", "uar"),
            details=_classes("balanced accuracy", 1),
        ),
        Entry(
            "log_loss",
            "mean of −ln p(true class)",
            "How probable the network held the truth; less is better.",
            log_loss,
            source="Good, Rational Decisions, Journal of the Royal Statistical Society B, 1952",
            other_names=("neg_log_loss", "cross_entropy", "logloss"),
            details=_classes("log loss", -1),
        ),
        Entry(
            "brier",
            "two classes: mean (p − t)²; more: mean Σ_k (p_k − t_k)²",
            "The squared distance between probabilities and truth: unlike log loss it forgives a confident mistake; "
            "less is better.",
            class_scores.brier,
            source="Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review, 1950",
            other_names=("brier_score", "brier_score_loss", "neg_brier_score"),
            details=_classes("Brier score", -1),
        ),
        Entry(
            "roc_auc",
            "P(p of a positive > p of a negative); several classes: the mean of each against the rest",
            "How well the classes are ranked, whatever the threshold.",
            roc_auc,
            source="Hanley & McNeil, The meaning and use of the area under a ROC curve, Radiology, 1982",
            other_names=("auc", "roc_auc_score", "roc_auc_ovr"),
            details=_classes("ROC AUC", 1),
        ),
        Entry(
            "average_precision",
            "Σ_n (R_n − R_(n−1))·P_n",
            "The mean precision while the threshold falls until all rows of the second class (in sorted order) are "
            "found: for a rare class more telling than ROC AUC.",
            class_scores.average_precision,
            source="Zhu, Recall, precision and average precision, University of Waterloo, 2004",
            other_names=("average_precision_score", "ap", "auprc", "pr_auc"),
            details=_classes("average precision", 1, "two"),
        ),
        Entry(
            "f1",
            "2·TP/(2·TP + FP + FN)",
            "The harmonic mean of precision and recall of the second class in sorted order.",
            class_scores.f1,
            source="van Rijsbergen, Information Retrieval, 1979, chapter 7",
            other_names=("f1_score", "f1_binary", "f_measure", "dice"),
            details=_classes("F1", 1, "two"),
        ),
        Entry(
            "f1_macro",
            "mean_k 2·TP_k/(2·TP_k + FP_k + FN_k)",
            "The mean F1 of all classes, each counting the same.",
            class_scores.f1_macro,
            source="van Rijsbergen, Information Retrieval, 1979, chapter 7",
            other_names=("macro_f1",),
            details=_classes("macro F1", 1),
        ),
        Entry(
            "precision",
            "TP/(TP + FP)",
            "How often the second class (in sorted order) is right where it is predicted; 0 where it never is.",
            class_scores.precision,
            other_names=("precision_score", "positive_predictive_value", "ppv"),
            details=_classes("precision", 1, "two"),
        ),
        Entry(
            "recall",
            "TP/(TP + FN)",
            "How much of the second class (in sorted order) is found.",
            class_scores.recall,
            other_names=("recall_score", "sensitivity", "true_positive_rate", "tpr", "hit_rate"),
            details=_classes("recall", 1, "two"),
        ),
        Entry(
            "mcc",
            "(n·Σ_k TP_k − Σ_k t_k·p_k)/√((n² − Σ t_k²)(n² − Σ p_k²))",
            "Matthews' correlation of the true and the predicted class, where t_k rows are of class k and p_k are "
            "predicted to be: 0 is chance, 1 is all right.",
            class_scores.mcc,
            source="Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, "
            "Computational Biology and Chemistry, 2004",
            other_names=("matthews_corrcoef", "matthews", "phi", "r_k"),
            details=_classes("MCC", 1),
        ),
        Entry(
            "rmse",
            "√ mean (t − y)²",
            "The typical error in the target's units; less is better.",
            rmse,
            other_names=("neg_root_mean_squared_error", "root_mean_squared_error", "mse", "neg_mean_squared_error"),
            details=_numbers("RMSE", -1, "target"),
        ),
        Entry(
            "mae",
            "mean |t − y|",
            "The mean error in the target's units; less is better.",
            mae,
            other_names=("neg_mean_absolute_error", "mean_absolute_error"),
            details=_numbers("MAE", -1, "target"),
        ),
        Entry(
            "median_absolute_error",
            "median |t − y|",
            "The error that half of the rows stay below, whatever the outliers; less is better.",
            number_scores.median_absolute_error,
            other_names=("neg_median_absolute_error", "medae"),
            details=_numbers("median absolute error", -1, "target"),
        ),
        Entry(
            "max_error",
            "max |t − y|",
            "The worst error; less is better. It has no interval.",
            number_scores.max_error,
            other_names=("neg_max_error",),
            details=_numbers("greatest error", -1, "target"),
        ),
        Entry(
            "mape",
            "mean |t − y|/max(|t|, ε)",
            "The mean error as a share of the target, ε = 2.2e-16: only where no target is near 0; less is better.",
            number_scores.mape,
            other_names=("neg_mean_absolute_percentage_error", "mean_absolute_percentage_error"),
            details=_numbers("MAPE", -1),
        ),
        Entry(
            "rmsle",
            "√ mean (ln(1 + t) − ln(1 + y))²",
            "The typical relative error of counts and prices, for targets above −1; less is better.",
            number_scores.rmsle,
            other_names=("neg_root_mean_squared_log_error", "root_mean_squared_log_error"),
            details=_numbers("RMSLE", -1),
        ),
        Entry(
            "pinball",
            "mean of α(t − y) where t ≥ y, else (1 − α)(y − t)",
            "The loss of a quantile: least where a share α of the targets lies below the predictions.",
            number_scores.pinball,
            source="Koenker & Bassett, Regression Quantiles, Econometrica, 1978",
            settings=(Setting("alpha", 0.5, "the quantile's share, α", low=0, high=1, low_open=True, high_open=True),),
            other_names=("mean_pinball_loss", "neg_mean_pinball_loss", "quantile_loss", "quantile"),
            details=_numbers("pinball loss", -1, "target"),
        ),
        Entry(
            "r2",
            "1 − Σ(t − y)² / Σ(t − mean t)²",
            "The share of the variance that is explained.",
            r2,
            other_names=("r_squared", "r2_score", "coefficient_of_determination"),
            details=_numbers("R²", 1),
        ),
        Entry(
            "explained_variance",
            "1 − Var(t − y)/Var(t)",
            "R² that forgives predictions that are all too high or too low by the same amount.",
            number_scores.explained_variance,
            other_names=("explained_variance_score",),
            details=_numbers("explained variance", 1),
        ),
    ),
)


def of_choice(choice: Choice | str) -> tuple[Score, dict[str, Any]]:
    """The function of a score, and all its settings.

    Args:
        choice: A score with its settings, or the name of one.
    """
    chosen = Choice(choice) if isinstance(choice, str) else choice
    function = SCORES[chosen.name].function
    assert isinstance(function, Score)
    return function, SCORES.settings_of(chosen)


def score(choice: Choice | str, truth: np.ndarray, prediction: np.ndarray, sample_weight: Weight = None) -> float:
    """One score.

    Args:
        choice: A score with its settings, or the name of one.
        truth: [rows] class numbers, or [rows, outputs] numbers in the target's units.
        prediction: [rows, classes] probabilities, or [rows, outputs] numbers.
        sample_weight: [rows] weights of at least 0, or None: all equal.

    Returns:
        The score; NaN where it is undefined, as without rows.
    """
    function, settings = of_choice(choice)
    return function(truth, prediction, sample_weight, **settings)


def sign(choice: Choice | str) -> int:
    """+1 where a higher score is better, else −1."""
    return int(SCORES[choice if isinstance(choice, str) else choice.name].details["sign"])


def fitting_scores(n_classes: int | None) -> tuple[str, ...]:
    """The names of the scores that a task has.

    Args:
        n_classes: How many classes there are; None: the target is a number.
    """
    task = "regression" if n_classes is None else "classification"
    return tuple(
        name
        for name, entry in SCORES.items()
        if entry.details["task"] == task and (n_classes == 2 or entry.details["classes"] == "any")
    )

"""Scores of classes.

Each is called with the true class numbers [rows] and the probabilities [rows, classes]. The predicted class is the most
probable one, the first of several. With two classes the second one, in sorted order, is the *positive* one, as in
scikit-learn (`pos_label=1`).
"""

from __future__ import annotations

import numpy as np

from entrena.training.score_kinds import NAN, RankScore, SumScore, Terms, Weighing, mean_of_first, share

LEAST_PROBABILITY = np.finfo(np.float64).eps  # a probability of 0 for the true class is a finite loss


def _hits(truth: np.ndarray, p: np.ndarray, weight: np.ndarray) -> Terms:
    return Terms((p.argmax(axis=1) == truth)[:, None].astype(float))


def _log_losses(truth: np.ndarray, p: np.ndarray, weight: np.ndarray) -> Terms:
    of_truth = p[np.arange(len(truth)), truth].astype(float)
    return Terms(-np.log(np.maximum(of_truth, LEAST_PROBABILITY))[:, None])


def _squared_distances(truth: np.ndarray, p: np.ndarray, weight: np.ndarray) -> Terms:
    p = p.astype(float)
    if p.shape[1] == 2:
        return Terms(np.square(p[:, 1:] - (truth == 1)[:, None]))
    # Σ_k (p_k − t_k)² = Σ_k p_k² − p_true² + (p_true − 1)²
    of_truth = p[np.arange(len(truth)), truth]
    others = np.einsum("rk,rk->r", p, p) - np.square(of_truth)
    return Terms((np.maximum(others, 0) + np.square(of_truth - 1))[:, None])


def _confusion(truth: np.ndarray, p: np.ndarray, weight: np.ndarray) -> Terms:
    """The weight of each class among the true ones, the predicted ones, and the hits."""
    n_classes = p.shape[1]
    predicted = p.argmax(axis=1)
    hit = np.where(predicted == truth, 2 * n_classes + truth, 3 * n_classes)
    cells = np.stack([truth, n_classes + predicted, hit], axis=1)
    return Terms(np.empty((len(truth), 0)), cells, 3 * n_classes)


def _parts(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The weight of the true, the predicted and the rightly predicted rows of each class, each [..., classes]."""
    n_classes = (sums.shape[-1] - 1) // 3
    parts = sums[..., 1:].reshape(*sums.shape[:-1], 3, n_classes)
    return parts[..., 0, :], parts[..., 1, :], parts[..., 2, :]


def _mean_where(there: np.ndarray, values: np.ndarray) -> np.ndarray:
    return share(np.where(there, values, 0.0).sum(axis=-1), there.sum(axis=-1))


def _classes_there(sums: np.ndarray) -> np.ndarray:
    return _parts(sums)[0] > 0


def _balanced_accuracy(sums: np.ndarray) -> np.ndarray:
    true, _, hits = _parts(sums)
    return _mean_where(true > 0, share(hits, true))


def _f1_of_each(sums: np.ndarray) -> np.ndarray:
    true, predicted, hits = _parts(sums)
    return share(2 * hits, true + predicted)


def _f1(sums: np.ndarray) -> np.ndarray:
    return _f1_of_each(sums)[..., 1]


def _f1_macro(sums: np.ndarray) -> np.ndarray:
    each = _f1_of_each(sums)
    return _mean_where(~np.isnan(each), each)


def _precision(sums: np.ndarray) -> np.ndarray:
    true, predicted, hits = (part[..., 1] for part in _parts(sums))
    return np.where((predicted == 0) & (true > 0), 0.0, share(hits, predicted))


def _recall(sums: np.ndarray) -> np.ndarray:
    true, _, hits = (part[..., 1] for part in _parts(sums))
    return share(hits, true)


def _mcc(sums: np.ndarray) -> np.ndarray:
    # Shares instead of weights, so that no product is beyond float64.
    true, predicted, hits = (share(part, sums[..., :1]) for part in _parts(sums))
    covariance = hits.sum(axis=-1) - (true * predicted).sum(axis=-1)
    spread_true, spread_predicted = ((part * (1 - part)).sum(axis=-1) for part in (true, predicted))
    one_true, one_predicted = ((part > 0).sum(axis=-1) < 2 for part in (true, predicted))
    spread = np.sqrt(spread_true) * np.sqrt(spread_predicted)
    value = covariance / np.where(one_true | one_predicted, 1.0, spread)
    return np.where(one_true, NAN, np.where(one_predicted, 0.0, value))


def _roc_auc_ranks(truth: np.ndarray, p: np.ndarray) -> Weighing | None:
    classes = range(p.shape[1]) if p.shape[1] > 2 else (1,)
    each = [_area(p[:, k], truth == k) for k in classes]
    return lambda weights: np.mean([area(weights) for area in each], axis=0)


def _area(score: np.ndarray, positive: np.ndarray) -> Weighing:
    """The weighted share of the pairs of a positive and a negative row in which the positive one ranks higher."""
    order, starts = _ranked(score)
    is_positive = positive[order].astype(float)

    def weigh(weights: np.ndarray) -> np.ndarray:
        ranked = np.take(weights, order, axis=1)
        positives = _by_tie(ranked * is_positive, starts)
        negatives = _by_tie(ranked, starts) - positives
        below = np.cumsum(negatives, axis=1) - negatives / 2  # pairs of equal score count half
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        return share(np.einsum("rt,rt->r", positives, below), pairs)

    return weigh


def _average_precision_ranks(truth: np.ndarray, p: np.ndarray) -> Weighing | None:
    order, starts = _ranked(-p[:, 1])
    is_positive = (truth[order] == 1).astype(float)

    def weigh(weights: np.ndarray) -> np.ndarray:
        ranked = np.take(weights, order, axis=1)
        positives = _by_tie(ranked * is_positive, starts)
        chosen = np.cumsum(_by_tie(ranked, starts), axis=1)
        found = np.cumsum(positives, axis=1)
        found /= np.where(chosen > 0, chosen, 1.0)  # now the precision at each threshold
        return share(np.einsum("rt,rt->r", positives, found), positives.sum(axis=1))

    return weigh


def _ranked(score: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows from the lowest score to the highest, and where each run of equal scores begins; None: all differ."""
    order = np.argsort(score, kind="stable")
    ranked = score[order]
    first = np.concatenate([[True], ranked[1:] != ranked[:-1]])
    return order, None if first.all() else np.flatnonzero(first)


def _by_tie(ranked: np.ndarray, starts: np.ndarray | None) -> np.ndarray:
    return ranked if starts is None else np.add.reduceat(ranked, starts, axis=1)


accuracy = SumScore(_hits, mean_of_first)
"""The share of rows whose most probable class is the true one."""

balanced_accuracy = SumScore(_confusion, _balanced_accuracy, _classes_there)
"""The mean over the classes that occur of the share of their rows that is found."""

log_loss = SumScore(_log_losses, mean_of_first)
"""The mean of −ln p(true class), in nats; a probability below 2.2e-16 counts as 2.2e-16."""

brier = SumScore(_squared_distances, mean_of_first)
"""Two classes: the mean of (p − t)² of the positive class. More: the mean of Σ_k (p_k − t_k)²."""

f1 = SumScore(_confusion, _f1)
"""2·TP/(2·TP + FP + FN) of the positive class; NaN where it neither occurs nor is predicted."""

f1_macro = SumScore(_confusion, _f1_macro, _classes_there)
"""The mean of the F1 of each class that occurs or is predicted."""

precision = SumScore(_confusion, _precision)
"""TP/(TP + FP) of the positive class; 0 where it occurs but is never predicted, NaN where it is neither."""

recall = SumScore(_confusion, _recall)
"""TP/(TP + FN) of the positive class; NaN where it does not occur."""

mcc = SumScore(_confusion, _mcc)
"""The correlation of truth and predicted class; 0 where one class only is predicted, NaN where one only occurs."""

roc_auc = RankScore(_roc_auc_ranks)
"""P(a positive row has a higher probability than a negative one), ties half; several classes: the mean over them of
each against the rest. NaN where a class does not occur."""

average_precision = RankScore(_average_precision_ranks)
"""Σ_n (recall_n − recall_{n−1})·precision_n over the thresholds; NaN where the positive class does not occur."""

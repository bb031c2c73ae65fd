"""Recipes compared on the same rows: what differs beyond chance, and what does not.

The test part is put aside first, as for a run, and no recipe sees it. The rest is split for each seed, in the same way
for all recipes: one split, or folds. All networks are trained together. Each is scored on the rows that its split holds
out, by which nothing is chosen: a recipe that stops early holds out rows of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from entrena.data import Examples, ReadOptions, Schema, infer_schema, split_rows
from entrena.data.sources import target_names
from entrena.errors import UsageError
from entrena.fitting import Fitted, fit_many, rows_that_count
from entrena.interrupt import interrupt_as_flag
from entrena.job import Job, absolute, check_task, read_examples
from entrena.model import check_metrics, choose_metrics, main_score
from entrena.population.progress import Together
from entrena.population.rows import Rows
from entrena.population.splits import Split, make_splits
from entrena.population.statistics import (
    Difference,
    Posterior,
    Ranking,
    bayesian_t,
    corrected_t,
    holm,
    mean_interval,
    rank,
)
from entrena.population.variants import Variant, make_variants
from entrena.recipe import Recipe
from entrena.training import scores
from entrena.training.seeds import generator

COUNTED = ("accuracy", "balanced_accuracy", "f1", "f1_macro", "precision", "recall", "roc_auc", "average_precision")
EQUAL = 0.01  # of scores that are shares: so small a difference is none in practice


@dataclass(frozen=True, eq=False)
class Against:
    """A variant against the one with the best mean.

    Attributes:
        difference: How much better the best one is, in the direction in which the score is good.
        p_value: Of no difference, adjusted for all variants that are compared with the best (Holm).
        posterior: What a Bayesian holds of it; None where no size of difference is known to be negligible.
    """

    difference: Difference
    p_value: float
    posterior: Posterior | None


@dataclass(frozen=True, eq=False)
class OnData:
    """What came out on one data set.

    Attributes:
        data: Its name.
        schema: What is predicted.
        score: The score by which variants are compared.
        sizes: Rows: training and held out of a split, and test rows that were put aside.
        splits: The seed and the fold of each split.
        scores: For each score [splits, variants].
        means: For each variant mean, low and high of the score, over splits.
        best: The number of the variant with the best mean.
        against: For each variant how it stands against the best; None for the best itself, and with one split.
        curves: For each variant [splits, epochs] the mean loss of the rows that look on after each epoch, or of the
            training rows where a recipe held rows out; NaN after its end.
        epochs: [splits, variants] epochs that were run.
        level: A score's loss that all variants reach on the way: the worst of their mean last losses.
        epochs_to_level: [splits, variants] after how many epochs; NaN where never.
        outcomes: For each split how each variant ended.
    """

    data: str
    schema: Schema
    score: str
    sizes: Mapping[str, int]
    splits: tuple[tuple[int, int], ...]
    scores: Mapping[str, np.ndarray]
    means: tuple[tuple[float, float, float], ...]
    best: int
    against: tuple[Against | None, ...]
    curves: tuple[np.ndarray, ...]
    epochs: np.ndarray
    level: float
    epochs_to_level: np.ndarray
    outcomes: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a comparison found.

    Attributes:
        variants: The recipes.
        results: What came out on each data set.
        ranking: Mean ranks over several data sets; None for one.
        seconds: How long it took.
    """

    variants: tuple[Variant, ...]
    results: tuple[OnData, ...]
    ranking: Ranking | None
    seconds: float


def compare(
    data: Any,
    *,
    vary: Mapping[str, Sequence[Any]],
    target: str | Sequence[str] | None = None,
    recipe: Recipe | Mapping[str, Any] | None = None,
    seeds: int = 5,
    folds: int | None = None,
    metrics: str | Sequence[str | Mapping[str, Any]] = (),
    task: str | None = None,
    roles: Mapping[str, str] | None = None,
    weight: str | None = None,
    group: str | None = None,
    time: str | None = None,
    test_fraction: float = 0.2,
    options: ReadOptions | None = None,
    verbose: bool = False,
) -> Comparison:
    """Trains variants of a recipe on the same splits of the same rows and says which differences are none.

    Args:
        data: As for `train`; a list of them: several data sets.
        vary: The values of keys of the recipe; all combinations are compared.
        target: The target column; of several data sets each has it, or a list with one for each.
        recipe: What the variants have in common; None: the defaults.
        seeds: How many splits, or with folds how many rounds of them; each has its own first weights as well.
        folds: Parts of a cross-validation; None: each seed holds a fifth of the rows out.
        metrics: Scores; the first is compared.
        task: `classification` or `regression`, where the data do not tell.
        roles: What columns are, where their content does not tell.
        weight: The column that says how much each row counts.
        group: The column whose equal values keep rows on one side of every split.
        time: The column by which what is held out is later than what is trained on.
        test_fraction: Share of the rows that is put aside for later and not looked at.
        options: How text files are written.
        verbose: Whether a progress bar is shown.

    Returns:
        The comparison.

    Raises:
        EntrenaError: A wrong recipe, column, value or file; the message says what would be right.
    """
    began = perf_counter()
    base = recipe if isinstance(recipe, Recipe) else Recipe.make(recipe)
    variants = make_variants(base, vary)
    _check_counts(seeds, folds, test_fraction, len(variants))
    check_task(task)
    many = data if isinstance(data, list) else [data]
    targets = list(target) if isinstance(data, list) and isinstance(target, list | tuple) else [target] * len(many)
    if len(targets) != len(many):
        raise UsageError(f"target: {len(targets)} for {len(many)} data sets")
    rows_of = {"weight": weight, "group": group, "time": time}
    results = []
    for each, own_target in zip(many, targets, strict=True):
        job = Job(
            data=absolute(each) if isinstance(each, str) else "",
            target=None if own_target is None else target_names(own_target),
            task=task,
            test_fraction=test_fraction,
            from_file=False,
            fingerprint="",
            recipe_fingerprint="",
            roles=dict(roles or {}),
            rows=rows_of,
            options={} if options is None else options.__dict__,
            metrics=tuple(c.to_plain() for c in choose_metrics([metrics] if isinstance(metrics, str) else metrics)),
        )
        results.append(_on_data(each, job, variants, seeds, folds, verbose=verbose))
    ranking = None
    if len(results) > 1 and len(variants) > 1:
        signed = [scores.sign(result.score.partition("(")[0]) * _means(result) for result in results]
        ranking = rank(np.array(signed))
    return Comparison(tuple(variants), tuple(results), ranking, perf_counter() - began)


def _on_data(
    data: Any, job: Job, variants: Sequence[Variant], seeds: int, folds: int | None, *, verbose: bool
) -> OnData:
    examples = read_examples(data, job)
    n_rows = examples.n_rows + examples.n_without_target
    examples = rows_that_count(examples)
    schema = infer_schema(examples, job.task)  # type: ignore[arg-type]
    stratify = schema.classes is not None
    base = variants[0].recipe
    rest, n_test = examples, 0
    if job.test_fraction > 0:
        kept, away = split_rows(examples, job.test_fraction, generator(base.random_state, "test"), stratify=stratify)
        rest, n_test = examples.take(kept), len(away)
    splits = list(make_splits(rest, [base.random_state + k for k in range(seeds)], folds, stratify=stratify))
    prepared, held = [], []
    for split in splits:
        training, watched = rest.take(split.training), rest.take(split.held)
        rows = Rows(schema, job, examples, training, watched, n_rows, split.seed)
        for variant in variants:
            prepared.append(rows.prepare(variant.recipe.change({"random_state": split.seed})))
            held.append(watched)
    chosen = choose_metrics(job.metrics)
    check_metrics(chosen, prepared[0].schema)
    with interrupt_as_flag() as interrupted, Together(len(prepared), shown=verbose) as bar:
        fitted = fit_many(prepared, [bar.watch(k) for k in range(len(prepared))], interrupted)
        if interrupted():
            raise KeyboardInterrupt
    found = [each.model.evaluate(rows, metrics=chosen) for each, rows in zip(fitted, held, strict=True)]
    score = str(chosen[0] if chosen else main_score(base, prepared[0].schema))
    sizes = {"training": len(splits[0].training), "held_out": len(splits[0].held), "test": n_test}
    return _judged(examples, prepared[0].schema, score, sizes, splits, fitted, found, len(variants))


def _judged(
    examples: Examples,
    schema: Schema,
    score: str,
    sizes: Mapping[str, int],
    splits: Sequence[Split],
    fitted: Sequence[Fitted],
    found: Sequence[Mapping[str, float]],
    n_variants: int,
) -> OnData:
    shape = (len(splits), n_variants)
    tables = {name: np.array([each[name] for each in found]).reshape(shape) for name in found[0]}
    share = sizes["held_out"] / (sizes["held_out"] + sizes["training"])
    sign = scores.sign(score.partition("(")[0])
    table = tables[score]
    best = int(np.nanargmax(sign * table.mean(axis=0))) if np.isfinite(table).any() else 0
    equal = EQUAL if _is_share(score) else None
    one_row = 1 / sizes["held_out"] if _is_share(score) else 0.0
    against: list[Against | None] = [None] * n_variants
    if len(splits) > 1:
        others = [k for k in range(n_variants) if k != best]
        differences = [corrected_t((sign * (table[:, best] - table[:, k])).tolist(), share, one_row) for k in others]
        adjusted = holm([each.p_value for each in differences])
        for k, difference, p_value in zip(others, differences, adjusted, strict=True):
            gained = (sign * (table[:, best] - table[:, k])).tolist()
            posterior = None if equal is None else bayesian_t(gained, share, equal, one_row)
            against[k] = Against(difference, p_value, posterior)
    curves = [[_curve(fitted[s * n_variants + k]) for s in range(len(splits))] for k in range(n_variants)]
    length = max(len(curve) for of_variant in curves for curve in of_variant)
    padded = [
        np.array([np.pad(curve, (0, length - len(curve)), constant_values=np.nan) for curve in of_variant])
        for of_variant in curves
    ]
    lasts = [np.nanmean([curve[-1] for curve in of_variant]) for of_variant in curves]
    level = float(np.max(lasts))
    to_level = np.array([[_epochs_to(curve, level) for curve in of_variant] for of_variant in curves]).T
    return OnData(
        data=examples.source,
        schema=schema,
        score=score,
        sizes=sizes,
        splits=tuple((split.seed, split.fold) for split in splits),
        scores=tables,
        means=tuple(_mean(table[:, k], share, score) for k in range(n_variants)),
        best=best,
        against=tuple(against),
        curves=tuple(padded),
        epochs=np.array([each.training.checkpoint.epoch for each in fitted]).reshape(shape),
        level=level,
        epochs_to_level=to_level,
        outcomes=tuple(
            tuple(each.training.outcome.name for each in fitted[s * n_variants : (s + 1) * n_variants])
            for s in range(len(splits))
        ),
    )


def _mean(values: np.ndarray, share: float, score: str) -> tuple[float, float, float]:
    mean, low, high = mean_interval(values.tolist(), share)
    if score in COUNTED:  # no share lies beyond 0 and 1, whatever Student's t allows
        low, high = max(low, 0.0), min(high, 1.0)
    return mean, low, high


def _curve(fitted: Fitted) -> np.ndarray:
    """[epochs] the loss of the rows that look on, else of the validation rows, else of the training rows."""
    history = fitted.training.history
    seen = [record["loss"] if record["validation_loss"] is None else record["validation_loss"] for record in history]
    return np.array(seen, float)


def _epochs_to(curve: np.ndarray, level: float) -> float:
    reached = np.flatnonzero(curve <= level)
    return float(reached[0] + 1) if len(reached) else math.nan


def _means(result: OnData) -> np.ndarray:
    return np.array([mean for mean, _, _ in result.means])


def _is_share(score: str) -> bool:
    return score in (*COUNTED, "mcc", "r2")


def _check_counts(seeds: int, folds: int | None, test_fraction: float, n_variants: int) -> None:
    if not isinstance(seeds, int) or seeds < 1:
        raise UsageError(f"seeds: {seeds} is not allowed: a whole number from 1 on")
    if folds is not None and (not isinstance(folds, int) or folds < 2):
        raise UsageError(f"folds: {folds} is not allowed: a whole number from 2 on")
    if not 0 <= test_fraction < 1:
        raise UsageError(f"test_fraction: {test_fraction} is not allowed: at least 0 and below 1")

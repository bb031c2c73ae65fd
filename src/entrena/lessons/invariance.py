"""Whether training on changed images makes a network robust to such changes, and what that costs on unchanged ones.

For each transformation, networks are trained without it, with it, and with all of them but mirroring; all are tried on
test images as they are and on test images that were changed by it. Each seed draws its own training and test images,
its own weights and its own changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.intervals import span_of
from entrena.lessons.lesson import Case, Drawing, Lesson, Results, Size, Table, Verdict, conclude, decide
from entrena.lessons.pictures import as_square, labelled

if TYPE_CHECKING:
    from entrena.data import Examples
    from entrena.data.table import Table as DataTable
    from entrena.fitting import Prepared
    from entrena.lessons.trials import Trials
    from entrena.model import Model

DIGITS = "digits"
SIDE = 8  # of the embedded digits
PLAIN, ALL, CLEAN = "none", "all", "as they are"
AMOUNTS: dict[str, Any] = {"shift": 0.1, "rotation": 20.0, "scaling": 0.2, "noise": 0.5, "flip": "horizontal"}
KEEPING = ("shift", "rotation", "scaling", "noise")  # what leaves a digit the digit that it is
SEED_OF_TEST = 10**6  # added to a seed: test images are changed by other draws than training images


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Errors of each way of training on each kind of test images, by seed."""
    examples = pictures(size["data"])
    image = examples.inputs.image
    assert image is not None
    seeds = range(seed, seed + size["seeds"])
    n_training = min(size["rows"], examples.n_rows // 2)
    n_test = min(size["test"], examples.n_rows - n_training)
    prepared: list[Prepared] = []
    tests = []
    for each in seeds:
        rows = np.random.default_rng((each, 7)).permutation(examples.n_rows)
        prepared += [_prepared(size, examples, rows[:n_training], each, way) for way in ways()]
        tests.append(examples.take(rows[n_training : n_training + n_test]))
    fitted = trials.train("with each transformation", prepared)
    errors: dict[str, dict[str, list[float]]] = {way: {kind: [] for kind in (CLEAN, *AMOUNTS)} for way in ways()}
    for k, held in enumerate(tests):
        of_seed = dict(zip(ways(), fitted[k * len(ways()) : (k + 1) * len(ways())], strict=True))
        for kind in (CLEAN, *AMOUNTS):
            shown = held if kind == CLEAN else changed(held, of_seed[PLAIN].model, kind, seeds[k] + SEED_OF_TEST)
            for way, own in of_seed.items():
                errors[way][kind].append(1 - float(own.model.evaluate(shown)["accuracy"]))
    return {
        "data": examples.source,
        "image": list(image),
        "training": n_training,
        "test": n_test,
        "test_share": n_test / (n_training + n_test),
        "errors": errors,
    }


def ways() -> list[str]:
    """The ways of training: without anything, with each transformation alone, with all that keep the class."""
    return [PLAIN, *AMOUNTS, ALL]


def pictures(source: str) -> Examples:
    """The embedded digits, or the pictures that the user names, with what is shown on them.

    Raises:
        UsageError: There is no such file, or it does not say what is shown.
        DataError: It cannot be read.
    """
    from entrena.data import EMBEDDED

    return as_square(EMBEDDED[DIGITS].load(), SIDE) if source == DIGITS else labelled(source)


def _prepared(size: Mapping[str, Any], examples: Examples, training: np.ndarray, seed: int, way: str) -> Prepared:
    from entrena.lessons.trials import rows_of
    from entrena.population.splits import Split
    from entrena.recipe import Recipe

    amounts = {name: AMOUNTS[name] for name in (KEEPING if way == ALL else () if way == PLAIN else (way,))}
    recipe = Recipe(
        hidden=tuple(size["hidden"]),
        max_epochs=size["epochs"],
        augment=amounts or None,
        early_stopping=False,
        random_state=seed,
    )
    return rows_of(examples, Split(seed, 0, training, np.arange(0))).prepare(recipe)


def changed(held: Examples, model: Model, kind: str, seed: int) -> Examples:
    """Test images changed by one transformation, in the same way as training images are.

    Args:
        held: The images.
        model: Of these images; its preprocessor says in which units noise is measured.
        kind: Of `AMOUNTS`.
        seed: Of the draw.
    """
    import jax.numpy as jnp

    from entrena.data.table import Table as DataTable
    from entrena.preprocessing.augmentation import Augmentation, augmented, draw, noise_pool
    from entrena.preprocessing.images import before_augmentation
    from entrena.random_bits import AUGMENTATION, NOISE, update_words

    table: DataTable = held.inputs
    assert table.image is not None
    augmentation = Augmentation(table.image, ((kind, AMOUNTS[kind]),))
    scales, _, _ = before_augmentation(model.preprocessor)
    words, of_noise = (jnp.asarray(update_words(seed, np.array(0), each)) for each in (AUGMENTATION, NOISE))
    images = jnp.asarray(scales.transform(table, np.float32))
    n = held.n_rows
    pool = noise_pool(augmentation, n, of_noise, images.dtype)
    shown = augmented(augmentation, images, jnp.arange(n, dtype=jnp.int32), draw(augmentation, n, words), pool)
    pixels = np.asarray(shown, np.float64) * model.preprocessor.scale
    inputs = replace(DataTable.of_array(pixels, table.names, table.place), image=table.image)
    return replace(held, inputs=inputs)


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    listed = ", ".join(f"{name} {AMOUNTS[name]}" for name in AMOUNTS)
    hidden = ", ".join(map(str, size["hidden"]))
    return [
        f"Networks with {hidden} hidden units are trained for {size['epochs']} epochs on at most {size['rows']:,} "
        f"images of {Path(size['data']).name}: without changes, with one transformation (`augment`: {listed}), and "
        "with all but mirroring. Nothing else differs: images, first weights and orders of a seed are the same for all "
        "ways.",
        f"At most {size['test']:,} test images are shown as they are and changed by each transformation, by other "
        f"draws than in training. The error is the share of wrong classes. {size['seeds']} seeds, each with its own "
        "training and test images; intervals of paired differences over the seeds are corrected for images that the "
        "seeds share (Nadeau & Bengio, Machine Learning 52, 2003).",
    ]


def difference(results: Results, kind: str, first: str, second: str) -> dict[str, float]:
    """How many points (per cent) the error of `first` is above that of `second`, on one kind of test images."""
    from entrena.population.statistics import mean_interval

    errors = results["errors"]
    points = [100 * (a - b) for a, b in zip(errors[first][kind], errors[second][kind], strict=True)]
    mean, low, high = mean_interval(points, results["test_share"])
    return {"mean": mean, "low": low, "high": high}


def judge(results: Results) -> Verdict:
    """By the points by which training with a transformation lowers the error on images changed by it."""
    decided = []
    for kind in AMOUNTS:
        gain = difference(results, kind, PLAIN, kind)
        case = Case(kind, gain["mean"], gain["low"], gain["high"])
        decided.append((case, decide(case, 0.0)))
    verdict = conclude(decided, "the transformation")
    told = "Training with a transformation lowers the error on images changed by it by so many points."
    return replace(verdict, sentence=f"{told} {verdict.sentence}")


def tables(results: Results) -> list[Table]:
    """Errors on changed images, and on images as they are."""
    errors = results["errors"]
    robust = [
        [
            kind,
            _mean(errors[PLAIN][kind]),
            _mean(errors[kind][kind]),
            span_of(difference(results, kind, PLAIN, kind), 1, " to "),
            _mean(errors[ALL][kind]),
            span_of(difference(results, kind, PLAIN, ALL), 1, " to "),
        ]
        for kind in AMOUNTS
    ]
    clean = [
        [
            way,
            _mean(errors[way][CLEAN]),
            "" if way == PLAIN else span_of(difference(results, CLEAN, PLAIN, way), 1, " to "),
        ]
        for way in ways()
    ]
    n = len(errors[PLAIN][CLEAN])
    size = " × ".join(map(str, results["image"][:2]))
    return [
        Table(
            "Error on changed test images, in per cent",
            (
                "changed by",
                "trained without",
                "trained with it",
                "points lower",
                "trained with all",
                "points lower, all",
            ),
            robust,
            f"{results['data']}, {size} pixels; {results['training']:,} training and {results['test']:,} test images, "
            f"{n} seeds. Points lower: mean over seeds with its 95 % interval. All: all but mirroring.",
            dispensable=("points lower, all",),
        ),
        Table(
            "Error on test images as they are, in per cent",
            ("trained with", "error", "points lower than without"),
            clean,
            "Below zero: the error is higher.",
        ),
    ]


def meaning(results: Results) -> list[str]:
    """What that means."""
    errors = results["errors"]
    worst = max(KEEPING, key=lambda kind: float(np.mean(errors[PLAIN][kind])))
    flipped = difference(results, CLEAN, PLAIN, "flip")
    clean = {way: difference(results, CLEAN, PLAIN, way) for way in (*KEEPING, ALL)}
    better = [way for way, own in clean.items() if own["low"] > 0]
    worse = [way for way, own in clean.items() if own["high"] < 0]
    said = "On images as they are no transformation lowers the error for sure"
    if better:
        said = f"On images as they are the error falls with {_listed(better)}"
    said += f", and rises with {_listed(worse)}." if worse else "."
    mirrored = "costs" if flipped["high"] < 0 else "gains" if flipped["low"] > 0 else "neither costs nor gains for sure"
    plain, changed_most = _mean(errors[PLAIN][CLEAN]), _mean(errors[PLAIN][worst])
    return [
        "A network of full layers knows nothing of neighbouring pixels: trained without changes it has "
        f"{plain} % wrong on images as they are and {changed_most} % on images changed by {worst}.",
        said,
        f"Mirroring {mirrored} on images as they are ({span_of(flipped, 1, ' to ')} points). Which transformations "
        "leave a class what it is, only who knows the data can say: a mirrored 2 is no digit any more.",
    ]


def figures(results: Results) -> list[Drawing]:
    """Errors on changed images by way of training."""
    from entrena.lessons.drawings import shares
    from entrena.population.statistics import mean_interval

    def spread(way: str, kind: str) -> dict[str, float]:
        mean, low, high = mean_interval(results["errors"][way][kind], results["test_share"])
        return {"share": mean, "low": max(0.0, low), "high": min(1.0, high)}

    groups = {
        "trained without": {kind: spread(PLAIN, kind) for kind in (CLEAN, *AMOUNTS)},
        "trained with it": {kind: spread(PLAIN if kind == CLEAN else kind, kind) for kind in (CLEAN, *AMOUNTS)},
        "trained with all": {kind: spread(ALL, kind) for kind in (CLEAN, *AMOUNTS)},
    }
    caption = "Share of wrong classes by what was done to the test images; means over seeds with their 95 % intervals."
    return [Drawing("Error on test images", shares("share of wrong classes", groups), caption)]


def _mean(values: Sequence[float]) -> str:
    return f"{100 * float(np.mean(values)):.1f}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


LESSON = Lesson(
    id="invariance",
    chapter="Preprocessing",
    title="Whether training on changed images makes a network robust to the changes",
    claim="Showing a network transformed copies of its training data makes it robust to these transformations.",
    source="The slides on preprocessing (invariance: robust to common transformations of the data); Simard, Steinkraus "
    "& Platt, ICDAR 2003",
    sizes={
        "quick": Size(
            {"data": DIGITS, "rows": 1000, "test": 700, "seeds": 4, "epochs": 40, "hidden": [64]},
            "4 seeds in place of 10, fewer hidden units; --data FILE takes other pictures, such as MNIST.",
        ),
        "full": Size({"data": DIGITS, "rows": 10_000, "test": 5_000, "seeds": 10, "epochs": 30, "hidden": [128]}),
    },
    experiment=experiment,
    method=method,
    judge=judge,
    tables=tables,
    meaning=meaning,
    figures=figures,
    data="data",
)

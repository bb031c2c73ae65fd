"""Embedded data sets: there without a file, so that everything can be tried at once.

Five are read from the files that scikit-learn ships, found without importing it (that alone takes longer than training
on them); three are made by a formula. The same name gives the same rows on every machine.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from entrena.data.examples import Examples
from entrena.data.table import Table
from entrena.data.values import Place
from entrena.errors import DataError


@dataclass(frozen=True)
class EmbeddedSet:
    """One embedded data set.

    Attributes:
        name: What users type in place of a file.
        task: `classification` or `regression`.
        rows: The number of rows.
        columns: The number of input columns.
        meaning: What a row is, and what is to be predicted.
        source: Where it comes from.
        load: Reads or makes it.
    """

    name: str
    task: Literal["classification", "regression"]
    rows: int
    columns: int
    meaning: str
    source: str
    load: Callable[[], Examples]


def _shipped(name: str) -> Path:
    """The path of a data file that scikit-learn ships."""
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise DataError(f"{name} comes with scikit-learn, which is not installed: pip install scikit-learn")
    path = Path(spec.origin).parent / "datasets" / "data" / name
    if not path.is_file():
        raise DataError(f"this version of scikit-learn does not ship {name}, expected at {path}")
    return path


def _examples(name: str, inputs: np.ndarray, targets: np.ndarray, columns: Sequence[str], target_name: str) -> Examples:
    table = Table.of_array(np.ascontiguousarray(inputs), tuple(columns), Place(name))
    return Examples(table, targets, (target_name,), name)


def _load_digits() -> Examples:
    table = np.loadtxt(_shipped("digits.csv.gz"), delimiter=",")
    columns = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    return _examples("digits", table[:, :-1], table[:, -1].astype(np.int64), columns, "digit")


def _load_named_classes(name: str, file: str, columns: Sequence[str], target_name: str) -> Examples:
    """Reads one of the files whose first line is: rows, columns, the classes' names."""
    path = _shipped(file)
    with path.open(encoding="utf-8") as lines:
        classes = np.array(lines.readline().strip().split(",")[2:])
        table = np.loadtxt(lines, delimiter=",")
    return _examples(name, table[:, :-1], classes[table[:, -1].astype(np.int64)], columns, target_name)


def _load_iris() -> Examples:
    columns = [f"{part} {side} (cm)" for part in ("sepal", "petal") for side in ("length", "width")]
    return _load_named_classes("iris", "iris.csv", columns, "species")


_WINE_COLUMNS = (
    "alcohol",
    "malic_acid",
    "ash",
    "alcalinity_of_ash",
    "magnesium",
    "total_phenols",
    "flavanoids",
    "nonflavanoid_phenols",
    "proanthocyanins",
    "color_intensity",
    "hue",
    "od280/od315_of_diluted_wines",
    "proline",
)


def _load_wine() -> Examples:
    return _load_named_classes("wine", "wine_data.csv", _WINE_COLUMNS, "cultivar")


_NUCLEUS_MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)


def _load_breast_cancer() -> Examples:
    columns = [f"mean {measure}" for measure in _NUCLEUS_MEASURES]
    columns += [f"{measure} error" for measure in _NUCLEUS_MEASURES]
    columns += [f"worst {measure}" for measure in _NUCLEUS_MEASURES]
    return _load_named_classes("breast_cancer", "breast_cancer.csv", columns, "diagnosis")


def _load_diabetes() -> Examples:
    columns = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
    inputs = np.loadtxt(_shipped("diabetes_data_raw.csv.gz"))
    return _examples("diabetes", inputs, np.loadtxt(_shipped("diabetes_target.csv.gz")), columns, "progression")


# NumPy promises that the numbers of `RandomState` never change; those of its newer generators may, from one version of
# NumPy to the next.
def _fixed_numbers(seed: int) -> np.random.RandomState:
    return np.random.RandomState(seed)


SPIRAL_TURNS = 3
SPIRAL_RADIUS = 6.5
SPIRAL_NOISE = 0.1


def _make_two_spirals(n_rows: int = 1000) -> Examples:
    """Two arms, each the other turned by half a turn: radius 6.5 → 0.5 over three turns, with a little noise."""
    random = _fixed_numbers(0)
    spiral = np.arange(n_rows) % 2
    share = random.uniform(size=n_rows)
    angle = 2 * np.pi * SPIRAL_TURNS * share
    radius = SPIRAL_RADIUS - (SPIRAL_RADIUS - 0.5) * share
    sign = np.where(spiral == 1, 1.0, -1.0)
    points = np.stack([sign * radius * np.sin(angle), sign * radius * np.cos(angle)], axis=1)
    points += SPIRAL_NOISE * random.standard_normal((n_rows, 2))
    return _examples("two_spirals", points, spiral, ("x", "y"), "spiral")


MOON_NOISE = 0.2


def _make_moons(n_rows: int = 1000) -> Examples:
    """Two interleaving half circles, the second moved by (1, 1/2) and turned over, with noise of deviation 0.2."""
    random = _fixed_numbers(1)
    moon = np.arange(n_rows) % 2
    angle = np.pi * random.uniform(size=n_rows)
    outer = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    points = np.where(moon[:, None] == 0, outer, inner) + MOON_NOISE * random.standard_normal((n_rows, 2))
    return _examples("moons", points, moon, ("x", "y"), "moon")


DRIFT_COLUMNS = 4
DRIFT_LABEL_NOISE = 0.05


def _make_drifting_stream(n_rows: int = 4000) -> Examples:
    """A concept that changes: in row t of n, the class is the side of a line through 0 at the angle 2π·t/n.

    Inputs are independent and standard normal, only the first two matter, and 5 % of the labels are turned over. So no
    fixed line is better than chance over the whole stream, and half a turn away the old line is always wrong.
    """
    random = _fixed_numbers(2)
    inputs = random.standard_normal((n_rows, DRIFT_COLUMNS))
    angle = 2 * np.pi * np.arange(n_rows) / n_rows
    side = np.cos(angle) * inputs[:, 0] + np.sin(angle) * inputs[:, 1] > 0
    flipped = random.uniform(size=n_rows) < DRIFT_LABEL_NOISE
    columns = [f"x{column}" for column in range(DRIFT_COLUMNS)]
    return _examples("drifting_stream", inputs, (side ^ flipped).astype(np.int64), columns, "side")


EMBEDDED: dict[str, EmbeddedSet] = {
    embedded.name: embedded
    for embedded in (
        EmbeddedSet(
            "digits",
            "classification",
            1797,
            64,
            "Handwritten digits as 8×8 pixels from 0 to 16; which digit is it?",
            "Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits (its test part), from scikit-learn",
            _load_digits,
        ),
        EmbeddedSet(
            "iris",
            "classification",
            150,
            4,
            "Lengths and widths of iris flowers in cm; which of three species?",
            "Fisher 1936, from scikit-learn",
            _load_iris,
        ),
        EmbeddedSet(
            "wine",
            "classification",
            178,
            13,
            "Chemical analyses of wines from one region; which of three cultivars?",
            "Aeberhard & Forina 1991, UCI Wine, from scikit-learn",
            _load_wine,
        ),
        EmbeddedSet(
            "breast_cancer",
            "classification",
            569,
            30,
            "Measures of cell nuclei in an image of a breast mass; benign or malignant?",
            "Wolberg, Mangasarian, Street & Street 1995, UCI Breast Cancer Wisconsin (Diagnostic), from scikit-learn",
            _load_breast_cancer,
        ),
        EmbeddedSet(
            "diabetes",
            "regression",
            442,
            10,
            "Age, sex, body mass index, blood pressure and six blood values; how far has diabetes gone a year later?",
            "Efron, Hastie, Johnstone & Tibshirani 2004, Least Angle Regression, raw values, from scikit-learn",
            _load_diabetes,
        ),
        EmbeddedSet(
            "two_spirals",
            "classification",
            1000,
            2,
            "Points on two spirals that wind around each other three times; which spiral?",
            "made by a formula; after Lang & Witbrock 1988, Learning to Tell Two Spirals Apart",
            _make_two_spirals,
        ),
        EmbeddedSet(
            "moons",
            "classification",
            1000,
            2,
            "Points on two interleaving half circles with noise of deviation 0.2; which half circle?",
            "made by a formula; the shape of scikit-learn's make_moons",
            _make_moons,
        ),
        EmbeddedSet(
            "drifting_stream",
            "classification",
            4000,
            DRIFT_COLUMNS,
            "A stream in order of time whose boundary turns once around; on which side of it is the point now?",
            "made by a formula",
            _make_drifting_stream,
        ),
    )
}

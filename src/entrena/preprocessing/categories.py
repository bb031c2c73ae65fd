"""Categories: the levels that the training rows show, and the numbers by which the network knows them.

The registry `CATEGORIES` names the forms; its entries have no function of their own. A level's number is its place
among the seen levels, from 1 on; 0 is every level that was not seen. Levels that are rarer than `min_share` are one
level together, the last, and those that were not seen are of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from entrena.data.table import Column
from entrena.errors import Problem, RecipeError
from entrena.preprocessing.missing import ROUNDING
from entrena.registry import Choice, Entry, Registry, Setting

MICCI_BARRECA = (
    "Micci-Barreca, A Preprocessing Scheme for High-Cardinality Categorical Attributes, SIGKDD Explorations 3 (2001)"
)
GUO = "Guo & Berkhahn, Entity Embeddings of Categorical Variables, 2016"

# An input for each level: more of them make a table that is nearly all zeros.
MOST_ONE_HOT = 1_000

# Rarer levels than these have too few rows to learn anything from, and a place in the model file each.
MOST_EMBEDDED = 100_000

# What stands for the levels that are rarer than `min_share`, in names of inputs.
RARE = "(rare)"

MIN_SHARE = Setting(
    "min_share",
    0.0,
    "Levels with a smaller share of the training rows become one level, (rare), and so do those not seen; 0: none.",
    low=0,
    high=1,
    high_open=True,
)

CATEGORIES = Registry(
    "inputs.categories",
    "Preprocessing",
    (
        Entry(
            "auto",
            "one_hot up to L = most_levels levels, embedding above",
            "Few levels get an input each, many share a few learned numbers.",
            settings=(
                Setting(
                    "most_levels",
                    10,
                    "The greatest number of levels for which one_hot is taken; missing counts as one.",
                    low=1,
                    high=MOST_ONE_HOT,
                ),
                MIN_SHARE,
            ),
            other_names=("make_column_transformer", "ColumnTransformer"),
        ),
        Entry(
            "one_hot",
            "x_l = 1 for the row's level l, else 0; of two levels one input; a level not seen: the means",
            "Every level has an input of its own, and so its own weight to every unit: for few levels.",
            settings=(MIN_SHARE,),
            other_names=("OneHotEncoder", "onehot", "one-hot", "get_dummies", "dummies", "dummy"),
        ),
        Entry(
            "embedding",
            "x = e_l, a row of a table that is trained with the weights; a level not seen: a row of its own",
            "Every level has a few numbers that are learned, so that levels which act alike come to lie near each "
            "other: for many levels.",
            source=GUO,
            settings=(MIN_SHARE,),
            other_names=("Embedding", "embeddings", "entity_embedding", "OrdinalEncoder", "LabelEncoder", "ordinal"),
        ),
        Entry(
            "frequency",
            "x_l = the share of the training rows that have the level; a level not seen: 0",
            "One number for any number of levels, for columns in which it matters how common something is. Levels that "
            "are equally frequent are told apart no more.",
            settings=(MIN_SHARE,),
            other_names=("CountEncoder", "count", "count_encoding", "frequency_encoding", "CountFrequencyEncoder"),
        ),
        Entry(
            "target",
            "x_l = λ·ȳ_l + (1 − λ)·ȳ, λ = s²·n_l/(s²·n_l + s_l²); in the training rows from other folds' rows only",
            "The mean of the target in the rows of the level, shrunken to that of all rows, of classes the share of "
            "each (of two the second's): one number for any number of levels. A training row gets what the rows of the "
            "other folds say, so that its own target does not leak into its inputs.",
            source=MICCI_BARRECA,
            settings=(
                Setting("folds", 5, "the parts that the training rows are dealt out to", low=2, high=100),
                MIN_SHARE,
            ),
            other_names=("TargetEncoder", "target_encoding", "mean_encoding", "likelihood", "MEstimateEncoder"),
        ),
    ),
)


@dataclass(frozen=True, eq=False)
class Levels:
    """The levels of one column.

    Attributes:
        texts: The seen levels, sorted: numbers 1, 2, ….
        has_missing: Whether a missing value is a level: it has the number after all texts.
        n_others: How many seen levels are left out because there are too many; they count as not seen.
        n_rare: How many seen levels are too rare to be told apart; together with those not seen they are one level,
            which has the last number.
    """

    texts: tuple[str, ...]
    has_missing: bool = False
    n_others: int = 0
    n_rare: int = 0

    @property
    def n(self) -> int:
        """How many levels there are, a missing value and the rare ones included."""
        return len(self.texts) + self.has_missing + (self.n_rare > 0)

    @cached_property
    def _number_of(self) -> dict[str, int]:
        return {text: number for number, text in enumerate(self.texts, start=1)}

    def numbers(self, levels: Sequence[str]) -> np.ndarray:
        """[levels + 1] the number of each of a column's levels, and last that of a missing value."""
        unseen = self.n if self.n_rare else 0
        found = [self._number_of.get(plain_text(level), unseen) for level in levels]
        return np.array([*found, len(self.texts) + 1 if self.has_missing else unseen], np.int32)


_WHOLE_FLOAT = re.compile(r"(-?(?:0|[1-9]\d*))\.0+")


def plain_text(level: str) -> str:
    """A level as all kinds of files agree to write it: `1` for 1.0, `true` for True; 007 and 1.10 stay as they are.

    >>> [plain_text(level) for level in ("1.0", "TRUE", "007", "1.10", "red")]
    ['1', 'true', '007', '1.10', 'red']
    """
    whole = _WHOLE_FLOAT.fullmatch(level)
    if whole:
        return whole.group(1)
    return level.lower() if level.lower() in ("true", "false") else level


def _with_plain_texts(column: Column) -> Column:
    texts = [plain_text(level) for level in column.levels]
    number_of = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    codes = np.array([*(number_of[text] for text in texts), -1], np.int32)
    return replace(column, values=codes[column.values], levels=tuple(number_of))


def fit_levels(column: Column, weights: np.ndarray | None = None, min_share: float = 0.0) -> tuple[Levels, np.ndarray]:
    """The levels of a column's training rows.

    Args:
        column: A text column with the training rows only.
        weights: [rows] weights; a row of weight 0 shows no level. None: 1 for each.
        min_share: The share of the weight below which a level is rare; a missing value never is.

    Returns:
        The levels, and [levels + 1] the share of the weight of each, that of all left-out ones first.
    """
    column = _with_plain_texts(column)
    n_levels = len(column.levels)
    rows_of = np.bincount(column.values[slice(None) if weights is None else weights > 0] + 1, minlength=n_levels + 1)
    weight_of = rows_of if weights is None else np.bincount(column.values + 1, weights, n_levels + 1)
    seen = np.flatnonzero(rows_of)  # 0: missing
    # The place in the order of texts, missing last, whatever the order in which the column lists its levels.
    order = sorted(seen.tolist(), key=lambda code: (code == 0, column.levels[code - 1] if code else ""))
    total = float(weight_of.sum())
    least = min_share * total * (1 - ROUNDING)
    common = [code for code in order if not code or weight_of[code] >= least]
    n_rare, order = len(order) - len(common), common
    if len(order) > MOST_EMBEDDED:
        by_weight = np.argsort(-weight_of[order], kind="stable")
        order = [order[place] for place in np.sort(by_weight[:MOST_EMBEDDED])]
        n_rare += len(common) - len(order) if n_rare else 0
    kept = weight_of[order].astype(np.float64)
    others = max(0.0, total - float(kept.sum())) if len(order) < len(seen) else 0.0
    texts = tuple(column.levels[code - 1] for code in order if code)
    levels = Levels(texts, len(texts) < len(order), len(seen) - len(order) - n_rare, n_rare)
    shares = [0.0, *kept, others] if n_rare else [others, *kept]
    return levels, np.array(shares) / total


def form_of(choice: Choice, name: str, n_levels: int) -> str:
    """The form that a column of so many levels takes: the choice itself, or what `auto` takes.

    Raises:
        RecipeError: one_hot is asked for, and there are too many levels.
    """
    if choice.name == "auto":
        most = CATEGORIES.settings_of(choice)["most_levels"]
        assert isinstance(most, int)
        return "one_hot" if n_levels <= most else "embedding"
    if choice.name == "one_hot" and n_levels > MOST_ONE_HOT:
        raise RecipeError(
            [
                Problem(
                    "inputs.categories",
                    f"column '{name}' has {n_levels:,} levels, and one_hot takes at most {MOST_ONE_HOT:,}: take "
                    "embedding (or auto)",
                )
            ]
        )
    return choice.name


def one_hot_means(shares: np.ndarray) -> np.ndarray:
    """[inputs] the mean of each one-hot input, from the shares that `fit_levels` gives; of two levels the second's."""
    return shares[2:] if len(shares) == 3 else shares[1:]


def one_hot_rows(shift: np.ndarray, n: int) -> np.ndarray:
    """What stands for each level's number in one-hot inputs.

    Args:
        shift: [inputs] what is taken off: the means, or zeros.
        n: How many levels there are.

    Returns:
        [n + 1, inputs]; row 0, a level that was not seen, is 0 throughout: where centred, the mean.
    """
    inputs = np.eye(n)[:, 1:] if n == 2 else np.eye(n)
    return np.concatenate([np.zeros((1, len(shift))), inputs - shift])

"""Target encoding: a category's level as the mean of the target in its rows, shrunken to the mean of all rows.

With weights w of mean 1 and the target y (of each class its share: y = 1 for its rows, else 0), a level l of weight
c_l = Σ w has

    x_l = λ_l·ȳ_l + (1 − λ_l)·ȳ,   λ_l = s²·c_l/(s²·c_l + s_l²),

with the variances s² of all rows and s_l² of the level's (empirical Bayes). A level that was not seen, or has no
weight, has ȳ.

A row that is trained on must not see its own target: the network would read it off a level with few rows. So the
training rows are dealt out to folds, and the values in each fold are those of the other folds' rows.

Source: Micci-Barreca, A Preprocessing Scheme for High-Cardinality Categorical Attributes, SIGKDD Explorations 3 (2001),
equations 3 to 5; out of fold as scikit-learn's TargetEncoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from entrena.data.schema import Schema, class_numbers
from entrena.data.split import fold_numbers
from entrena.data.table import Table, text_of
from entrena.preprocessing.columns import level_numbers
from entrena.preprocessing.encoding import Encoding
from entrena.preprocessing.scaling import one_where_zero
from entrena.preprocessing.statistics import check_weights, column_statistics

# For each category that is coded by the target [rows of the source, parts]: what the training rows get.
OutOfFold = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class EncodingTargets:
    """The training rows' targets, as target encoding reads them.

    Attributes:
        names: [k] what each number is: `mean price`, `share of yes`.
        values: [rows, k] float64, of mean 0 and variance 1 over the rows.
        mean: [k] what was taken off.
        deviation: [k] by what was divided.
        folds: [rows] the number of each row's fold.
        weight: [rows] of mean 1 over the rows that count.
    """

    names: tuple[str, ...]
    values: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    folds: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(
        cls,
        targets: np.ndarray,
        schema: Schema,
        n_folds: int,
        generator: np.random.Generator,
        sample_weight: np.ndarray | None = None,
        groups: np.ndarray | None = None,
    ) -> EncodingTargets:
        """Of training rows.

        Args:
            targets: [rows] labels or numbers, or [rows, outputs] numbers.
            schema: The task, its classes and the targets' names.
            n_folds: How many folds.
            generator: Which deals the rows out to them, each class in proportion.
            sample_weight: [rows] weights; only their ratios count.
            groups: [rows] of which group each row is: its rows stay in one fold; or None.
        """
        if schema.classes is None:
            columns = np.asarray(targets, np.float64).reshape(len(targets), -1)
            names = tuple(f"mean {name}" for name in schema.target_names)
        else:
            numbers = class_numbers(targets, schema.classes)
            told = range(1, 2) if len(schema.classes) == 2 else range(len(schema.classes))
            columns = np.stack([numbers == k for k in told], axis=1).astype(np.float64)
            names = tuple(f"share of {text_of(schema.classes[k])}" for k in told)
        weight = check_weights(sample_weight, len(columns))
        weight = np.ones(len(columns)) if weight is None else weight / weight[weight > 0].mean()
        found = column_statistics(columns, weight)
        deviation = one_where_zero(found.deviation)
        # Halves: the difference of two large numbers may be beyond float64.
        values = (columns / 2 - found.mean / 2) / (deviation / 2)
        labels = None if schema.classes is None else targets
        folds = fold_numbers(len(columns), n_folds, generator, labels, groups)
        return cls(names, values, found.mean, deviation, folds, weight)

    def of_levels(self, codes: np.ndarray, n_levels: int) -> np.ndarray:
        """What stands for each level, by all rows.

        Args:
            codes: [rows] numbers of levels, 0 for one that is not known.
            n_levels: How many are known.

        Returns:
            [n_levels + 1, k]; row 0 is the mean of all.
        """
        return self._in_units(shrunken_means(codes, n_levels, self.values, self.weight))

    def of_rows(self, codes: np.ndarray, n_levels: int) -> np.ndarray:
        """[rows, k] what stands for each row's level by the rows of the other folds; arguments as in `of_levels`."""
        found = np.empty(self.values.shape)
        for fold in np.unique(self.folds):
            own = self.folds == fold
            others = ~own & (self.weight > 0)
            # Where all rows are in one fold there are no others: the mean of all tells nothing of a row.
            mean = np.zeros((n_levels + 1, self.values.shape[1]))
            if others.any():
                mean = shrunken_means(codes[others], n_levels, self.values[others], self.weight[others])
            found[own] = mean[codes[own]]
        return self._in_units(found)

    def _in_units(self, values: np.ndarray) -> np.ndarray:
        return values * self.deviation + self.mean


def shrunken_means(codes: np.ndarray, n_levels: int, values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Means of levels, shrunken to that of all rows.

    Args:
        codes: [rows] numbers of levels, 0 for one that is not known.
        n_levels: How many are known.
        values: [rows, k] finite, with squares in range.
        weight: [rows] above 0 for one row at least.

    Returns:
        [n_levels + 1, k]; row 0, and that of each level without weight, is the mean of all.
    """
    n = n_levels + 1
    counts = np.bincount(codes, weight, n)
    counted = one_where_zero(counts)
    found = np.empty((n, values.shape[1]))
    for k, column in enumerate(values.T):
        mean = np.average(column, weights=weight)
        variance = np.average(np.square(column - mean), weights=weight)
        means = np.bincount(codes, weight * column, n) / counted
        within = np.bincount(codes, weight * np.square(column - means[codes]), n) / counted
        kept = variance * counts
        share = kept / one_where_zero(kept + within)
        found[:, k] = share * means + (1 - share) * mean
        found[0, k] = mean
    return found


def out_of_fold(table: Table, encodings: Sequence[Encoding], targets: EncodingTargets) -> OutOfFold:
    """What training rows get for each category that is coded by the target, each by the other folds' rows.

    Args:
        table: The training rows.
        encodings: What becomes of each column; of a category its levels and parts.
        targets: Theirs.
    """
    found = {}
    for encoding in encodings:
        if encoding.form == "target":
            kept = [targets.names.index(part) for part in encoding.parts]
            column = table.columns[table.names.index(encoding.name)]
            codes = level_numbers(table, column, encoding.levels).whole()
            values = targets.of_rows(codes, encoding.levels.n)[:, kept]
            # By the rows of the source, as all columns are, so that some rows of the table find theirs.
            placed = values
            if table.rows is not None:
                placed = np.full((len(column.values), len(kept)), np.nan)
                placed[table.rows] = values
            found[encoding.name] = placed
    return found

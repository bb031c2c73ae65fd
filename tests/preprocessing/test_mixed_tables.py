"""The preprocessor on tables with gaps, truth values, categories and dates, against scikit-learn and by hand."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from entrena.data.roles import ColumnRole
from entrena.data.table import Column, Table
from entrena.data.values import Place
from entrena.errors import DataError
from entrena.preprocessing import InputSettings, Preprocessor
from entrena.preprocessing.encoding import encodings_from_arrays
from entrena.storage import load_model, save_model

nan = np.nan
JOBS = ("baker", "clerk", "cook", "smith")
TOWNS = tuple(f"town {number:02}" for number in range(15))

ROLES = (
    ColumnRole("age", "number"),
    ColumnRole("job", "category"),
    ColumnRole("sold", "date"),
    ColumnRole("town", "category"),
    ColumnRole("owns", "boolean"),
    ColumnRole("rooms", "number"),
)

ARRAYS = ("fill", "mean", "deviation", "shift", "scale", "left_out")


def sample(generator, n=200, gaps=0.2):
    """A table of every kind of column; about a fifth of the ages, jobs, dates and truth values are missing."""

    def missing():
        return generator.random(n) < gaps

    age, owns = generator.normal(40, 10, n), (generator.random(n) < 0.3).astype(np.float32)
    age[missing()], owns[missing()] = nan, nan
    days = generator.integers(0, 2000, n).astype("timedelta64[D]") + np.datetime64("2019-03-01", "us")
    days[missing()] = np.datetime64("NaT")
    columns = (
        Column("age", "number", age),
        Column("job", "text", np.where(missing(), -1, generator.integers(0, 4, n)).astype(np.int32), JOBS),
        Column("sold", "date", days),
        Column("town", "text", generator.integers(0, 15, n).astype(np.int32), TOWNS),
        Column("owns", "boolean", owns),
        Column("rooms", "number", generator.integers(1, 9, n)),
    )
    return Table(columns, Place("people.csv", first_row=2))


def fit(table, weights=None, roles=ROLES, **settings):
    return Preprocessor.fit(table, roles, InputSettings(**settings), weights)


def numbers_table(**columns):
    return Table(
        tuple(Column(name, "number", np.asarray(values)) for name, values in columns.items()), Place("t.csv", 2)
    )


def fit_numbers(table, weights=None, **settings):
    return fit(table, weights, [ColumnRole(name, "number") for name in table.names], **settings)


def same(first, second):
    """Whether two preprocessors are equal in every bit."""
    one, two = first.to_arrays(), second.to_arrays()
    return first.to_plain() == second.to_plain() and all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("scale", ["standard", "min_max"])
def test_gaps_are_filled_as_scikit_learn_fills_them(scale, generator):
    table = sample(generator)
    roles = [ColumnRole(name, role) for name, role in (("age", "number"), ("owns", "boolean"), ("rooms", "number"))]
    values = np.stack([table.column(role.name).values for role in roles], axis=1).astype(float)
    scaler = StandardScaler() if scale == "standard" else MinMaxScaler((-1, 1))
    pipeline = make_pipeline(SimpleImputer(strategy="median"), scaler).fit(values)
    later = values[::3].copy()
    later[:5] = nan
    later_table = Table(
        tuple(Column(role.name, "number", later[:, j]) for j, role in enumerate(roles)), Place("later.csv")
    )
    impute = fit(table, roles=roles, missing="impute", scale=scale)
    assert impute.feature_names == ("age", "owns", "rooms")
    np.testing.assert_allclose(impute.transform(later_table, np.float64), pipeline.transform(later), atol=1e-12)
    # With indicators: a 0/1 column of mean 0 for each column that had gaps in training.
    indicator = fit(table, roles=roles, scale=scale)
    assert indicator.feature_names == ("age", "owns", "rooms", "age (missing)", "owns (missing)")
    shares = np.isnan(values[:, :2]).mean(axis=0)
    expected = np.concatenate([pipeline.transform(later), np.isnan(later[:, :2]) - shares], axis=1)
    np.testing.assert_allclose(indicator.transform(later_table, np.float64), expected, atol=1e-12)


def test_the_whole_table_is_scikit_learns(generator):
    table = sample(generator)
    frame = {column.name: column.as_written() for column in table}
    days = [None if np.isnat(day) else day.item() for day in table.column("sold").values]
    parts = np.array([[nan] * 4 if day is None else [day.year, day.month, day.day, day.weekday()] for day in days])
    values = np.column_stack([table.column("age").values, parts, table.column("owns").values, frame["rooms"]])
    jobs = np.array([text or "zzz" for text in frame["job"]])
    theirs = ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), list(range(7))),
            ("j", make_pipeline(OneHotEncoder(sparse_output=False), StandardScaler(with_std=False)), [7]),
        ]
    )
    together = np.column_stack([values.astype(object), jobs])
    expected = theirs.fit_transform(together)
    ours = fit(table, dates="numbers")
    assert ours.feature_names == (
        "age",
        "sold (year)",
        "sold (month)",
        "sold (day)",
        "sold (weekday)",
        "owns",
        "rooms",
        "age (missing)",
        "sold (missing)",
        "owns (missing)",
        *(f"job={job}" for job in JOBS),
        "job (missing)",
        "town",
    )
    assert (ours.n_columns, ours.n_dense, ours.n_levels, ours.n_features) == (6, 15, (15,), 16)
    out = ours.transform(table, np.float64)
    np.testing.assert_allclose(out[:, :7], expected[:, :7], atol=1e-12)
    np.testing.assert_allclose(out[:, 10:15], expected[:, 7:], atol=1e-12)
    assert out[:, 15].tolist() == (table.column("town").values + 1).tolist()
    gaps = np.isnan(values[:, [0, 1, 5]])
    np.testing.assert_allclose(out[:, 7:10], gaps - gaps.mean(axis=0), atol=1e-12)


def test_without_center_and_scale_the_inputs_are_the_values():
    table = Table(
        (
            Column("sold", "date", np.array(["2024-02-29T10:00", "NaT", "2023-02-27T10:45"], "datetime64[us]")),
            Column("job", "text", np.array([1, 0, -1], np.int32), ("b", "a")),
            Column("owns", "boolean", np.array([True, False, True])),
        ),
        Place("t"),
    )
    roles = [ColumnRole("sold", "date"), ColumnRole("job", "category"), ColumnRole("owns", "boolean")]
    fitted = fit(table, roles=roles, center=False, scale="none", dates="numbers")
    names = ("sold (year)", "sold (day)", "sold (weekday)", "sold (minute)", "owns", "sold (missing)")
    assert fitted.feature_names == (*names, "job=a", "job=b", "job (missing)")
    # 2024-02-29 is a Thursday, 2023-02-27 a Monday; month and hour do not vary.
    assert fitted.transform(table).tolist() == [
        [2024, 29, 3, 0, 1, 0, 1, 0, 0],
        [2023.5, 28, 1.5, 22.5, 0, 1, 0, 1, 0],
        [2023, 27, 0, 45, 1, 0, 0, 0, 1],
    ]
    assert fitted.describe()[0]["numbers"]["sold (day)"] == {
        "median": 28,
        "mean": 28,
        "deviation": pytest.approx((2 / 3) ** 0.5),
    }


def test_a_value_that_is_missing_only_later_is_the_median():
    table = numbers_table(a=[1.0, 2.0, 6.0], b=[1, 2, 3])
    for settings in ({}, {"missing": "impute"}):
        fitted = fit_numbers(table, center=False, scale="none", **settings)
        assert fitted.feature_names == ("a", "b")
        assert fitted.transform(numbers_table(a=[nan, 9.0], b=[1.0, nan])).tolist() == [[2, 1], [9, 2]]
    array = Table.of_array(np.array([[1.0, 1], [2, 2], [6, 3]]), ["a", "b"], Place("array"))
    later = Table.of_array(np.array([[nan, 1.0], [9, nan]]), ["a", "b"], Place("array"))
    assert fit_numbers(array, center=False, scale="none").transform(later).tolist() == [[2, 1], [9, 2]]


def test_gaps_can_be_refused(generator):
    table = numbers_table(a=[1.0, 2.0, 3.0], b=[1.0, nan, nan])
    with pytest.raises(DataError) as caught:
        fit_numbers(table, missing="refuse")
    message = "column 'b' has 2 missing values, the first in row 3; fill them in, or leave out those rows or the column"
    assert str(caught.value) == f"t.csv: {message}"
    # Rows that do not count may lack it; the first that counts and lacks it is named.
    with pytest.raises(DataError, match="^t.csv: column 'b' has a missing value in row 4; "):
        fit_numbers(table, np.array([1, 0, 1]), missing="refuse")
    with pytest.raises(DataError, match="^t.csv: column 'b' has a missing value in row 4; "):
        fit_numbers(table.take(np.array([0, 2])), missing="refuse")
    fitted = fit_numbers(numbers_table(a=[1.0, 2.0], b=[1.0, 3.0]), missing="refuse")
    with pytest.raises(DataError, match="^t.csv: column 'b' has 2 missing values, the first in row 3; "):
        fitted.transform(table)
    with pytest.raises(DataError, match="^people.csv: column 'job' has .* missing values, the first in row "):
        fit(replace(sample(generator), rows=None), roles=[ROLES[1]], missing="refuse")
    with pytest.raises(DataError, match="^people.csv: column 'sold' has .* missing values, the first in row "):
        fit(sample(generator), roles=[ROLES[2]], missing="refuse")


def test_a_column_without_values_is_left_out():
    table = Table(
        (
            Column("empty", "number", np.full(3, nan)),
            Column("never", "date", np.full(3, np.datetime64("NaT"), "datetime64[us]")),
            Column("x", "number", np.array([1, 2, 3])),
        ),
        Place("t"),
    )
    roles = [ColumnRole("empty", "number"), ColumnRole("never", "date"), ColumnRole("x", "number")]
    fitted = fit(table, roles=roles)
    assert fitted.feature_names == ("x",)
    said = "no value in the training rows: left out"
    assert [told["said"] for told in fitted.describe()] == [said, said, ""]
    assert [told["missing"] for told in fitted.describe()] == [1, 1, 0]


def test_a_constant_column_with_gaps_says_where_they_are():
    table = numbers_table(a=[5.0, nan, 5.0, 5.0], x=[1, 2, 3, 4])
    fitted = fit_numbers(table, center=False, scale="none")
    assert fitted.feature_names == ("x", "a (missing)")
    assert fitted.transform(table).tolist() == [[1, 0], [2, 1], [3, 0], [4, 0]]
    array = Table.of_array(np.array([[5.0, 1], [nan, 2], [5, 3], [5, 4]]), ["a", "x"], Place("array"))
    assert fit_numbers(array, center=False, scale="none").transform(array).tolist() == [[1, 0], [2, 1], [3, 0], [4, 0]]
    assert fit_numbers(table, missing="impute").feature_names == ("x",)


@pytest.mark.parametrize(
    ("column", "role"),
    [
        (Column("c", "number", np.array([7.0, 7.0])), "number"),
        (Column("c", "number", np.array([nan, nan])), "number"),
        (Column("c", "boolean", np.array([True, True])), "boolean"),
        (Column("c", "date", np.array(["2020-01-01"] * 2, "datetime64[us]")), "date"),
        (Column("c", "text", np.array([0, 0], np.int32), ("a",)), "category"),
        (Column("c", "text", np.array([-1, -1], np.int32), ()), "category"),
    ],
)
def test_where_nothing_varies_one_input_is_always_the_same(column, role):
    table = Table((column,), Place("t"))
    fitted = fit(table, roles=[ColumnRole("c", role)])
    assert (fitted.n_dense, fitted.n_features, fitted.feature_names, fitted.n_levels) == (1, 1, ("c",), ())
    assert fitted.transform(table).tolist() == [[0], [0]]
    assert fitted.describe()[0]["constant"] is True
    again = Preprocessor.from_parts(json.loads(json.dumps(fitted.to_plain())), fitted.to_arrays())
    assert again.transform(table).tolist() == [[0], [0]] and same(again, fitted)


@given(st.data())
def test_a_weight_of_2_is_the_row_twice_and_of_0_none(data):
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n = data.draw(st.integers(5, 40))
    table = sample(generator, n)
    counts = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    counts[0] = 1
    settings = {"missing": data.draw(st.sampled_from(["indicator", "impute"])), "center": data.draw(st.booleans())}
    weighted = fit(table, counts, **settings)
    repeated = fit(table.take(np.repeat(np.arange(n), counts)), **settings)
    assert weighted.feature_names == repeated.feature_names and weighted.n_levels == repeated.n_levels
    assert np.array_equal(weighted.fill, repeated.fill)
    for name in ("mean", "deviation", "shift", "scale"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-12, atol=1e-12)
    for one, two in zip(weighted.encodings, repeated.encodings, strict=True):
        assert (one.parts, one.indicator, one.form, one.levels.texts) == (
            two.parts,
            two.indicator,
            two.form,
            two.levels.texts,
        )
        assert one.missing == pytest.approx(two.missing, abs=1e-12)


def test_rows_that_are_not_shown_change_no_bit(generator):
    """Held-out rows with other values, levels, gaps, dates and infinities."""
    table = sample(generator, 300)
    shown = np.sort(generator.permutation(300)[:200])
    hidden = np.setdiff1d(np.arange(300), shown)
    before = fit(table.take(shown))

    def changed(column):
        values = column.values.copy()
        if column.name == "age":
            values[hidden] = np.inf
        if column.name == "rooms":
            values[hidden] = 10**9
        if column.name == "owns":
            values[hidden] = nan
        if column.kind == "date":
            values[hidden] = np.datetime64("1700-01-01T11:11")
        if column.kind == "text":
            values[hidden] = len(column.levels)
            return replace(column, values=values, levels=(*column.levels, "a level of the test rows"))
        return replace(column, values=values)

    after = fit(replace(table, columns=tuple(changed(column) for column in table.columns)).take(shown))
    assert same(before, after)
    # Nor do rows of weight 0, but for the order of sums.
    weights = np.zeros(300)
    weights[shown] = 1
    finite = replace(table, columns=tuple(changed(column) for column in table.columns[1:]))
    weighted = fit(finite, weights, roles=ROLES[1:])
    alone = fit(finite.take(shown), roles=ROLES[1:])
    assert weighted.feature_names == alone.feature_names
    np.testing.assert_allclose(weighted.shift, alone.shift, rtol=1e-12, atol=1e-12)


def test_columns_are_found_by_name_and_read_in_blocks(generator):
    table = sample(generator, 60)
    fitted = fit(table)
    expected = fitted.transform(table)
    turned = table.pick(table.names[::-1])
    assert np.array_equal(fitted.transform(turned), expected)
    out = np.full((70, fitted.n_features), nan, np.float32)
    assert fitted.transform(table, out=out[:60]).base is out
    assert np.array_equal(out[:60], expected) and np.isnan(out[60:]).all()
    pieces = [fitted.transform(table.block(start, start + 25)) for start in range(0, 60, 25)]
    assert np.array_equal(np.concatenate(pieces), expected)
    rows = np.array([5, 3, 3, 59])
    assert np.array_equal(fitted.transform(table.take(rows)), expected[rows])


def test_kinds_may_differ_at_prediction():
    """A column whose values are all missing, numbers where texts were, and truth values written as words."""
    table = Table(
        (
            Column("x", "number", np.array([1.0, 3.0])),
            Column("zip", "text", np.array([0, 1], np.int32), ("10", "20")),
            Column("owns", "boolean", np.array([True, False])),
        ),
        Place("t"),
    )
    roles = [ColumnRole("x", "number"), ColumnRole("zip", "category"), ColumnRole("owns", "boolean")]
    fitted = fit(table, roles=roles, center=False, scale="none")
    later = Table(
        (
            Column("x", "text", np.array([-1, -1, -1], np.int32), ()),
            Column("zip", "number", np.array([20.0, 10.0, 30.0])),
            Column("owns", "text", np.array([0, 1, -1], np.int32), ("no", "yes")),
        ),
        Place("later.csv", 2),
    )
    assert fitted.transform(later).tolist() == [[2, 0, 1], [2, 1, 0], [2, 0.5, 0]]
    wrong = replace(later, columns=(Column("x", "text", np.array([-1, 0, -1], np.int32), ("two",)), *later.columns[1:]))
    with pytest.raises(DataError, match="^later.csv: column 'x', row 3 holds 'two' where a number is needed$"):
        fitted.transform(wrong)


def test_what_is_said_of_columns(generator):
    table = sample(generator)
    told = fit(table, dates="numbers").describe()
    json.dumps(told)
    assert [one["name"] for one in told] == [role.name for role in ROLES]
    age = table.column("age").values
    filled = np.where(np.isnan(age), np.nanmedian(age), age)
    assert told[0] == {
        "name": "age",
        "role": "number",
        "features": ["age", "age (missing)"],
        "missing": np.isnan(age).mean(),
        "constant": False,
        "said": "",
        "numbers": {
            "age": {
                "median": np.nanmedian(age),
                "mean": pytest.approx(filled.mean(), rel=1e-12),
                "deviation": pytest.approx(filled.std(), rel=1e-12),
            }
        },
    }
    assert told[1]["levels"] == list(JOBS) and (told[1]["form"], told[1]["n_levels"]) == ("one_hot", 5)
    assert told[3]["levels"] == list(TOWNS) and (told[3]["form"], told[3]["n_levels"]) == ("embedding", 15)
    assert told[3]["features"] == ["town"]
    assert list(told[2]["numbers"]) == [f"sold ({part})" for part in ("year", "month", "day", "weekday")]
    wide = Table((Column("job", "text", np.arange(50, dtype=np.int32), tuple(map(str, range(50)))),), Place("t"))
    assert len(fit(wide, roles=[ROLES[1]]).describe()[0]["levels"]) == 20


def test_dates_are_pythons(generator):
    days = [
        datetime.datetime(1960, 1, 1) + datetime.timedelta(minutes=int(k)) for k in generator.integers(0, 10**8, 50)
    ]
    table = Table((Column("sold", "date", np.array(days, "datetime64[us]")),), Place("t"))
    fitted = fit(table, roles=[ROLES[2]], center=False, scale="none", dates="numbers")
    expected = [[d.year, d.month, d.day, d.weekday(), d.hour, d.minute] for d in days]
    assert fitted.transform(table).tolist() == expected


@pytest.mark.parametrize("missing", ["indicator", "impute"])
def test_it_comes_back_from_a_model_file(missing, generator, tmp_path):
    table = sample(generator)
    before = fit(table, missing=missing)
    save_model(tmp_path / "m.safetensors", before.to_arrays(), {"preprocessor": before.to_plain()})
    arrays, header = load_model(tmp_path / "m.safetensors")
    after = Preprocessor.from_parts(header["preprocessor"], arrays)
    assert same(before, after) and after.describe() == before.describe()
    assert np.array_equal(after.transform(table), before.transform(table))


def test_damaged_parts_are_noticed(generator):
    fitted = fit(sample(generator))
    plain, arrays = fitted.to_plain(), fitted.to_arrays()
    for name in ARRAYS:
        with pytest.raises(ValueError, match=rf"^preprocessor.{name} has shape \(\d+,\), not \(\d+,\)$"):
            Preprocessor.from_parts(plain, {**arrays, name: arrays[name][1:]})
    assert len(encodings_from_arrays(arrays)) == 6


def test_a_table_of_many_columns(generator):
    """Names need no room in the model file's header, which is limited."""
    values = generator.normal(size=(5, 20_000))
    names = [f"measured value number {j}" for j in range(20_000)]
    table = Table(tuple(Column(name, "number", values[:, j].copy()) for j, name in enumerate(names)), Place("t"))
    fitted = fit_numbers(table)
    np.testing.assert_allclose(fitted.transform(table, np.float64), StandardScaler().fit_transform(values), atol=1e-9)
    assert len(json.dumps(fitted.to_plain())) < 1000

"""Levels and their numbers, against scikit-learn's encoders and hand-worked cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from entrena.data.roles import ColumnRole
from entrena.data.table import Column, Table
from entrena.data.values import Place
from entrena.errors import RecipeError
from entrena.preprocessing import CATEGORIES, InputSettings, Preprocessor, categories
from entrena.preprocessing.categories import Levels, fit_levels, form_of, one_hot_means, one_hot_rows


def column_of(texts, name="job", order=None):
    """Texts and None as a column; `order` is that of its list of levels."""
    levels = order or sorted({text for text in texts if text is not None})
    codes = [-1 if text is None else levels.index(text) for text in texts]
    return Column(name, "text", np.array(codes, np.int32), tuple(levels))


def prepared(texts, weights=None, **settings):
    table = Table((column_of(texts),), Place("t"))
    return Preprocessor.fit(table, [ColumnRole("job", "category")], InputSettings(**settings), weights)


def transformed(fitted, texts, dtype=np.float64, order=None):
    return fitted.transform(Table((column_of(texts, order=order),), Place("t")), dtype)


def test_one_hot_is_scikit_learns(generator):
    texts = [f"job {number}" for number in generator.integers(0, 7, 200)]
    later = [f"job {number}" for number in generator.integers(0, 9, 100)]  # two levels are new
    theirs = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(np.array(texts)[:, None])
    plain = prepared(texts, center=False)
    assert plain.feature_names == tuple(f"job=job {number}" for number in range(7))
    assert np.array_equal(transformed(plain, later), theirs.transform(np.array(later)[:, None]))
    centred = prepared(texts)
    known = theirs.transform(np.array(later)[:, None])
    means = theirs.transform(np.array(texts)[:, None]).mean(axis=0)
    expected = np.where(known.any(axis=1, keepdims=True), known - means, 0)
    np.testing.assert_allclose(transformed(centred, later), expected, rtol=0, atol=1e-15)


def test_level_numbers_are_scikit_learns(generator):
    texts = [f"job {number}" for number in generator.integers(0, 50, 500)]
    later = texts[:50] + ["never seen", None]
    theirs = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(np.array(texts, object)[:, None])
    fitted = prepared(texts)
    assert (fitted.n_dense, fitted.n_levels, fitted.feature_names) == (0, (len(set(texts)),), ("job",))
    expected = theirs.transform(np.array(later, object)[:, None])[:, 0] + 1
    assert transformed(fitted, later, np.float32)[:, 0].tolist() == expected.tolist()


def test_two_levels_are_one_input():
    fitted = prepared(["no", "yes", "yes", "yes"])
    assert fitted.feature_names == ("job=yes",)
    assert transformed(fitted, ["no", "yes", "perhaps", None]).tolist() == [[-0.75], [0.25], [0], [0]]
    plain = prepared(["no", "yes", "yes", "yes"], center=False)
    assert transformed(plain, ["no", "yes", "perhaps", None]).tolist() == [[0], [1], [0], [0]]


def test_missing_is_a_level_of_its_own():
    fitted = prepared(["b", None, "a", None], center=False)
    assert fitted.feature_names == ("job=a", "job=b", "job (missing)")
    assert transformed(fitted, ["a", "b", None, "c"]).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    two = prepared(["a", None, "a"], center=False)
    assert two.feature_names == ("job (missing)",)
    assert transformed(two, ["a", None]).tolist() == [[0], [1]]
    embedded = prepared(["b", None, "a", None], categories="embedding")
    assert transformed(embedded, ["a", "b", None, "c"])[:, 0].tolist() == [1, 2, 3, 0]


def test_the_order_of_the_columns_own_levels_does_not_matter(generator):
    texts = [str(number) for number in generator.integers(0, 8, 100)] + [None]
    orders = [sorted(set(texts[:-1])), sorted(set(texts[:-1]), reverse=True), ["x", *sorted(set(texts[:-1])), "y"]]
    for choice in ("one_hot", "embedding"):
        fits = []
        for order in orders:
            table = Table((column_of(texts, order=order),), Place("t"))
            settings = InputSettings(categories=choice)
            fits.append(Preprocessor.fit(table, [ColumnRole("job", "category")], settings))
        first = fits[0]
        for fitted, order in zip(fits, orders, strict=True):
            assert fitted.feature_names == first.feature_names
            assert np.array_equal(fitted.shift, first.shift)
            assert np.array_equal(transformed(fitted, texts, order=order), transformed(first, texts))


@pytest.mark.parametrize("choice", ["one_hot", "embedding"])
def test_weights_count_rows_and_rows_of_weight_0_show_no_level(choice):
    texts, counts = ["a", "b", "c", "hidden", None, "a"], np.array([1, 3, 2, 0, 0, 2])
    repeated = [text for text, count in zip(texts, counts, strict=True) for _ in range(count)]
    weighted, plain = prepared(texts, counts, categories=choice), prepared(repeated, categories=choice)
    assert weighted.feature_names == plain.feature_names and weighted.n_levels == plain.n_levels
    np.testing.assert_allclose(weighted.shift, plain.shift, rtol=0, atol=1e-15)
    later = ["a", "hidden", None, "c"]
    np.testing.assert_allclose(transformed(weighted, later), transformed(plain, later), rtol=0, atol=1e-15)
    assert weighted.describe()[0]["missing"] == 0


def test_one_level_is_left_out():
    for texts in (["a", "a"], [None, None]):
        table = Table((column_of(texts), Column("x", "number", np.array([1.0, 2.0]))), Place("t"))
        roles = [ColumnRole("job", "category"), ColumnRole("x", "number")]
        for choice in ("auto", "embedding"):
            fitted = Preprocessor.fit(table, roles, InputSettings(categories=choice))
            assert fitted.feature_names == ("x",) and fitted.n_levels == ()
    said = [prepared(texts).describe()[0]["said"] for texts in (["a", "a"], [None, None])]
    assert said == ["the same value in all training rows: left out", "no value in the training rows: left out"]


def test_the_form_follows_the_number_of_levels():
    settings = InputSettings()
    assert CATEGORIES.settings_of(settings.categories) == {"most_levels": 10, "min_share": 0.0}
    assert [form_of(settings.categories, "job", n) for n in (2, 10, 11)] == ["one_hot", "one_hot", "embedding"]
    few = InputSettings(categories={"name": "auto", "most_levels": 3}).categories
    assert [form_of(few, "job", n) for n in (3, 4)] == ["one_hot", "embedding"]
    assert form_of(InputSettings(categories="embedding").categories, "job", 2) == "embedding"
    one_hot = InputSettings(categories="one_hot").categories
    assert form_of(one_hot, "job", 1000) == "one_hot"
    with pytest.raises(RecipeError) as caught:
        form_of(one_hot, "job", 1001)
    assert str(caught.value) == (
        "inputs.categories: column 'job' has 1,001 levels, and one_hot takes at most 1,000: take embedding (or auto)"
    )


def test_too_many_levels_keep_the_most_frequent(monkeypatch):
    monkeypatch.setattr(categories, "MOST_EMBEDDED", 3)
    texts = ["e", "d", "d", "c", "b", "b", "a", "b"]
    levels, shares = fit_levels(column_of(texts))
    # a is as frequent as c and e, and first by text.
    assert (levels.texts, levels.has_missing, levels.n_others) == (("a", "b", "d"), False, 2)
    assert shares.tolist() == [2 / 8, 1 / 8, 3 / 8, 2 / 8]
    fitted = prepared(texts, categories="embedding")
    assert transformed(fitted, ["a", "b", "c", "d", "e"])[:, 0].tolist() == [1, 2, 0, 3, 0]
    assert fitted.describe()[0]["said"] == "2 rare levels count as unseen: at most 3 are told apart"
    weighted, _ = fit_levels(column_of(texts), np.array([9.0, 1, 1, 9, 1, 1, 1, 1]))
    assert weighted.texts == ("b", "c", "e")


def test_a_hundred_thousand_levels():
    texts = [f"{number:06}" for number in range(100_001)]
    column = Column("job", "text", np.arange(100_001, dtype=np.int32), tuple(texts))
    table = Table((column,), Place("t"))
    fitted = Preprocessor.fit(table, [ColumnRole("job", "category")], InputSettings())
    assert fitted.n_levels == (100_000,)
    # float32 holds every number exactly.
    assert fitted.transform(table)[:, 0].tolist() == [*range(1, 100_001), 0]
    again = Preprocessor.from_parts(fitted.to_plain(), fitted.to_arrays())
    assert again.encodings[0].levels.texts == fitted.encodings[0].levels.texts


def test_rows_and_means_by_hand():
    assert Levels(("a", "b"), True).numbers(["b", "z", "a"]).tolist() == [2, 0, 1, 3]
    assert Levels(("a", "b")).numbers([]).tolist() == [0]
    shares = np.array([0.0, 0.5, 0.25, 0.25])
    assert one_hot_means(shares).tolist() == [0.5, 0.25, 0.25]
    assert one_hot_rows(one_hot_means(shares), 3).tolist() == [
        [0, 0, 0],
        [0.5, -0.25, -0.25],
        [-0.5, 0.75, -0.25],
        [-0.5, -0.25, 0.75],
    ]


def test_frequency_is_the_share_of_the_weight():
    texts, weights = ["a", "b", "a", None, "a", "hidden"], np.array([1.0, 2, 1, 3, 1, 0])
    fitted = prepared(texts, weights, categories="frequency", center=False, scale="none")
    assert fitted.feature_names == ("job (share)",)
    found = transformed(fitted, ["a", "b", None, "never seen", "hidden"])[:, 0]
    np.testing.assert_allclose(found, [3 / 8, 2 / 8, 3 / 8, 0, 0], rtol=1e-15)
    # Centred and scaled as numbers are.
    usual = prepared(texts, weights, categories="frequency")
    shares = np.array([3, 2, 3, 3, 3, 0]) / 8
    mean = np.average(shares, weights=weights)
    deviation = np.sqrt(np.average((shares - mean) ** 2, weights=weights))
    np.testing.assert_allclose(transformed(usual, texts[:5])[:, 0], (shares[:5] - mean) / deviation, rtol=1e-12)
    told = usual.describe()[0]
    assert (told["form"], told["numbers"]) == ("frequency", {"job (share)": {"a": 3 / 8, "b": 2 / 8}})


def test_equally_frequent_levels_are_left_out():
    fitted = prepared(["a", "b", "a", "b"], categories="frequency")
    assert fitted.describe()[0]["said"] == "the same number for all levels: left out"
    assert transformed(fitted, ["a", "c"]).tolist() == [[0], [0]]


TOWNS = ["a"] * 5 + ["b"] * 3 + ["c", "d"]  # shares 0.5, 0.3, 0.1, 0.1


def test_rare_levels_are_one_as_scikit_learn_has_it():
    choice = {"name": "one_hot", "min_share": 0.2}
    fitted = prepared(TOWNS, categories=choice, center=False)
    assert fitted.feature_names == ("job=a", "job=b", "job=(rare)")
    theirs = OneHotEncoder(sparse_output=False, min_frequency=0.2, handle_unknown="infrequent_if_exist")
    theirs.fit(np.array(TOWNS)[:, None])
    later = [*TOWNS, "never seen"]
    assert np.array_equal(transformed(fitted, later), theirs.transform(np.array(later)[:, None]))
    told = fitted.describe()[0]
    assert (told["n_levels"], told["n_rare"], told["said"]) == (3, 2, "2 rare levels are (rare)")
    assert fitted.unseen(Table((column_of(later),), Place("t"))) == {}  # they cannot be told from rare ones
    again = Preprocessor.from_parts(fitted.to_plain(), fitted.to_arrays())
    assert np.array_equal(transformed(again, later), transformed(fitted, later))
    assert again.describe() == fitted.describe()


def test_a_share_that_is_just_the_least_is_not_rare():
    for n in (3, 7, 10, 49):
        texts = [str(number) for number in range(n)] * 3
        fitted = prepared(texts, categories={"name": "embedding", "min_share": 1 / n})
        assert fitted.n_levels == (n,)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("embedding", [1, 2, 3, 3, 3]),
        ("frequency", [0.5, 0.3, 0.2, 0.2, 0.2]),
        ("auto", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]),
    ],
)
def test_rare_levels_in_every_form(choice, expected):
    own = {"name": choice, "min_share": 0.2}
    fitted = prepared(TOWNS, categories=own, center=False, scale="none")
    found = transformed(fitted, ["a", "b", "c", "d", "never seen"])
    np.testing.assert_allclose(found.squeeze(), expected, rtol=1e-15)
    # A missing value is a level of its own, however rare; where no level is rare, unseen ones are as without.
    gaps = prepared([*TOWNS, None], categories={"name": "one_hot", "min_share": 0.2}, center=False)
    assert gaps.feature_names == ("job=a", "job=b", "job (missing)", "job=(rare)")
    assert transformed(gaps, [None, "x"]).tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]
    none_rare = prepared(TOWNS, categories={"name": "one_hot", "min_share": 0.05}, center=False)
    assert transformed(none_rare, ["x"]).tolist() == [[0, 0, 0, 0]]


def test_where_all_levels_are_rare_the_column_is_left_out():
    fitted = prepared(["a", "b", "c"], categories={"name": "one_hot", "min_share": 0.5})
    assert fitted.describe()[0]["said"] == "all 3 levels are rare: left out"
    assert transformed(fitted, ["a", "z"]).tolist() == [[0], [0]]


def test_rare_levels_and_too_many_of_them(monkeypatch):
    monkeypatch.setattr(categories, "MOST_EMBEDDED", 2)
    levels, shares = fit_levels(column_of(["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"]), min_share=0.15)
    assert (levels.texts, levels.n_others, levels.n_rare) == (("a", "b"), 0, 2)
    np.testing.assert_allclose(shares, [0, 0.4, 0.3, 0.3])

"""The plans of columns: words on them, and their way through a model file."""

from __future__ import annotations

import numpy as np
import pytest

from entrena.data.roles import _TRUTHS
from entrena.data.table import Column, Table
from entrena.data.values import Place
from entrena.preprocessing.categories import Levels
from entrena.preprocessing.columns import FALSE_WORDS, TRUE_WORDS, NumberBlocks, number_blocks, series_of
from entrena.preprocessing.dates import NUMBERS
from entrena.preprocessing.encoding import Encoding, encodings_from_arrays, encodings_to_arrays, pack, unpack
from entrena.storage import load_model, save_model

HOSTILE = ("", "\x00", "a\nb", "../x", "<script>", "\u202eright to left", "ü€😀", "\ud800", "x" * 10_000, "'\"\\")

PLANS = (
    Encoding("age", "number", 0.25, ("",), indicator=True),
    Encoding("owns", "boolean", 0.0, ("",)),
    Encoding("flat", "number", 0.0),
    Encoding("sold", "date", 0.5, ("year", "minute"), indicator=True),
    Encoding("job", "category", 0.1, form="one_hot", levels=Levels(HOSTILE, True, 3)),
    Encoding("", "category", 0.0, form="embedding", levels=Levels(("a",) * 3)),
    *(Encoding(text, "category", 1.0, levels=Levels((), True)) for text in HOSTILE),
)


def parts_of(plan):
    return (plan.name, plan.role, plan.missing, plan.parts, plan.indicator, plan.form, *vars(plan.levels).values())


def test_texts_of_any_content_come_back():
    for texts in (HOSTILE, (), ("",), ("", "")):
        assert unpack(*pack(texts)) == texts


def test_plans_come_back_from_a_model_file(tmp_path):
    save_model(tmp_path / "m.safetensors", encodings_to_arrays(PLANS), {})
    arrays, _ = load_model(tmp_path / "m.safetensors")
    assert [parts_of(plan)[:8] for plan in encodings_from_arrays(arrays)] == [parts_of(plan)[:8] for plan in PLANS]
    none = encodings_from_arrays(encodings_to_arrays(()))
    assert none == ()


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("levels", lambda array: array[:-1]),
        ("level_ends", lambda array: array[:-1]),
        ("level_ends", lambda array: array[::-1]),
        ("names", lambda array: array[1:]),
        ("roles", lambda array: array[1:]),
        ("roles", lambda array: array + 9),
        ("forms", lambda array: array + 9),
        ("n_texts", lambda array: array + 1),
    ],
)
def test_damaged_arrays_are_noticed(key, change):
    arrays = encodings_to_arrays(PLANS)
    with pytest.raises((ValueError, IndexError)):
        encodings_from_arrays({**arrays, key: change(arrays[key])})


def test_names_of_inputs():
    assert PLANS[0].feature_names() == ["age", "age (missing)"]
    assert PLANS[3].feature_names() == ["sold (year)", "sold (minute)", "sold (missing)"]
    assert PLANS[2].feature_names() == [] and PLANS[2].is_left_out
    assert Encoding("job", "category", 0, form="embedding").feature_names() == ["job"]


def test_every_word_for_a_truth_value_has_a_meaning():
    for pair in _TRUTHS:
        assert len(pair & TRUE_WORDS) == len(pair & FALSE_WORDS) == 1
    assert not TRUE_WORDS & FALSE_WORDS


def test_truth_values_as_texts():
    column = Column("owns", "text", np.array([0, 1, -1, 2], np.int32), (" Yes", "NO", "si", "perhaps"))
    table = Table((column,), Place("t.csv", first_row=2))
    (series,) = series_of(table, column, "boolean", ("",))
    np.testing.assert_array_equal(series.whole(), [1, 0, np.nan, 1])
    wrong = Column("owns", "text", np.array([0, 3, 1], np.int32), column.levels)
    table = Table((wrong,), Place("t.csv", first_row=2))
    # Another word is as good as none.
    (series,) = series_of(table, wrong, "boolean", ("",))
    np.testing.assert_array_equal(series.whole(), [1, np.nan, 0])


def test_blocks_of_columns_are_the_columns_side_by_side(generator):
    moments = np.array(["2020-01-05T10:30", "1969-12-31", "NaT", "2000-02-29"], "datetime64[us]")
    table = Table(
        (
            Column("age", "number", np.array([1, 2, 3, 4])),
            Column("sold", "date", moments),
            Column("owns", "boolean", np.array([True, False, True, False])),
        ),
        Place("t"),
    ).take(np.array([3, 0, 2]))
    plans = [
        Encoding("age", "number", 0, ("",)),
        Encoding("sold", "date", 0, NUMBERS),
        Encoding("owns", "boolean", 0, ("",)),
    ]
    numbers = number_blocks(table, plans)
    assert numbers.names == ("age", *["sold"] * 6, "owns") and numbers.shape == (3, 8)
    expected = [[4, 2000, 2, 29, 1, 0, 0, 0], [1, 2020, 1, 5, 6, 10, 30, 1], [3, *[7] * 6, 1]]
    filled = numbers.filled(np.full(8, 7.0), has_gaps=True)
    assert filled.block(0, 3).tolist() == expected
    assert filled.block(1, 2).tolist() == expected[1:2]
    raw = np.array([*numbers.columns(0, 8)]).T
    assert np.isnan(raw).tolist() == [[False] * 8, [False] * 8, [False, *[True] * 6, False]]


def test_an_array_is_read_in_place_as_its_columns_are(generator):
    array = generator.normal(size=(50, 7))
    names = [f"x{j}" for j in range(7)]
    plans = [Encoding(name, "number", 0, ("",) if j % 3 else ()) for j, name in enumerate(names)]
    for rows in (None, generator.permutation(50)[:20]):
        table = Table.of_array(array, names, Place("array"))
        table = table if rows is None else table.take(rows)
        fast = number_blocks(table, plans)
        slow = NumberBlocks(table, fast.names, fast.series, fast.fill)
        assert fast.matrix is not None and slow.matrix is None
        assert np.array_equal(fast.block(3, 17), slow.block(3, 17))
        assert np.array_equal([*fast.columns(1, 4)], [*slow.columns(1, 4)])

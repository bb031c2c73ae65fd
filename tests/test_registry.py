"""The catalogue: how a user's choice is checked, and what is said when it is wrong."""

from __future__ import annotations

import json
import re
from typing import Annotated

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from entrena.registry import Choice, ChosenFrom, Entry, Registry, Setting, interval

SHARE = Setting("share", 0.5, "a share", low=0, high=1, low_open=True)
COUNT = Setting("count", 3, "a count", low=1)
FLAG = Setting("flag", False, "a flag")
WORD = Setting("word", "mean", "a word", choices=("mean", "median"))
FRUIT = Registry(
    "basket.fruit",
    "Fruit",
    (
        Entry("apple", "a", "An apple.", settings=(SHARE, COUNT, FLAG, WORD), other_names=("Pomme", "manzana")),
        Entry("cherry", "c", "A cherry.", other_names=("cerise",)),
    ),
)
ALPHA = Registry("basket.alpha", "Alpha", (Entry("elu", "e", "E.", settings=(Setting("alpha", 1.0, "α", low=0),)),))


def refusal(value: object) -> str:
    with pytest.raises(ValueError) as caught:
        FRUIT.choose(value)
    return str(caught.value)


def test_a_registry_is_a_mapping_in_the_order_of_its_entries():
    assert list(FRUIT) == ["apple", "cherry"]
    assert len(FRUIT) == 2
    assert FRUIT["cherry"].formula == "c"
    assert FRUIT.name == "fruit"
    assert "pear" not in FRUIT


def test_two_entries_of_one_name_are_refused():
    with pytest.raises(ValueError, match=re.escape("two entries of basket.fruit have the same name")):
        Registry("basket.fruit", "Fruit", (Entry("a", "", ""), Entry("a", "", "")))


@pytest.mark.parametrize(
    ("value", "choice", "plain"),
    [
        ("cherry", Choice("cherry"), "cherry"),
        ({"name": "cherry"}, Choice("cherry"), "cherry"),
        (Choice("cherry"), Choice("cherry"), "cherry"),
        ({"name": "apple", "share": 1}, Choice("apple", (("share", 1.0),)), {"name": "apple", "share": 1.0}),
        (
            {"word": "median", "count": 4.0, "name": "apple"},
            Choice("apple", (("count", 4), ("word", "median"))),
            {"name": "apple", "count": 4, "word": "median"},
        ),
    ],
    ids=repr,
)
def test_choose(value, choice, plain):
    chosen = FRUIT.choose(value)
    assert chosen == choice
    assert hash(chosen) == hash(choice)
    assert chosen.to_plain() == plain
    assert FRUIT.choose(plain) == choice
    assert FRUIT.choose(json.loads(json.dumps(plain))) == choice


def test_text_of_a_choice():
    assert str(Choice("cherry")) == "cherry"
    assert str(FRUIT.choose({"name": "apple", "word": "mean", "count": 2})) == "apple(count=2, word=mean)"


def test_settings_of_a_choice_fill_in_the_defaults():
    assert FRUIT.settings_of(Choice("apple", (("share", 0.25),))) == {
        "share": 0.25,
        "count": 3,
        "flag": False,
        "word": "mean",
    }
    assert FRUIT.settings_of(Choice("cherry")) == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Cherry", "'Cherry' is written 'cherry'"),
        ("pomme", "'pomme' is called 'apple' here"),
        ("CERISE", "'CERISE' is called 'cherry' here"),
        ("chery", "unknown name 'chery': did you mean 'cherry'?"),
        ("xxxxx", "unknown name 'xxxxx': there are apple, cherry"),
        ({"name": "appel"}, "unknown name 'appel': did you mean 'apple'?"),
        ({"name": 3}, "unknown name 3: there are apple, cherry"),
        ({"name": ["apple"]}, "unknown name ['apple']: there are apple, cherry"),
        ({}, "a table needs a name, one of apple, cherry"),
        (None, "None is not allowed: a name (apple, cherry) or a table with a name"),
        (["apple"], "['apple'] is not allowed: a name (apple, cherry) or a table with a name"),
        ({"name": "cherry", "share": 1}, "'cherry' has no setting 'share': it has no settings"),
        ({"name": "apple", "shade": 1}, "'apple' has no setting 'shade': its settings are share, count, flag, word"),
        (
            {"name": "apple", "share": 0, "count": 2.5},
            "share: 0 is not allowed: a number above 0 and at most 1; "
            "count: 2.5 is not allowed: a whole number at least 1",
        ),
    ],
    ids=repr,
)
def test_refusals(value, text):
    assert refusal(value) == text


@pytest.mark.parametrize(
    ("setting", "value", "result"),
    [
        (SHARE, 1, 1.0),
        (SHARE, 1e-9, 1e-9),
        (COUNT, 1, 1),
        (COUNT, 7.0, 7),
        (FLAG, True, True),
        (WORD, "median", "median"),
    ],
)
def test_allowed_values(setting, value, result):
    checked = setting.check(value)
    assert checked == result
    assert type(checked) is type(setting.default)


@pytest.mark.parametrize(
    ("setting", "value", "allowed"),
    [
        (SHARE, 0, "a number above 0 and at most 1"),
        (SHARE, 1.0001, "a number above 0 and at most 1"),
        (SHARE, float("nan"), "a number above 0 and at most 1"),
        (SHARE, float("inf"), "a number above 0 and at most 1"),
        (SHARE, True, "a number above 0 and at most 1"),
        (SHARE, "0.5", "a number above 0 and at most 1"),
        (SHARE, None, "a number above 0 and at most 1"),
        (COUNT, 0, "a whole number at least 1"),
        (COUNT, 1.5, "a whole number at least 1"),
        (FLAG, 1, "true or false"),
        (FLAG, "true", "true or false"),
        (WORD, "mode", "one of mean, median"),
        (WORD, 1, "one of mean, median"),
        (WORD, ["mean"], "one of mean, median"),
    ],
)
def test_refused_values(setting, value, allowed):
    with pytest.raises(ValueError) as caught:
        setting.check(value)
    assert str(caught.value) == f"{value!r} is not allowed: {allowed}"


def test_open_ends():
    inside = Setting("x", 0.5, "", low=0, high=1, low_open=True, high_open=True)
    assert inside.allowed == "a number above 0 and below 1"
    for value in (0, 1, 0.0, 1.0):
        with pytest.raises(ValueError, match="not allowed"):
            inside.check(value)
    assert Setting("x", 0.5, "").check(-1e300) == -1e300


@given(st.floats(), st.floats(-10, 10), st.floats(-10, 10), st.booleans(), st.booleans())
def test_a_value_is_allowed_if_it_lies_in_the_interval(value, low, high, low_open, high_open):
    setting = Setting("x", 0.5, "", low, high, low_open, high_open)
    above = value > low if low_open else value >= low
    below = value < high if high_open else value <= high
    try:
        accepted = setting.check(value) == value
    except ValueError:
        accepted = False
    assert accepted == (above and below)


@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["high", "low"])
def test_a_whole_number_beyond_floats_is_refused_in_words(value):
    with pytest.raises(ValueError, match="is not allowed: a number above 0 and at most 1"):
        SHARE.check(value)
    with pytest.raises(ValueError, match="share: 1000"):
        FRUIT.choose({"name": "apple", "share": 10**400})


@pytest.mark.parametrize("value", [np.int64(1), np.float32(0.5), np.float64(0.25)])
def test_numbers_of_numpy_are_numbers(value):
    checked = SHARE.check(value)
    assert checked == value
    assert type(checked) is float  # so that a recipe can be written as TOML and JSON


@pytest.mark.parametrize(
    ("low", "high", "low_open", "high_open", "words"),
    [
        (0, 1, True, False, " above 0 and at most 1"),
        (0.5, None, False, False, " at least 0.5"),
        (None, 1_000_000, False, True, " below 1,000,000"),
        (None, None, False, False, ""),
    ],
)
def test_interval(low, high, low_open, high_open, words):
    assert interval(low, high, low_open=low_open, high_open=high_open) == words


class Basket(BaseModel):
    fruit: Annotated[Choice, ChosenFrom(FRUIT)] = Choice("apple")
    second: Annotated[Choice, ChosenFrom(FRUIT)] | None = None


def test_pydantic_checks_and_writes_choices():
    basket = Basket(fruit={"name": "apple", "count": 5}, second="cherry")
    assert basket.fruit == Choice("apple", (("count", 5),))
    assert basket.model_dump() == {"fruit": {"name": "apple", "count": 5}, "second": "cherry"}
    assert Basket.model_validate_json(basket.model_dump_json()) == basket
    assert Basket(second=None).second is None


def test_pydantic_says_what_the_registry_says():
    with pytest.raises(ValidationError) as caught:
        Basket(fruit="pomme")
    (error,) = caught.value.errors()
    assert error["msg"] == "'pomme' is called 'apple' here"
    assert error["loc"] == ("fruit",)


def test_braces_in_a_name_are_no_template():
    with pytest.raises(ValidationError, match=re.escape("unknown name '{x}': there are apple, cherry")):
        Basket(fruit="{x}")


def test_json_schema():
    schema = TypeAdapter(Annotated[Choice, ChosenFrom(FRUIT)]).json_schema()
    names, *tables = schema["anyOf"]
    assert names == {"type": "string", "enum": ["apple", "cherry"]}
    apple = next(table for table in tables if table["properties"]["name"] == {"const": "apple"})
    assert apple["additionalProperties"] is False
    assert apple["required"] == ["name"]
    assert apple["properties"] == {
        "name": {"const": "apple"},
        "share": {"type": "number", "default": 0.5, "description": "a share", "exclusiveMinimum": 0, "maximum": 1},
        "count": {"type": "integer", "default": 3, "description": "a count", "minimum": 1},
        "flag": {"type": "boolean", "default": False, "description": "a flag"},
        "word": {"type": "string", "default": "mean", "description": "a word", "enum": ["mean", "median"]},
    }


def test_keys_of_a_cache():
    a, b = (ALPHA.choose({"name": "elu", "alpha": alpha}) for alpha in (1, 1.0))
    assert {a: 1}[b] == 1
    assert ALPHA.choose("elu") != a  # what was given is kept, also where it is the default
    assert hash(ChosenFrom(ALPHA)) == hash(ChosenFrom(ALPHA))

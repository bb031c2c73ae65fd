"""The settings of inputs and targets, and their catalogue."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from entrena.preprocessing import (
    AUGMENTATIONS,
    CALIBRATIONS,
    CATEGORIES,
    CENTER,
    DATES,
    MISSING,
    SCALES,
    TARGET_CODINGS,
    TARGET_SCALES,
    InputSettings,
    TargetSettings,
)

REGISTRIES = [CENTER, SCALES, MISSING, CATEGORIES, DATES, AUGMENTATIONS, TARGET_CODINGS, TARGET_SCALES, CALIBRATIONS]


def test_defaults():
    assert InputSettings().model_dump(mode="json") == {
        "transform": "none",
        "center": True,
        "scale": "standard",
        "decorrelate": "none",
        "components": None,
        "missing": "indicator",
        "categories": "auto",
        "dates": "cyclic",
        "augment": None,
        "input_noise": 0.0,
        "mixup": 0.0,
    }
    assert TargetSettings().model_dump(mode="json") == {
        "target_coding": "one_hot",
        "target_scale": "standard",
        "class_weight": None,
        "calibration": "none",
        "label_smoothing": 0.0,
    }


@pytest.mark.parametrize("model", [InputSettings, TargetSettings])
def test_every_key_is_described_and_nothing_else_is_allowed(model):
    for name, field in model.model_fields.items():
        assert field.description.endswith("."), name
    schema = json.loads(json.dumps(model.model_json_schema()))
    assert set(schema["properties"]) == set(model.model_fields) and schema["additionalProperties"] is False
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        model(scaler="standard")
    settings = model()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, next(iter(model.model_fields)), None)
    assert model.model_validate(json.loads(settings.model_dump_json())) == settings


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.key)
def test_entries_say_what_they_are(registry):
    assert registry.key in {
        "inputs.center",
        "inputs.scale",
        "inputs.missing",
        "inputs.categories",
        "inputs.dates",
        "inputs.augment",
        "targets.target_coding",
        "targets.target_scale",
        "targets.calibration",
    }
    for entry in registry.values():
        assert entry.formula and entry.meaning.endswith(".")
        assert not set(entry.other_names) & set(registry)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scale": "StandardScaler"}, "'StandardScaler' is called 'standard' here"),
        ({"scale": "zscore"}, "'zscore' is called 'standard' here"),
        ({"scale": "minmax"}, "'minmax' is called 'min_max' here"),
        ({"scale": "standart"}, "unknown name 'standart': did you mean 'standard'?"),
        ({"missing": "SimpleImputer"}, "'SimpleImputer' is called 'impute' here"),
        ({"missing": "MissingIndicator"}, "'MissingIndicator' is called 'indicator' here"),
        ({"missing": "none"}, "unknown name 'none': there are indicator, impute, refuse"),
        ({"categories": "get_dummies"}, "'get_dummies' is called 'one_hot' here"),
        ({"categories": "OrdinalEncoder"}, "'OrdinalEncoder' is called 'embedding' here"),
        (
            {"categories": {"name": "auto", "most_levels": 0}},
            "most_levels: 0 is not allowed: a whole number at least 1 and at most 1,000",
        ),
    ],
)
def test_other_names_are_explained(given, message):
    with pytest.raises(ValidationError) as caught:
        InputSettings(**given)
    assert caught.value.errors()[0]["msg"] == message


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("balance", "'balance' is not allowed: balanced, or a table class = weight"),
        (2, "2 is not allowed: balanced, or a table class = weight"),
        ({}, "the table is empty: name at least one class, class = weight"),
        ({"a": 0}, "a = 0 is not allowed: a weight is a number above 0"),
        ({"a": -1.5}, "a = -1.5 is not allowed: a weight is a number above 0"),
        ({"a": float("inf")}, "a = inf is not allowed: a weight is a number above 0"),
        ({"a": float("nan")}, "a = nan is not allowed: a weight is a number above 0"),
        ({"a": True}, "a = True is not allowed: a weight is a number above 0"),
        ({"a": "1"}, "a = '1' is not allowed: a weight is a number above 0"),
    ],
)
def test_class_weights_that_are_refused(weight, message):
    with pytest.raises(ValidationError) as caught:
        TargetSettings(class_weight=weight)
    assert [error["msg"] for error in caught.value.errors()] == [message]


def test_class_weights_that_are_allowed():
    assert TargetSettings(class_weight="balanced").class_weight == "balanced"
    settings = TargetSettings(class_weight={0: 1, "b": np.float64(2.5), True: np.int64(3)})
    assert settings.class_weight == {"0": 1.0, "b": 2.5, "True": 3.0}
    assert TargetSettings.model_validate_json(settings.model_dump_json()) == settings

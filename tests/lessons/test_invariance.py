"""Whether training on changed images makes a network robust: the verdict, the changes, and a tiny study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from entrena.errors import UsageError
from entrena.fitting import fit
from entrena.lessons import invariance
from entrena.lessons.invariance import ALL, AMOUNTS, CLEAN, LESSON, PLAIN, changed, difference, judge, pictures, ways
from tests.lessons.checks import assert_told, assert_trained_pages

TINY = {"data": "digits", "rows": 120, "test": 60, "seeds": 2, "epochs": 2, "hidden": [6]}


def made_up(gains: dict[str, float], noise: float = 0.002) -> dict[str, Any]:
    """Results of 6 seeds in which training with a transformation lowers the error by so much."""
    rng = np.random.default_rng(0)
    errors = {way: {kind: (0.3 + noise * rng.normal(size=6)).tolist() for kind in (CLEAN, *AMOUNTS)} for way in ways()}
    for kind, gain in gains.items():
        errors[kind][kind] = (np.array(errors[PLAIN][kind]) - gain + noise * rng.normal(size=6)).tolist()
    own = {"data": "made up", "image": [8, 8, 1], "training": 100, "test": 50, "test_share": 1 / 3}
    return {**own, "errors": errors}


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        (dict.fromkeys(AMOUNTS, 0.1), "holds"),
        (dict.fromkeys(AMOUNTS, -0.1), "fails"),
        (dict.fromkeys(AMOUNTS, 0.1) | {"noise": -0.1}, "depends on the transformation"),
        (dict.fromkeys(AMOUNTS, 0.1) | {"noise": 0.0}, "not decided at this size"),
    ],
)
def test_the_verdict(gains: dict[str, float], verdict: str) -> None:
    assert judge(made_up(gains)).words == verdict


def test_differences_are_paired_and_corrected() -> None:
    results = made_up(dict.fromkeys(AMOUNTS, 0.1))
    found = difference(results, "shift", PLAIN, "shift")
    errors = results["errors"]
    points = 100 * (np.array(errors[PLAIN]["shift"]) - np.array(errors["shift"]["shift"]))
    # Nadeau & Bengio: the variance of the mean is s²·(1/n + n_test/n_training).
    half = 2.5706 * np.sqrt(points.var(ddof=1) * (1 / 6 + 0.5))  # t of 5 degrees of freedom
    assert found["mean"] == pytest.approx(points.mean())
    assert found["high"] - found["mean"] == pytest.approx(half, rel=1e-3)


def test_images_are_changed_as_in_training() -> None:
    examples = pictures("digits").take(np.arange(200))
    model = fit(invariance._prepared(TINY, examples, np.arange(150), 0, PLAIN)).model
    raw = np.asarray(examples.inputs.matrix, float)[:200]
    flipped = np.asarray(changed(examples, model, "flip", 3).inputs.matrix)
    mirrored = raw.reshape(-1, 8, 8)[:, :, ::-1].reshape(-1, 64)
    is_same, is_mirrored = (np.isclose(flipped, each, atol=1e-4).all(axis=1) for each in (raw, mirrored))
    assert (is_same | is_mirrored).all()
    assert 60 < is_mirrored.sum() < 140  # half of 200
    noisy = np.asarray(changed(examples, model, "noise", 3).inputs.matrix) - raw
    assert noisy.std() == pytest.approx(AMOUNTS["noise"] * model.preprocessor.scale[0], rel=0.03)


def test_a_tiny_study(tmp_path: Path) -> None:
    record = assert_trained_pages(LESSON, TINY, "digits", tmp_path)
    assert record["networks"] == 2 * len(ways())
    found = record["results"]
    assert set(found["errors"]) == {PLAIN, ALL, *AMOUNTS}
    assert all(0 <= value <= 1 for own in found["errors"].values() for each in own.values() for value in each)
    assert_told(LESSON, found, 1, 2)


def test_pictures_of_ones_own(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (30, 5, 5)).astype(np.uint8)
    frame = pl.DataFrame({"image": [each.tobytes() for each in images], "label": np.arange(30) % 2})
    file = tmp_path / "own.parquet"
    frame.write_parquet(file, metadata={"entrena": '{"encoding": "raw", "shape": [5, 5]}'})
    examples = pictures(str(file))
    assert examples.inputs.image == (5, 5, 1)
    assert examples.n_rows == 30
    frame.drop("label").write_parquet(file, metadata={"entrena": '{"encoding": "raw", "shape": [5, 5]}'})
    with pytest.raises(
        UsageError,
        match="nothing says what is shown: make a folder for each class, or in a Parquet file a col",
    ):
        pictures(str(file))
    with pytest.raises(UsageError, match="there is no such file or folder"):
        pictures(str(tmp_path / "none.parquet"))
    frame.select("label").write_parquet(file)
    with pytest.raises(UsageError, match="name a folder of pictures, or a Parquet file with one column of pictures"):
        pictures(str(file))

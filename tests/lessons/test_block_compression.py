"""The lesson block_compression: errors against NumPy's SVD and SciPy's cosines, what is counted, the verdict."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.fft import dctn, idctn

from entrena.errors import DataError
from entrena.lessons import block_compression
from entrena.lessons.block_compression import (
    LESSON,
    at_ratio,
    blocks_of,
    cosine_basis,
    experiment,
    grey_picture,
    interval_of,
    kept_numbers,
    part_means,
    picture_of,
    principal_basis,
    psnr,
)
from entrena.lessons.trials import Trials
from tests.lessons.checks import assert_pages, assert_told

TINY = {"pictures": ["made", "other"], "blocks": [4, 8]}


def made(name="made"):
    """A smooth picture with a little noise."""
    chance = np.random.default_rng(len(name))
    down, across = np.mgrid[0:192, 0:256]
    levels = 128 + 60 * np.sin(down / 9 + len(name)) * np.cos(across / 13) + 4 * chance.standard_normal(down.shape)
    return np.rint(np.clip(levels, 0, 255))


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_compression, "grey_picture", made)
        return experiment(TINY, 0, Trials("block_compression"))


def case(picture, side, mean_square, spread):
    chance = np.random.default_rng(side)
    parts = mean_square * np.exp(spread * chance.standard_normal(12))
    own = {"kept": 7, "ratio": {"own": 8.5}, "parts": parts.tolist()}
    return {"picture": picture, "side": side, "found": [{**own, "kept": 3, "ratio": {"own": 20.0}}, own]}


# 30 dB is a mean square of 65.
@pytest.mark.parametrize(
    ("squares", "spread", "name", "words"),
    [
        ((20, 30), 0.1, "holds", "holds"),
        ((200, 300), 0.1, "fails", "fails"),
        ((20, 300), 0.1, "depends", "depends on the picture and the size of its blocks"),
        ((60, 70), 1.0, "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(squares, spread, name, words):
    cases = [case("p", 8 * (k + 1), square, spread) for k, square in enumerate(squares)]
    verdict = LESSON.judge({"cases": cases})
    assert (verdict.name, verdict.words) == (name, words)
    assert "p 8 × 8" in verdict.sentence and "with 7 components" in verdict.sentence


def test_a_block_that_never_gets_so_small_fails():
    of_all = case("p", 8, 20, 0.1)
    of_all["found"] = [{**each, "ratio": {"own": 7.9}} for each in of_all["found"]]
    assert at_ratio(of_all) is None
    verdict = LESSON.judge({"cases": [of_all]})
    assert verdict.name == "fails" and "p 8 × 8 cannot be had with 8 times fewer numbers" in verdict.sentence


def test_blocks_are_squares_of_the_picture():
    picture = made()
    blocks = blocks_of(picture, 8)
    assert blocks.shape == (24 * 32, 64)
    np.testing.assert_array_equal(blocks[32 + 2].reshape(8, 8), picture[8:16, 16:24])  # second row, third block
    np.testing.assert_array_equal(picture_of(blocks, picture.shape, 8), picture)


def test_the_error_is_that_of_the_other_singular_values():
    blocks = blocks_of(made(), 8)
    basis = principal_basis(blocks)
    squares = np.linalg.svd(blocks - blocks.mean(axis=0), compute_uv=False) ** 2
    for k in (1, 5, 20):
        error = np.square(basis.rebuilt(blocks, k) - blocks).sum()
        assert error == pytest.approx(squares[k:].sum(), rel=1e-9)


def test_cosines_are_those_of_scipy():
    blocks = blocks_of(made(), 8)
    coefficients = dctn(blocks.reshape(-1, 8, 8), axes=(1, 2), norm="ortho")
    strongest = np.argsort(-np.square(coefficients).mean(axis=0).ravel())[:6]
    kept = np.zeros_like(coefficients).reshape(-1, 64)
    kept[:, strongest] = coefficients.reshape(-1, 64)[:, strongest]
    expected = idctn(kept.reshape(-1, 8, 8), axes=(1, 2), norm="ortho").reshape(-1, 64)
    basis = cosine_basis(blocks, 8)
    np.testing.assert_allclose(basis.rebuilt(blocks, 6), expected, atol=1e-9)
    np.testing.assert_allclose(basis.directions @ basis.directions.T, np.eye(64), atol=1e-12)


def test_what_is_kept_is_counted():
    blocks = blocks_of(made(), 8)  # 768 blocks of 64 pixels
    own, cosine = principal_basis(blocks), cosine_basis(blocks, 8)
    assert own.numbers(768, 7) == 768 * 7 + 7 * 64 + 64
    assert own.bits(768, 7) == 8 * 768 * 7 + 16 * (7 * 64 + 64 + 2 * 7)
    assert cosine.numbers(768, 7) == 768 * 7
    assert cosine.bits(768, 7) == 8 * 768 * 7 + 16 * 2 * 7
    # 49,152 pixels: 6 components leave 5,056 numbers, 9.7 times fewer; 7 leave 5,888, 8.3; 8 leave 6,720, 7.3.
    assert kept_numbers(own, 768) == [1, 2, 4, 7, 8, 16, 32]


def test_rounding_costs_what_equal_steps_cost():
    blocks = blocks_of(made(), 8)
    basis = cosine_basis(blocks, 8)
    codes = blocks @ basis.directions[:5].T
    steps = np.ptp(codes, axis=0) / 255
    added = np.square(basis.rounded(blocks, 5) - basis.rebuilt(blocks, 5)).sum(axis=1).mean()
    assert added == pytest.approx((steps**2 / 12).sum(), rel=0.15)  # of an even distribution in each step


def test_a_pictures_own_components_are_the_best(found):
    """No k directions leave less than the principal components, which is known without any picture."""
    assert len(found["cases"]) == 4
    for each in (own for case in found["cases"] for own in case["found"]):
        errors = each["mean_square"]
        assert errors["own"] <= errors["cosine"] + 1e-9 and errors["own"] <= errors["other"] + 1e-9
        assert each["ratio"]["own"] > 1 and each["ratio"]["cosine"] > each["ratio"]["own"]
        assert np.mean(each["parts"]) == pytest.approx(errors["own"])  # parts of 64 × 64 pixels
    for case in found["cases"]:
        errors = [each["mean_square"]["own"] for each in case["found"]]
        assert errors == sorted(errors, reverse=True)


def test_decibels_and_their_interval():
    picture = made()
    other = picture + 5.0
    assert psnr(np.square(picture - other).mean()) == pytest.approx(20 * np.log10(255 / 5))
    assert psnr(0.0) == np.inf
    own = interval_of([25.0] * 12)
    assert (own["low"], own["mean"], own["high"]) == pytest.approx((psnr(25.0),) * 3)
    values = np.arange(96.0).reshape(8, 12)
    assert part_means(values)[[0, -1]] == pytest.approx([values[:3, :3].mean(), values[6:, 9:].mean()])


def test_it_can_be_told_and_repeated(found, tmp_path, monkeypatch):
    assert_told(LESSON, found, 4, 4)
    assert_pages(LESSON, TINY, found, tmp_path)
    monkeypatch.setattr(block_compression, "grey_picture", made)
    assert experiment(TINY, 5, Trials("block_compression")) == found  # no seed: nothing is drawn


def test_the_sample_picture():
    pytest.importorskip("PIL", reason="needs Pillow: pip install 'entrena[images]'")
    from sklearn.datasets import load_sample_image

    picture = grey_picture("china")
    red, green, blue = load_sample_image("china.jpg")[100, 200].astype(float)
    assert picture.shape == (416, 640)
    assert picture[100, 200] == round(0.299 * red + 0.587 * green + 0.114 * blue)


def test_without_pillow_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(
        DataError, match=r"china\.jpg, of scikit-learn, needs an extra: pip install 'entrena\[images\]'"
    ):
        grey_picture("china")

"""The lesson faces: shares against NumPy's SVD, the verdict on made-up results, its pages, and what it reads."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from entrena.errors import DataError, UsageError
from entrena.lessons import find
from entrena.lessons.faces import LESSON, PREPARATIONS, components_of, experiment, needed_for, share_of
from entrena.lessons.intervals import jackknife_interval
from entrena.lessons.pictures import read_pictures
from entrena.lessons.running import run
from entrena.lessons.trials import Trials
from tests.lessons.checks import assert_pages, assert_told

OLIVETTI = Path("/work/shared/data/olivetti_faces.parquet")
TINY = {
    "pictures": "digits",
    "most_pictures": 120,
    "preparations": ["as they are", "each picture standardised"],
    "parts": 5,
    "others": True,
}


@pytest.fixture(scope="module")
def found():
    return experiment(TINY, 3, Trials("faces"))


def made_up(*shares, faces=True, components=399):
    judged = [
        {
            "name": f"way {k}",
            "components": components,
            "share": {"mean": mean, "low": mean - half, "high": mean + half},
            "needed": 60,
            "held": [0.5],
        }
        for k, (mean, half) in enumerate(shares)
    ]
    return {"source": "f.parquet", "faces": faces, "pictures": components + 1, "judged": judged}


@pytest.mark.parametrize(
    ("shares", "name", "words"),
    [
        (((0.95, 0.02), (0.93, 0.01)), "holds", "holds"),
        (((0.85, 0.02), (0.80, 0.01)), "fails", "fails"),
        (((0.95, 0.02), (0.80, 0.01)), "depends", "depends on how the pictures are prepared"),
        (((0.91, 0.02), (0.93, 0.01)), "not_decided", "not decided at this size"),
    ],
)
def test_the_verdict_on_made_up_results(shares, name, words):
    verdict = LESSON.judge(made_up(*shares))
    assert (verdict.name, verdict.words) == (name, words)
    assert f"50 of 399 components hold {100 * shares[0][0]:.1f} % of the variance; 90 % take 60." in verdict.sentence


def test_without_faces_nothing_is_decided():
    verdict = LESSON.judge(made_up((0.99, 0.001), faces=False))
    assert verdict.name == "not_decided"
    assert verdict.sentence.endswith("Name pictures of faces: entrena lesson faces --data FILE_OR_FOLDER.")
    few = LESSON.judge(made_up((1.0, 0.0), components=40))
    assert few.name == "not_decided" and "hold all of any pictures: take more than 51." in few.sentence


def test_shares_are_those_of_numpy(found):
    from entrena.data import EMBEDDED

    rows = np.column_stack([column.values for column in EMBEDDED["digits"].load().inputs])
    rows = rows[np.sort(np.random.default_rng(3).permutation(1797)[:120])] * (255 / 16)
    squares = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    held = np.cumsum(squares) / squares.sum()
    own = found["judged"][0]
    assert own["share"]["mean"] == pytest.approx(held[49], abs=1e-9)
    assert own["needed"] == np.flatnonzero(held >= 0.9)[0] + 1
    np.testing.assert_allclose(own["held"], held[: len(own["held"])], atol=6e-6)  # written with five digits
    assert (found["pictures"], found["of"], found["shape"], found["groups"]) == (120, 1797, [8, 8], None)


def test_components_of_few_rows_are_those_of_numpy():
    rows = np.random.default_rng(5).standard_normal((12, 50)) + 3
    found = components_of(rows)
    _, singular, directions = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.variances, singular[:11] ** 2 / 11)
    np.testing.assert_allclose(np.abs((found.directions * directions[:11]).sum(axis=1)), 1)  # but for the sign


def test_components_of_the_scores_are_those_of_the_rows():
    rows = np.random.default_rng(0).standard_normal((40, 90)) * np.linspace(0.1, 3, 90)
    found = components_of(rows)
    scores = (rows - found.mean) @ found.directions.T
    fewer = components_of(scores[5:], "eigen")
    squares = np.linalg.svd(rows[5:] - rows[5:].mean(axis=0), compute_uv=False) ** 2
    assert share_of(fewer, 7) == pytest.approx(squares[:7].sum() / squares.sum(), abs=1e-12)
    assert needed_for(fewer, 0.5) == np.flatnonzero(np.cumsum(squares) >= 0.5 * squares.sum())[0] + 1


def test_the_jackknife_of_a_mean_is_students_interval():
    values = np.random.default_rng(1).standard_normal(12)
    own = jackknife_interval(float(values.mean()), [float(np.delete(values, k).mean()) for k in range(12)])
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert (own["low"], own["high"]) == pytest.approx((low, high))
    with pytest.raises(ValueError, match="at least 2 parts, not 1"):
        jackknife_interval(1.0, [1.0])


def test_preparations_do_what_they_say():
    values = np.random.default_rng(2).uniform(0, 255, (30, 8, 8)) + np.arange(30)[:, None, None]
    own = {name: prepare(values) for name, prepare in PREPARATIONS.items()}
    np.testing.assert_allclose(own["each picture less its mean"].mean(axis=(1, 2)), 0, atol=1e-9)
    np.testing.assert_allclose(own["each picture standardised"].std(axis=(1, 2)), 1)
    np.testing.assert_allclose(own["each pixel of deviation 1"].std(axis=0), 1)
    assert all(sorted(each.ravel()) == list(range(1, 65)) for each in own["each picture equalised"])
    flat = np.ones((3, 8, 8))
    assert all(np.isfinite(prepare(flat)).all() for prepare in PREPARATIONS.values())


def test_rebuilt_pictures_are_projections(found):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'entrena[images]'")
    shown = found["shown"]
    assert shown["seen"]["numbers"] == [10, 50]
    assert shown["seen"]["errors"] == sorted(shown["seen"]["errors"], reverse=True)
    assert shown["unseen"]["errors"][0] > shown["seen"]["errors"][0]
    original, rough, fine = (
        np.asarray(image.open(io.BytesIO(base64.b64decode(text)))).astype(float)
        for text in shown["seen"]["pictures"][0]
    )
    assert original.shape == (64, 64)  # 8 × 8, each pixel eight times
    assert np.abs(fine - original).mean() < np.abs(rough - original).mean()


def test_it_can_be_told_and_repeated(found, tmp_path):
    assert_told(LESSON, found, 4, 3)
    assert_pages(LESSON, TINY, found, tmp_path)
    page = (tmp_path / "found.html").read_text(encoding="utf-8")
    assert "img-src data:;" in page and page.count("data:image/png;base64,") >= 20
    assert experiment(TINY, 3, Trials("faces")) == found


def test_data_are_named_in_the_command(monkeypatch):
    lesson = replace(LESSON, experiment=lambda size, seed, trials: {**made_up((0.85, 0.01)), "size": dict(size)})
    record = run(lesson, data="my faces.parquet")
    assert record["command"] == "entrena lesson faces --data 'my faces.parquet'"
    assert record["results"]["size"]["pictures"] == record["size"]["choices"]["pictures"] == "my faces.parquet"
    assert LESSON.sizes["quick"].choices["pictures"] == "digits"
    with pytest.raises(UsageError, match="--data x.csv: seed_noise brings its own data; leave --data out"):
        run(find("seed_noise"), data="x.csv")


def read(path, most=1000):
    return read_pictures(str(path), most, np.random.default_rng(4))


def write_parquet(path, images, said=None, **columns):
    import polars as pl

    metadata = None if said is None else {"entrena": json.dumps(said)}
    pl.DataFrame({"image": images, **columns}).write_parquet(path, metadata=metadata)


def test_pictures_of_a_parquet_file(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (12, 64, 64), dtype=np.uint8)
    owners = [7, 3] * 6
    write_parquet(
        tmp_path / "f.parquet",
        [each.tobytes() for each in levels],
        {"shape": [64, 64], "encoding": "raw"},
        target=owners,
    )
    found = read(tmp_path / "f.parquet")
    np.testing.assert_array_equal(found.values, levels)
    assert found.groups.tolist() == [1, 0] * 6 and (found.source, found.of) == ("f.parquet", 12)
    fewer = read(tmp_path / "f.parquet", 5)
    chosen = np.sort(np.random.default_rng(4).permutation(12)[:5])
    np.testing.assert_array_equal(fewer.values, levels[chosen])
    assert fewer.of == 12 and fewer.groups.tolist() == [int(owners[k] == 7) for k in chosen]


def test_a_damaged_picture_is_named_without_an_option_that_lessons_have_not(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'entrena[images]'")
    (tmp_path / "faces").mkdir()
    for k in range(12):
        image.fromarray(np.full((8, 8), 20 * k, np.uint8)).save(tmp_path / "faces" / f"{k:02}.png")
    contents = [file.read_bytes() for file in sorted((tmp_path / "faces").iterdir())]
    (tmp_path / "faces" / "03.png").write_text("damaged")
    with pytest.raises(
        DataError, match="03.png cannot be read: it is no picture that Pillow knows; mend or remove it$"
    ):
        read(tmp_path / "faces")
    chosen = np.sort(np.random.default_rng(4).permutation(12)[:5])
    contents[chosen[2]] = b"damaged"
    write_parquet(tmp_path / "f.parquet", contents)
    wrong = f"the picture in row {chosen[2] + 1} cannot be read: .*; mend it, or remove its row$"
    for most in (1000, 5):
        with pytest.raises(DataError, match=wrong):
            read(tmp_path / "f.parquet", most)


def test_pictures_of_a_folder(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'entrena[images]'")
    for k in range(12):
        owner = tmp_path / "faces" / f"person {k % 3}"
        owner.mkdir(parents=True, exist_ok=True)
        levels = np.zeros((100, 200), np.uint8)
        levels[:, 50:150] = 20 * k + 10  # the square in the middle
        image.fromarray(levels).save(owner / f"{k:02}.png")
    found = read(tmp_path / "faces")
    assert found.values.shape == (12, 64, 64)
    assert found.groups.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    inside = found.values[:, 4:-4, 4:-4]  # at the edge neighbours beyond the square count a little
    np.testing.assert_array_equal(inside[:4, 0, 0], [10, 70, 130, 190])
    assert np.ptp(inside, axis=(1, 2)).max() == 0
    (tmp_path / "faces" / "person 1" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.png cannot be read: it is no picture that Pillow knows"):
        read(tmp_path / "faces")


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda folder: folder / "none", UsageError, "there is no such file or folder"),
        (lambda folder: folder / "t.csv", UsageError, "name a folder of pictures, or a Parquet file with one"),
        (lambda folder: folder / "t.parquet", UsageError, "a Parquet file with one column of pictures"),
        (lambda folder: folder / "texts.parquet", UsageError, "a Parquet file with one column of pictures"),
        (lambda folder: folder / "gap.parquet", DataError, "the picture in column 'image', row 2 is missing"),
        (lambda folder: folder / "few.parquet", DataError, "there are 2 pictures; at least 10 are needed"),
        (lambda folder: folder / "odd.parquet", DataError, "the first: it is no picture that Pillow knows"),
        (lambda folder: folder / "empty", UsageError, "empty holds nothing"),
    ],
)
def test_what_is_no_picture_ends_in_one_message(tmp_path, make, kind, message):
    raw = {"shape": [64, 64], "encoding": "raw"}
    (tmp_path / "empty").mkdir()
    (tmp_path / "t.csv").write_text("a\n1\n")
    (tmp_path / "t.parquet").write_text("a\n1\n")
    write_parquet(tmp_path / "texts.parquet", ["a"])
    write_parquet(tmp_path / "gap.parquet", [bytes(4096), *[None] * 11], raw)
    write_parquet(tmp_path / "few.parquet", [bytes(4096)] * 2, raw)
    write_parquet(tmp_path / "odd.parquet", [b"12345"] * 12, {"encoding": "avif"})
    with pytest.raises(kind) as error:
        read(make(tmp_path))
    assert message in str(error.value)


@pytest.mark.skipif(not OLIVETTI.is_file(), reason=f"needs {OLIVETTI}")
def test_olivetti_is_as_numpy_has_it():
    found = read(OLIVETTI)
    assert found.values.shape == (400, 64, 64) and len(np.unique(found.groups)) == 40
    rows = found.values.reshape(400, -1)
    own = components_of(rows)
    squares = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    held = np.cumsum(squares) / squares.sum()
    assert share_of(own, 50) == pytest.approx(held[49], abs=1e-9)
    assert needed_for(own, 0.9) == np.flatnonzero(held >= 0.9)[0] + 1 == 66  # as TECHNIQUES has it


@pytest.mark.parametrize("people", [1, 2, 3, 4, 5])
def test_few_people(people, tmp_path):
    pillow = pytest.importorskip("PIL.Image", reason="needs Pillow (the extra `images`)")
    rng = np.random.default_rng(people)
    for person in range(people):
        (tmp_path / str(person)).mkdir()
        for number in range(12):
            pillow.fromarray(rng.integers(0, 256, (64, 64)).astype(np.uint8)).save(
                tmp_path / str(person) / f"{number}.png"
            )
    results = experiment({**TINY, "pictures": str(tmp_path), "parts": 10}, 0, Trials("faces"))
    parts = people if people > 1 else 10
    assert results["parts"] == parts
    assert results["groups"] == people
    for name in ("seen", "unseen"):  # at most half of the parts are shown: the others are left to find components from
        assert len(results["shown"][name]["pictures"]) == min(4, parts // 2)
    assert_told(LESSON, results, 4)

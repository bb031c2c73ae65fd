"""Pictures on the command line: from a folder to predictions, and tables of pixels."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from entrena.data import ReadOptions, read

Entrena = Callable[..., Any]

SEED = 5


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """30 bright pictures of `day` and 30 dark ones of `night`, 9 × 7."""
    pillow = pytest.importorskip("PIL.Image", reason="needs Pillow (the extra `images`)")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(SEED)
    for name, least in (("day", 128), ("night", 0)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(30):
            array = rng.integers(least, least + 128, (9, 7)).astype(np.uint8)
            pillow.fromarray(array).save(tmp_path / "photos" / name / f"{number:03}.png")
    return tmp_path / "photos"


def test_from_pictures_to_predictions(entrena: Entrena, photos: Path, tmp_path: Path) -> None:
    from PIL import Image

    said = entrena("train", "photos", "--set", "augment=shift,noise", "--set", "max_epochs=20")
    assert said.code == 0, said.err
    assert "photos: 9 × 7 pixels, grey" in said.out
    assert "images of 9 × 7 pixels, grey" in said.out
    assert "images of 9 × 7 pixels, grey" in entrena("show", "last").out
    assert entrena("predict", "last", "photos", "-o", "out.csv").code == 0
    table = pl.read_csv("out.csv")
    assert table.columns == ["file", "prediction", "probability_day", "probability_night"]
    assert table["file"][31] == str(Path("night") / "001.png")
    assert table["prediction"].to_list() == ["day"] * 30 + ["night"] * 30
    assert json.loads(entrena("evaluate", "last", "photos", "--json").out)["scores"]["accuracy"] == 1
    (tmp_path / "new").mkdir()
    Image.fromarray(np.full((50, 40, 3), 250, np.uint8)).save(tmp_path / "new" / "big.jpg")  # other size, colours
    found = pl.read_csv(io.StringIO(entrena("predict", "last", "new").out))
    assert (found["file"][0], found["prediction"][0]) == ("big.jpg", "day")
    Image.fromarray(np.full((50, 40), 5, np.uint8)).save(tmp_path / "one.tiff")
    found = pl.read_csv(io.StringIO(entrena("predict", "last", "one.tiff").out))
    assert (found["file"].to_list(), found["prediction"].to_list()) == (["one.tiff"], ["night"])


def test_a_table_for_a_model_of_pictures(entrena: Entrena, photos: Path) -> None:
    assert entrena("train", "photos", "--set", "max_epochs=1", "-q").code == 0
    pl.DataFrame({"a": [1, 2], "class": ["day", "night"]}).write_csv("table.csv")
    wrong = "table.csv: the model was trained on images of 9 × 7 pixels, grey, and the table has no such columns: name"
    for words in (("predict", "last", "table.csv"), ("evaluate", "last", "table.csv")):
        said = entrena(*words)
        assert (said.code, wrong in said.err) == (2, True), said.err
    said = entrena("train", "photos", "--test", "table.csv", "-q")
    assert (said.code, wrong in said.err) == (2, True), said.err
    said = entrena("train", "table.csv", "--target", "class", "--from", "last")
    assert (said.code, wrong in said.err) == (2, True), said.err
    pl.DataFrame({f"x{k}": [1.0, 2.0] for k in range(60)}).write_csv("some.csv")
    said = entrena("predict", "last", "some.csv")
    assert "and the table has 3 of the 63 columns of pixels not" in said.err


def test_pictures_of_another_size_than_the_models(entrena: Entrena, photos: Path) -> None:
    assert entrena("train", "photos", "--image", "4x4", "--set", "max_epochs=1", "-q").code == 0
    said = entrena("train", "photos", "--from", "last", "--image", "6x6")
    assert said.code == 2
    assert (
        "photos: images of 6 × 6 pixels, grey; the model to start from was trained on 4 × 4 pixels, grey: "
        "say --image 4x4x1, or leave it out" in said.err
    )
    said = entrena("train", "photos", "--from", "last", "--set", "max_epochs=1", "--json")
    assert said.code == 0, said.err
    assert "4 × 4 pixels, grey" in said.json["data"]["read"]
    assert entrena("train", "iris", "--set", "max_epochs=1", "-q").code == 0
    said = entrena("train", "photos", "--from", "last")
    assert said.code == 2
    assert "photos holds images, and the model to start from reads the columns of a table" in said.err


def test_what_pictures_have_not(entrena: Entrena, photos: Path) -> None:
    said = entrena("train", "photos", "--image", "8x8x2")
    assert said.code == 2
    assert "image: 8x8x2 is not allowed: pictures are read grey or in colours, with 1 or 3 channels: 8x8x1" in said.err
    said = entrena("train", "photos", "--role", "class=number")
    assert said.code == 2
    assert "photos: the inputs are images, which have no columns to give roles: leave --role out" in said.err
    said = entrena("train", photos / "day" / "000.png")
    assert said.code == 2
    assert "000.png is one picture: name a folder with a folder of pictures for each class" in said.err


def test_folders_without_pictures_to_predict(entrena: Entrena, photos: Path, tmp_path: Path) -> None:
    assert entrena("train", "photos", "--set", "max_epochs=1", "-q").code == 0
    (photos / "nothing").mkdir()
    assert len(entrena("predict", "last", "photos").out.splitlines()) == 61
    (tmp_path / "empty" / "inside").mkdir(parents=True)
    for folder in ("empty", Path("empty") / "inside"):
        said = entrena("predict", "last", folder)
        assert said.code == 2
        assert "holds nothing (PNG, JPEG, WebP, TIFF, …): name a folder with pictures, or folders of them" in said.err


def test_a_bad_picture_is_named_and_may_be_left_out(entrena: Entrena, photos: Path) -> None:
    (photos / "day" / "000.png").write_bytes((photos / "day" / "001.png").read_bytes()[:60])
    said = entrena("train", "photos", "--set", "max_epochs=2")
    assert said.code == 1
    assert "000.png cannot be read: " in said.err
    assert "or say --skip-bad" in said.err
    said = entrena("train", "photos", "--set", "max_epochs=2", "--skip-bad")
    assert said.code == 0, said.err
    assert "1 that cannot be read left out: day/000.png" in said.out.replace("\\", "/")


def test_a_folder_for_a_model_of_a_table(entrena: Entrena, photos: Path) -> None:
    assert entrena("train", "iris", "--set", "max_epochs=1", "-q").code == 0
    said = entrena("predict", "last", "photos")
    assert said.code == 2
    assert "photos is a folder, and the model reads the columns of a table: name a file" in said.err
    said = entrena("predict", "last", photos / "day" / "001.png")
    assert "001.png is a picture, and the model reads the columns of a table: name a file" in said.err
    said = entrena("train", "photos", "--stream")
    assert said.code == 2
    assert "--stream learns the rows of a table as they come, and pictures are read before" in said.err
    said = entrena("train", "photos", "--target", "kind")
    assert "the target of a folder of pictures is 'class'" in said.err


@pytest.fixture
def pictures_in_a_table(photos: Path, tmp_path: Path) -> pl.DataFrame:
    """The pictures in `pictures.parquet`, with two more columns; those of rows 2 and 60 cannot be read."""
    files = sorted(photos.glob("*/*.png"))
    contents: list[bytes | None] = [file.read_bytes() for file in files]
    contents[1], contents[59] = b"no picture", None
    columns = {"image": contents, "kind": [file.parent.name for file in files], "name": [file.stem for file in files]}
    frame = pl.DataFrame(columns)
    frame.write_parquet(tmp_path / "pictures.parquet")
    return frame


def test_predictions_tell_the_rows_of_pictures(entrena: Entrena, pictures_in_a_table: pl.DataFrame) -> None:
    train = entrena("train", "pictures.parquet", "--target", "kind", "--set", "max_epochs=20", "--skip-bad")
    assert train.code == 0, train.err
    assert "2 that cannot be read left out: rows 2, 60" in train.out
    said = entrena("predict", "last", "pictures.parquet")
    assert (said.code, "the picture in row 2 cannot be read: " in said.err) == (1, True), said.err
    said = entrena("predict", "last", "pictures.parquet", "--skip-bad")
    assert "2 that cannot be read left out: rows 2, 60" in said.err
    found = pl.read_csv(io.StringIO(said.out))
    rows = [1, *range(3, 60)]
    assert found.columns == ["row", "prediction", "probability_day", "probability_night"]
    assert found["row"].to_list() == rows
    assert found["prediction"].to_list() == ["day"] * 29 + ["night"] * 29
    said = json.loads(entrena("predict", "last", "pictures.parquet", "--skip-bad", "--json").out)
    assert (said["columns"][0], said["predictions"]["row"]) == ("row", rows)
    pictures_in_a_table[2:40].write_parquet("good.parquet")
    found = pl.read_csv(io.StringIO(entrena("predict", "last", "good.parquet").out))
    assert found["row"].to_list() == list(range(1, 39))


def test_columns_beside_pictures_are_kept(entrena: Entrena, pictures_in_a_table: pl.DataFrame) -> None:
    words = ("pictures.parquet", "--skip-bad")
    train = entrena("train", *words, "--target", "kind", "--set", "max_epochs=1", "-q")
    assert train.code == 0, train.err
    found = pl.read_csv(io.StringIO(entrena("predict", "last", *words, "--keep").out), schema_overrides={"name": str})
    assert found.columns == ["row", "kind", "name", "prediction", "probability_day", "probability_night"]
    expected = pictures_in_a_table[found["row"].to_numpy() - 1]
    assert found["name"].to_list() == expected["name"].to_list()
    assert found["kind"].to_list() == expected["kind"].to_list()
    found = pl.read_csv(io.StringIO(entrena("predict", "last", "photos", "--keep").out))
    assert found.columns == ["file", "prediction", "probability_day", "probability_night"]
    pictures_in_a_table.rename({"name": "row"}).write_parquet("pictures.parquet")
    said = entrena("predict", "last", *words, "--keep")
    assert (said.code, "pictures.parquet has a column 'row' of its own: rename" in said.err) == (2, True), said.err


def test_several_columns_of_pictures_are_refused(entrena: Entrena, pictures_in_a_table: pl.DataFrame) -> None:
    frame = pictures_in_a_table[2:40].with_columns(code=pl.lit(b"\1\2\3"))
    frame.write_parquet("one.parquet")  # the other column of bytes holds no pictures
    train = entrena("train", "one.parquet", "--target", "kind", "--set", "max_epochs=1")
    assert (train.code, "9 × 7 pixels, grey" in train.out) == (0, True), train.err
    packed = pl.struct(bytes="image", path="name")
    gaps = pl.when(pl.int_range(38) > 5).then(packed)  # the first are missing
    frame.with_columns(small=gaps).write_parquet("two.parquet")
    wrong = (
        "two.parquet holds several columns of pictures (image, small), and one is read: write a file with one of them"
    )
    train = entrena("train", "two.parquet", "--target", "kind")
    assert (train.code, wrong in train.err) == (2, True), train.err
    for command in ("predict", "evaluate"):
        said = entrena(command, "last", "two.parquet")
        assert (said.code, wrong in said.err) == (2, True), said.err


def test_pictures_in_other_tables_than_parquet(entrena: Entrena, pictures_in_a_table: pl.DataFrame) -> None:
    frame = pictures_in_a_table[2:40]
    frame.write_parquet("good.parquet")
    assert entrena("train", "good.parquet", "--target", "kind", "--set", "max_epochs=1", "-q").code == 0
    frame.write_ipc("pictures.arrow")
    frame.with_columns(image=pl.struct(bytes="image")).write_ipc("pictures.feather")
    for file, what in (("pictures.arrow", "binary data"), ("pictures.feather", "lists or structures")):
        said = entrena("predict", "last", file)
        assert said.code == 2
        assert f"column 'image' holds {what}: pictures in a table are read from Parquet files only" in said.err


def test_a_table_of_pixels(entrena: Entrena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(SEED).integers(0, 255, (40, 12))
    table = {f"p{k}": X[:, k] for k in range(12)} | {"label": np.where(np.arange(40) % 2, "a", "b")}
    pl.DataFrame(table).write_csv("pixels.csv")
    examples = read("pixels.csv", target="label", options=ReadOptions(image="3x4"))
    assert examples.inputs.image == (3, 4, 1)
    assert np.array_equal(examples.inputs.matrix, X)
    assert read("pixels.csv", target="label", options=ReadOptions(image="2x2x3")).inputs.image == (2, 2, 3)
    pixels = ("train", "pixels.csv", "--target", "label", "--set", "max_epochs=2")
    assert entrena(*pixels, "--image", "3x4", "--set", "augment.flip=both", "-q").code == 0
    assert entrena("predict", "last", "pixels.csv").code == 0
    said = entrena(*pixels, "--image", "5x5")
    assert said.code == 2
    assert "12 input columns are no image of 5 × 5, which has 25 pixels" in said.err
    said = entrena(*pixels, "--set", "augment=flip")
    assert "say that they are pixels (--image 28x28; in Python hand in" in said.err
    said = entrena("train", "digits", "--image", "8x8", "--set", "augment=shift", "--set", "max_epochs=2", "--json")
    assert json.loads(said.out)["recipe"]["inputs"]["augment"] == {"shift": 0.1}

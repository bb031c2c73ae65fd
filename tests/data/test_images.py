"""Images: arrays, tables of pixels, and folders of pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import entrena
from entrena import NetworkClassifier
from entrena.data import ReadOptions, read
from entrena.data.image_folder import read_folder
from entrena.data.images import parse_image
from entrena.errors import DataError, UsageError

SEED = 5
PIL = pytest.importorskip("PIL.Image", reason="needs Pillow (the extra `images`)")


def save(array: np.ndarray, path: Path, **how: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.fromarray(array).save(path, **how)


def pictures(folder: Path, n: int = 12, size: tuple[int, ...] = (9, 7)) -> np.ndarray:
    """Bright pictures of `day`, dark ones of `night`; they are returned in the order of their names."""
    rng = np.random.default_rng(SEED)
    found = []
    for name, least in (("day", 128), ("night", 0)):
        for number in range(n):
            array = rng.integers(least, least + 128, size).astype(np.uint8)
            save(array, folder / name / f"{number:03}.png")
            found.append(array)
    return np.stack(found)


def test_a_folder_is_read_as_it_is(tmp_path: Path) -> None:
    arrays = pictures(tmp_path / "photos")
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    (tmp_path / "photos" / "day" / "Thumbs.db").write_text("no picture either")
    (tmp_path / "photos" / "day" / ".hidden.png").write_text("hidden")
    examples = read(tmp_path / "photos")
    assert examples.inputs.image == (9, 7, 1)
    assert np.array_equal(examples.inputs.matrix, arrays.reshape(24, -1))
    assert examples.targets.tolist() == ["day"] * 12 + ["night"] * 12
    assert examples.inputs.files[:1] == (str(Path("day") / "000.png"),)
    assert examples.inputs.said == "9 × 7 pixels, grey; 2 other files left alone"


@pytest.mark.parametrize("kind", ["png", "webp", "tiff", "jpg"])
def test_kinds_of_files_and_colours(tmp_path: Path, kind: str) -> None:
    colour = np.zeros((8, 8, 3), np.uint8) + np.array([250, 120, 10], np.uint8)
    save(colour, tmp_path / "a" / f"1.{kind}", **({"lossless": True} if kind == "webp" else {}))
    save(colour[..., 0], tmp_path / "b" / "1.png")
    examples = read(tmp_path)
    assert examples.inputs.image == (8, 8, 3)
    first, second = examples.inputs.matrix.reshape(2, 8, 8, 3).astype(int)
    assert np.abs(first - [250, 120, 10]).max() <= (3 if kind == "jpg" else 0)
    assert (second == 250).all()


def test_sixteen_bits_palettes_and_what_is_transparent(tmp_path: Path) -> None:
    save(np.full((6, 6), 257 * 100, np.uint16), tmp_path / "a" / "1.tif")
    PIL.new("LA", (6, 6), (0, 0)).save(tmp_path / "a" / "2.png")  # all transparent: white paper
    PIL.new("L", (6, 6), 40).convert("P").save(tmp_path / "a" / "3.png")
    matrix = read_folder(tmp_path, (6, 6, 1)).inputs.matrix
    assert [set(row.tolist()) for row in matrix] == [{100}, {255}, {40}]


def test_levels_whose_range_is_not_known(tmp_path: Path) -> None:
    levels = np.full((6, 6), 257 * 100, np.uint16)
    save(levels, tmp_path / "a" / "1.png")
    save(levels, tmp_path / "a" / "2.tif")
    (tmp_path / "a" / "3.pgm").write_bytes(b"P5 6 6 65535\n" + levels.byteswap().tobytes())
    assert (read_folder(tmp_path, (6, 6, None)).inputs.matrix == 100).all()
    for array, kind in (
        (levels.astype(np.int32), "whole numbers of 32 bits"),
        (levels.astype(np.float32), "fractions"),
    ):
        save(array, tmp_path / "a" / "4.tif")
        with pytest.raises(
            DataError, match=f"4.tif cannot be read: its pixels are {kind}.*: save it with 8 or 16 bits"
        ):
            read_folder(tmp_path)


def test_pictures_are_turned_upright_and_cut_around_their_middle(tmp_path: Path) -> None:
    array = np.zeros((10, 30), np.uint8)
    array[:, 10:20] = 200  # the middle square
    save(array, tmp_path / "a" / "1.png")
    turned = PIL.fromarray(array.T)
    exif = turned.getexif()
    exif[0x0112] = 6  # the camera was turned
    turned.save(tmp_path / "a" / "2.png", exif=exif)
    matrix = read_folder(tmp_path, (10, 10, None)).inputs.matrix
    assert (matrix == 200).all()
    assert read(tmp_path).inputs.image == (10, 30, 1)  # both have this size
    save(array[:9], tmp_path / "a" / "3.png")
    assert read(tmp_path).inputs.image == (32, 32, 1)  # sizes differ: the usual square
    assert read(tmp_path, options=ReadOptions(image="4x6x3")).inputs.image == (4, 6, 3)


def test_bad_files_are_named_or_left_out(tmp_path: Path) -> None:
    pictures(tmp_path)
    good = (tmp_path / "day" / "000.png").read_bytes()
    (tmp_path / "day" / "004.png").write_bytes(good[: len(good) // 2])
    (tmp_path / "night" / "007.jpg").write_text("no picture at all")
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'day' / '004.png'} cannot be read: ")
    assert said.endswith("(2 such pictures); mend or remove it, or say --skip-bad")
    examples = read(tmp_path, options=ReadOptions(skip_bad=True))
    assert examples.n_rows == 23
    assert str(Path("day") / "004.png") not in examples.inputs.files
    assert "2 that cannot be read left out: day/004.png, night/007.jpg" in examples.inputs.said.replace("\\", "/")


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(np.zeros((20, 20), np.uint8), tmp_path / "a" / "1.png")
    monkeypatch.setattr(PIL, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="1.png cannot be read: it has more pixels than the limit of 100"):
        read(tmp_path)


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    def refused(folder: Path, kind: type[Exception], message: str) -> None:
        with pytest.raises(kind) as caught:
            read(folder)
        assert message in str(caught.value)

    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", UsageError, "holds nothing (PNG, JPEG, WebP, TIFF, …): name a folder with a folder of")
    save(np.zeros((4, 4), np.uint8), tmp_path / "flat" / "1.png")
    refused(tmp_path / "flat", UsageError, "its pictures lie in no folders: make a folder for each class")
    save(np.zeros((4, 4), np.uint8), tmp_path / "photos" / "cat" / "1.png")
    (tmp_path / "photos" / "dog").mkdir()
    refused(tmp_path / "photos", DataError, "no picture of the class 'dog' (PNG, JPEG, WebP, TIFF, …): it is empty")
    for part in ("train", "test"):
        save(np.zeros((4, 4), np.uint8), tmp_path / "parts" / part / "cat" / "1.png")
    parts = tmp_path / "parts"
    refused(parts, UsageError, f"which are no classes: name {parts / 'train'} --test {parts / 'test'}")


def test_a_class_is_not_lost_in_silence(tmp_path: Path) -> None:
    pictures(tmp_path, n=3)
    for file in (tmp_path / "day").iterdir():
        file.write_text("broken")
    with pytest.raises(DataError, match="no picture of the class 'day' can be read"):
        read(tmp_path, options=ReadOptions(skip_bad=True))


@pytest.mark.parametrize(
    ("value", "found"),
    [("28x28", (28, 28, None)), ("32 X 48 x 3", (32, 48, 3)), ("16", (16, 16, None)), ((8, 9), (8, 9, None))],
)
def test_sizes(value: object, found: object) -> None:
    assert parse_image(value) == found


@pytest.mark.parametrize("value", ["28y28", "0x5", "2x2x2x2", "", (1.5, "a"), 7, "99999x99999"])
def test_wrong_sizes(value: object) -> None:
    with pytest.raises(UsageError, match="image: "):
        parse_image(value)


def test_arrays_of_images() -> None:
    rng = np.random.default_rng(SEED)
    images, y = rng.integers(0, 255, (30, 5, 4)).astype(np.uint8), np.arange(30) % 2
    by_array = NetworkClassifier(max_epochs=2).fit(images, y)
    by_list = NetworkClassifier(max_epochs=2).fit(list(images), y)
    with_channel = NetworkClassifier(max_epochs=2).fit(images[..., None], y)
    assert by_array.n_features_in_ == 20
    for other in (by_list, with_channel):
        assert np.array_equal(other.predict_proba(images), by_array.predict_proba(images))
    run = entrena.train({"max_epochs": 2}, (images, y), save=False)
    assert run.schema.image == (5, 4, 1)
    assert run.model.predict(images).shape == (30,)


def test_pictures_of_pillow() -> None:
    rng = np.random.default_rng(SEED)
    images, y = rng.integers(0, 255, (30, 5, 4, 3)).astype(np.uint8), np.arange(30) % 2
    opened = [PIL.fromarray(image) for image in images]
    by_list = NetworkClassifier(max_epochs=2).fit(opened, y)
    by_array = NetworkClassifier(max_epochs=2).fit(images, y)
    assert np.array_equal(by_list.predict_proba(opened), by_array.predict_proba(images))
    run = entrena.train({"max_epochs": 2}, (opened, y), save=False)
    assert run.schema.image == (5, 4, 3)
    assert np.array_equal(run.model.predict(opened), run.model.predict(images))
    with pytest.raises(DataError, match="X: row 3 is a picture of Pillow's mode P, .*: convert them all, "):
        NetworkClassifier().fit([*opened[:2], opened[2].convert("P"), *opened[3:]], y)
    with pytest.raises(DataError, match="row 1 is 5 × 4 × 3, row 2 is 5 × 4: resize them"):
        NetworkClassifier().fit([opened[0], opened[1].convert("L"), *opened[2:]], y)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            [np.zeros((4, 4)), np.zeros((4, 5))],
            "images have different sizes: row 1 is 4 × 4, row 2 is 4 × 5: resize them",
        ),
        (np.zeros((2, 3, 28, 28)), "have shape (2, 3, 28, 28); channels come last: np.moveaxis(X, 1, -1)"),
        (np.zeros((2, 3, 8, 10)), "have shape (2, 3, 8, 10); channels come last: np.moveaxis(X, 1, -1)"),
        (np.zeros((2, 1, 8, 8)), "have shape (2, 1, 8, 8); channels come last: np.moveaxis(X, 1, -1)"),
        (np.full((2, 4, 4), np.nan), "pixel 'x0' of row 1 is missing: fill it in, or leave the image out"),
        (np.full((2, 4, 4), np.inf), "holds inf; numbers must be finite"),
        (np.zeros((0, 4, 4)), "there are no images"),
        (np.full((2, 4, 4), "a"), "images are arrays of numbers; these hold <U1"),
    ],
)
def test_wrong_arrays(images: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        NetworkClassifier().fit(images, [0, 1])
    assert message in str(caught.value)


def column_of(folder: Path, n: int = 6) -> tuple[np.ndarray, pl.DataFrame]:
    """Pictures [n, 5, 4, 3] and a frame of them as PNG files, with a target and another column."""
    arrays = np.random.default_rng(SEED).integers(0, 255, (n, 5, 4, 3)).astype(np.uint8)
    contents = []
    for array in arrays:
        written = io.BytesIO()
        PIL.fromarray(array).save(written, "PNG")
        contents.append(written.getvalue())
    frame = pl.DataFrame({"image": contents, "kind": ["a", "b"] * (n // 2), "split": ["train"] * n})
    frame.write_parquet(folder / "pictures.parquet")
    return arrays, frame


def test_a_column_of_pictures(tmp_path: Path) -> None:
    arrays, frame = column_of(tmp_path)
    examples = read(tmp_path / "pictures.parquet", target="kind")
    assert examples.inputs.image == (5, 4, 3)
    assert np.array_equal(examples.inputs.matrix, arrays.reshape(6, -1))
    assert examples.targets.tolist() == ["a", "b"] * 3
    assert examples.inputs.said == "5 × 4 pixels, colour; besides the pictures split left out"
    structures = frame.with_columns(pl.struct(bytes=pl.col("image"), path=pl.lit("x.png")).alias("image"))
    structures.write_parquet(tmp_path / "structures.parquet")
    again = read(tmp_path / "structures.parquet", target="kind")
    assert np.array_equal(again.inputs.matrix, examples.inputs.matrix)


def test_a_column_of_raw_pixels(tmp_path: Path) -> None:
    arrays = np.random.default_rng(SEED).integers(0, 255, (6, 5, 4)).astype(np.uint8)
    frame = pl.DataFrame({"pixels": [each.tobytes() for each in arrays], "kind": [0, 1] * 3})
    file = tmp_path / "raw.parquet"
    frame.write_parquet(file)
    examples = read(file, target="kind", options=ReadOptions(image="5x4"))
    assert np.array_equal(examples.inputs.matrix, arrays.reshape(6, -1))
    frame.write_parquet(file, metadata={"entrena": '{"encoding": "raw", "shape": [5, 4]}'})
    assert np.array_equal(read(file, target="kind").inputs.matrix, arrays.reshape(6, -1))
    smaller = read(file, target="kind", options=ReadOptions(image="2x2")).inputs
    assert smaller.image == (2, 2, 1)
    model = entrena.train({"max_epochs": 1}, file, target="kind", test_fraction=0, save=False).model
    assert model.schema.image == (5, 4, 1)


def test_a_column_of_pictures_with_bad_ones(tmp_path: Path) -> None:
    _, frame = column_of(tmp_path)
    file = tmp_path / "bad.parquet"
    contents = frame["image"].to_list()
    frame.with_columns(image=pl.Series([contents[0], None, contents[2][:40], *contents[3:]])).write_parquet(file)
    with pytest.raises(DataError, match=r"the picture in row 2 cannot be read: it is missing \(2 such pictures\)"):
        read(file, target="kind")
    examples = read(file, target="kind", options=ReadOptions(skip_bad=True))
    assert examples.targets.tolist() == ["a", "b", "a", "b"]
    assert "2 that cannot be read left out" in examples.inputs.said
    with pytest.raises(UsageError, match="there is no column 'sort' to predict"):
        read(file, target="sort")
    with pytest.raises(UsageError, match="which column is to be predicted from the pictures"):
        read(file)

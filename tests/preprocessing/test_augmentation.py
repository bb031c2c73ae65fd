"""Augmentation: each motion against SciPy, the noise against the normal distribution, and the program against NumPy."""

from __future__ import annotations

import signal

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

import entrena
from entrena import NetworkClassifier, Recipe
from entrena.data import Examples
from entrena.data.images import images_of
from entrena.data.roles import infer_roles
from entrena.data.schema import infer_schema, with_training
from entrena.data.values import Place
from entrena.errors import EntrenaError, RecipeError
from entrena.fitting import Parts, fit, prepare
from entrena.model import Model
from entrena.preprocessing.augmentation import (
    AUGMENTATIONS,
    Augmentation,
    Image,
    amounts_of,
    augmented,
    draw,
    noise_pool,
    too_little,
)
from entrena.random_bits import AUGMENTATION, NOISE, uniforms, update_words
from entrena.training.seeds import generator

SEED = 3


def words(update: int, seed: int = SEED) -> jnp.ndarray:
    return jnp.asarray(update_words(seed, np.array(update), AUGMENTATION))


def numbers(n: int, k: int, update: int, before: int = 0) -> np.ndarray:
    """[n, k] the numbers that an update draws for its examples, in float64."""
    place = jnp.arange(n * k, dtype=jnp.uint32).reshape(n, k) + jnp.uint32(before)
    return np.asarray(uniforms(place, words(update)), float)


def some_images(n: int, image: Image, seed: int = SEED) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, *image)).astype(np.float32)


def run(images: np.ndarray, update: int = 0, pool: jnp.ndarray | None = None, **amounts: object) -> np.ndarray:
    image = images.shape[1:]
    augmentation = Augmentation(image, tuple((amounts_of(amounts) or {}).items()))  # type: ignore[arg-type]
    rows = jnp.arange(len(images), dtype=jnp.int32)
    table = jnp.asarray(images.reshape(len(images), -1))
    drawn = draw(augmentation, len(images), words(update))
    return np.asarray(augmented(augmentation, table, rows, drawn, pool)).reshape(images.shape)


def by_scipy(picture: np.ndarray, matrix: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """A picture [h, w, c] read at matrix·p + offset, p counted from its middle, by linear interpolation."""
    height, width, channels = picture.shape
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    p = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij")).reshape(2, -1) - middle[:, None]
    places = matrix @ p + (offset + middle)[:, None]
    parts = [
        ndimage.map_coordinates(picture[..., k].astype(float), places, order=1, mode="nearest") for k in range(channels)
    ]
    return np.stack(parts, axis=-1).reshape(picture.shape)


@pytest.mark.parametrize("image", [(7, 5, 1), (6, 9, 3), (1, 8, 1), (8, 1, 2)])
@pytest.mark.parametrize("flip", [None, "horizontal", "vertical", "both"])
def test_shifts_and_mirrors_are_whole_pixels(image: Image, flip: str | None) -> None:
    picture = some_images(1, image)[0]
    amounts: dict[str, object] = {"shift": 0.3} if flip is None else {"shift": 0.3, "flip": flip}
    found = {moved.tobytes() for moved in run(np.tile(picture, (2_000, 1, 1, 1)), **amounts)}
    down, side = (round(0.3 * n) for n in image[:2])
    expected = set()
    for up in (False, True) if flip in ("vertical", "both") else (False,):
        for sideways in (False, True) if flip in ("horizontal", "both") else (False,):
            mirrored = picture[::-1] if up else picture
            mirrored = mirrored[:, ::-1] if sideways else mirrored
            framed = np.pad(mirrored, ((down, down), (side, side), (0, 0)), mode="edge")
            for y in range(2 * down + 1):
                for x in range(2 * side + 1):
                    expected.add(framed[y : y + image[0], x : x + image[1]].tobytes())
    assert found == expected  # all of up to 100 moves occur in 2,000 draws, and no other


def test_moves_are_equally_frequent() -> None:
    images = np.tile(np.arange(49, dtype=np.float32).reshape(1, 7, 7, 1), (40_000, 1, 1, 1))
    middle = run(images, shift=0.3)[:, 3, 3, 0].astype(int)
    counts = np.bincount(middle, minlength=49)
    assert np.count_nonzero(counts) == 25
    assert stats.chisquare(counts[counts > 0]).pvalue > 1e-3


def test_moves_without_a_table_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    images = some_images(50, (9, 6, 3))
    with_table = run(images, shift=0.3, flip="both")
    monkeypatch.setattr("entrena.preprocessing.augmentation.MOST_MOVES", 0)
    assert np.array_equal(run(images, shift=0.3, flip="both"), with_table)


@pytest.mark.parametrize("image", [(8, 8, 1), (7, 11, 3), (1, 6, 1)])
def test_turns_are_those_of_scipy(image: Image) -> None:
    images, amount = some_images(20, image), 40.0
    found = run(images, rotation=amount)
    angles = (2 * numbers(20, 1, 0)[:, 0] - 1) * np.deg2rad(amount)
    for picture, turned, angle in zip(images, found, angles, strict=True):
        matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        assert np.allclose(turned, by_scipy(picture, matrix, np.zeros(2)), atol=2e-5)


def test_all_motions_are_one_resampling() -> None:
    image: Image = (10, 12, 3)
    images, n = some_images(30, image), 30
    found = run(images, update=5, flip="both", shift=0.2, rotation=30.0, scaling=0.25)
    u_flip, u_shift = numbers(n, 2, 5), numbers(n, 2, 5, 2 * n)
    u_turn, u_scale = numbers(n, 1, 5, 4 * n)[:, 0], numbers(n, 1, 5, 5 * n)[:, 0]
    for row in range(n):
        angle, factor = (2 * u_turn[row] - 1) * np.deg2rad(30), 1.25 ** (2 * u_scale[row] - 1)
        mirror = np.diag(np.where(u_flip[row] < 0.5, -1.0, 1.0))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        t = (2 * u_shift[row] - 1) * 0.2 * np.array(image[:2])
        # Mirrored, shifted, turned, scaled, in this order: a pixel of the outcome is looked for backwards.
        matrix, offset = mirror @ turn / factor, mirror @ t
        assert np.allclose(found[row], by_scipy(images[row], matrix, offset), atol=5e-5)


def test_each_update_draws_anew_and_each_seed() -> None:
    images = some_images(64, (8, 8, 1))
    first, second = run(images, update=0, rotation=20.0), run(images, update=1, rotation=20.0)
    assert not np.allclose(first, second)
    assert np.array_equal(first, run(images, update=0, rotation=20.0))
    angles = [numbers(5_000, 1, update)[:, 0] for update in (0, 1)]
    assert abs(np.corrcoef(*angles)[0, 1]) < 0.05
    assert stats.kstest(angles[0], "uniform").pvalue > 1e-3


def test_noise_is_normal_and_its_draws_are_uncorrelated() -> None:
    image: Image = (12, 12, 1)
    images = np.zeros((64, *image), np.float32)
    augmentation = Augmentation(image, (("noise", 0.5),))
    epoch = jnp.asarray(update_words(SEED, np.array(0), NOISE))
    pool = noise_pool(augmentation, 64, epoch, jnp.float32)
    assert pool is not None
    assert stats.kstest(np.asarray(pool), "norm").pvalue > 1e-3
    noise = [run(images, update=update, pool=pool, noise=0.5) / 0.5 for update in range(20)]
    assert abs(np.std(noise[0]) - 1) < 0.03
    assert all(abs(np.corrcoef(noise[0].ravel(), each.ravel())[0, 1]) < 0.05 for each in noise[1:])
    of_pixels = np.corrcoef(np.concatenate(noise).reshape(-1, 144).T) - np.eye(144)
    assert np.abs(of_pixels).max() < 6 / np.sqrt(20 * 64)  # 6 deviations of a correlation of independent numbers
    other = noise_pool(augmentation, 64, jnp.asarray(update_words(SEED, np.array(1), NOISE)), jnp.float32)
    assert abs(np.corrcoef(np.asarray(pool), np.asarray(other))[0, 1]) < 0.05


def prepared_of(images: np.ndarray, y: np.ndarray, **values: object):  # type: ignore[no-untyped-def]
    table = images_of(images, Place("array"))
    examples = Examples(table, y, ("y",), "array")
    schema = with_training(infer_schema(examples), infer_roles(table, {}, len(y)), examples)
    return prepare(Recipe(random_state=SEED, early_stopping=False, **values), schema, Parts(examples))


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("mode", ["batch", "mini_batch"])
def test_the_program_sees_what_numpy_makes_of_the_images(rotated: bool, mode: str) -> None:
    rng = np.random.default_rng(SEED)
    images, y = rng.integers(0, 255, (40, 6, 5, 3)).astype(np.uint8), rng.integers(0, 3, 40)
    chosen: dict[str, object] = {"decorrelate": "pca", "components": 7} if rotated else {}
    augment = {"shift": 0.2, "rotation": 20.0, "noise": 0.3}
    size = {} if mode == "batch" else {"batch_size": 40, "order": "sequential"}
    ready = prepared_of(images, y, augment=augment, mode=mode, max_epochs=1, hidden=(4,), **chosen, **size)
    plain = prepared_of(images, y, mode=mode, max_epochs=1, hidden=(4,), **chosen, **size)
    # What the preprocessor knows, by NumPy: the mean image, and one deviation for each channel.
    flat = images.reshape(40, 6, 5, 3).astype(float)
    mean, deviation = flat.mean(axis=0), np.sqrt(flat.var(axis=0).mean(axis=(0, 1)))
    size_of_batch = ready.plan.batch_size
    rows = np.resize(np.arange(40), size_of_batch)
    rows[40:] = 0
    scaled = np.zeros((size_of_batch, 6, 5, 3), np.float32)
    scaled[:40] = flat / deviation
    if mode == "mini_batch":
        scaled[40:] = scaled[0]
    augmentation = ready.plan.structure.augmentation
    assert augmentation is not None
    pool = noise_pool(augmentation, size_of_batch, jnp.asarray(update_words(SEED, np.array(0), NOISE)), jnp.float32)
    changed = run(scaled, update=0, pool=pool, **augment)[:40]
    inputs = (changed - mean / deviation).reshape(40, -1)
    rotation = plain.preprocessor.rotation
    if rotation is not None:
        inputs = (inputs - rotation.components.mean) @ rotation.components.directions.T
    layers = [
        {name: np.asarray(values, float) for name, values in layer.items()}
        for layer in ready.network.initialize(generator(SEED, "weights"), "float32")
    ]
    hidden = np.maximum(inputs @ layers[0]["weights"] + layers[0]["biases"], 0)
    z = hidden @ layers[1]["weights"] + layers[1]["biases"]
    loss = np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(40), y])
    assert fit(ready).training.history[0]["loss"] == pytest.approx(loss, rel=1e-5)
    assert np.allclose(ready.training.seen_rows(), plain.training.seen_rows(), atol=1e-5)


def test_pixels_share_the_scale_of_their_channel() -> None:
    rng = np.random.default_rng(SEED)
    images = rng.normal(size=(50, 4, 3, 2)) * np.array([1.0, 20.0]) + np.arange(24).reshape(4, 3, 2)
    images[:, 0, 0] = 5.0  # a border that never varies stays an input
    model = NetworkClassifier(max_epochs=1).fit(images, np.arange(50) % 2).model_
    assert model.preprocessor.n_dense == 24
    assert np.allclose(model.preprocessor.shift, images.reshape(50, -1).mean(axis=0))
    expected = np.sqrt(images.var(axis=0).reshape(-1, 2).mean(axis=0))
    assert np.allclose(model.preprocessor.scale, np.tile(expected, 12))


def test_an_augmented_run_goes_on_to_the_same_bits(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(SEED)
    data = rng.normal(size=(60, 6, 6)), rng.integers(0, 2, 60)
    recipe = Recipe(augment={"shift": 0.2, "rotation": 10.0, "noise": 0.2}, max_epochs=6, hidden=(5,))
    whole = entrena.train(recipe, data, runs_dir=tmp_path, test_fraction=0)

    def interrupt(progress):  # type: ignore[no-untyped-def]
        if progress.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    cut = entrena.train(recipe, data, runs_dir=tmp_path, test_fraction=0, callbacks=[interrupt])
    assert cut.outcome.name == "interrupted"
    gone_on = entrena.train(data=data, resume=cut.path)
    assert gone_on.n_epochs == 6
    for one, other in zip(whole.model.params, gone_on.model.params, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_model_of_images_is_saved_and_reads_images_again(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(SEED)
    images, y = rng.normal(size=(40, 5, 4, 3)), rng.integers(0, 2, 40)
    fitted = NetworkClassifier(augment=["flip", "noise"], max_epochs=2).fit(images, y)
    fitted.save(tmp_path / "model.safetensors")
    loaded = entrena.load(tmp_path / "model.safetensors")
    assert loaded.augment == {"flip": "horizontal", "noise": 0.1}
    assert Model.load(tmp_path / "model.safetensors").schema.image == (5, 4, 3)
    assert np.array_equal(loaded.predict_proba(images), fitted.predict_proba(images))
    assert np.array_equal(fitted.predict_proba(images.reshape(40, -1)), fitted.predict_proba(images))
    with pytest.raises(EntrenaError, match="images of 4 × 5 pixels, colour; the model was trained on 5 × 4 pixels"):
        fitted.predict(np.zeros((2, 4, 5, 3)))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("shift", {"shift": 0.1}),
        (["noise", "flip"], {"flip": "horizontal", "noise": 0.1}),
        ("rotation,scaling", {"rotation": 15.0, "scaling": 0.1}),
        ({"rotation": 10, "flip": "both"}, {"flip": "both", "rotation": 10.0}),
        (None, None),
        ("none", None),
    ],
)
def test_ways_to_say_it(value: object, found: object) -> None:
    assert Recipe(augment=value).inputs.augment == found


def test_amounts_can_be_set_one_by_one() -> None:
    recipe = Recipe.make({"augment": "shift", "augment.rotation": 5})
    assert recipe.inputs.augment == {"shift": 0.1, "rotation": 5.0}
    assert recipe.change({"augment.shift": 0.2}).inputs.augment == {"shift": 0.2, "rotation": 5.0}
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("zoom", "inputs.augment: 'zoom' is called 'scaling' here"),
        ({"flip": None}, "inputs.augment: flip: None"),
        ({"flip": False}, "inputs.augment: nothing is named: name at least one of flip, shift"),
        ("shift,shift", "inputs.augment: 'shift' is named twice"),
        ("RandomRotation", "'RandomRotation' is called 'rotation' here"),
        ({"shift": 0.9}, "shift: 0.9 is not allowed: a number above 0 and at most 0.5"),
        ({"flip": "diagonal"}, "flip: 'diagonal' is not allowed: one of horizontal, vertical, both"),
        ({}, "nothing is named: name at least one of flip, shift, rotation, scaling, noise"),
        (3, "3 is not allowed: names of flip, shift, rotation, scaling, noise, or a table name = amount"),
    ],
)
def test_wrong_choices(value: object, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe(augment=value)
    assert message in str(caught.value)


def test_tables_are_not_augmented() -> None:
    with pytest.raises(RecipeError, match="these inputs are columns of a table: leave it out, or say"):
        NetworkClassifier(augment="shift").fit(np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"input_transform": "log1p"}, "'log1p' bends each column by itself, and all pixels share one unit"),
        ({"scale": "robust"}, "'robust' goes by each column's quartiles, and all pixels share one scale"),
        ({"augment": {"shift": 0.01}}, "shift = 0.01 of 6 × 6 pixels is less than half a pixel: take 0.083 or more"),
        ({"augment": "noise", "optimizer": "lbfgs"}, "lbfgs compares losses, and other images make another function"),
    ],
)
def test_what_does_not_fit_images(values: dict[str, object], message: str) -> None:
    images = np.random.default_rng(0).normal(size=(30, 6, 6))
    with pytest.raises(RecipeError) as caught:
        NetworkClassifier(**values).fit(images, np.arange(30) % 2)
    assert message in str(caught.value)


def test_a_stream_is_not_augmented() -> None:
    images = np.random.default_rng(0).normal(size=(30, 6, 6))
    with pytest.raises(RecipeError, match="a stream shows each row once, as it comes: leave augment out"):
        NetworkClassifier(augment="shift").partial_fit(images, np.arange(30) % 2, classes=[0, 1])


def test_a_shift_between_pixels_may_be_small() -> None:
    assert too_little(Augmentation((6, 6, 1), (("shift", 0.01), ("rotation", 5.0)))) is None
    assert set(AUGMENTATIONS) == {"flip", "shift", "rotation", "scaling", "noise"}


def test_side_by_side_is_as_alone() -> None:
    from entrena import population

    rng = np.random.default_rng(SEED)
    data = rng.normal(size=(60, 6, 6)), rng.integers(0, 2, 60)
    augment = {"shift": 0.2, "rotation": 10.0, "noise": 0.2}
    recipes = [Recipe(augment=augment, max_epochs=2, hidden=(4,), random_state=seed) for seed in range(3)]
    together = population.train(recipes, data, test_fraction=0, save=False)
    alone = entrena.train(recipes[2], data, test_fraction=0, save=False)
    for one, other in zip(together.runs[2].model.params, alone.model.params, strict=True):
        assert all(np.allclose(one[name], other[name], atol=1e-6) for name in one)

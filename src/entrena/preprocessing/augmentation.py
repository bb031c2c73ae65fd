"""Augmentation: each update sees its images moved, turned, scaled, mirrored or noisy, so that none of it matters.

Images are changed inside the compiled program, by random bits that are a hash of seed, update and example: a fresh draw
in every epoch, nothing is stored, and a resumed run draws the same. All that moves pixels is composed into one
resampling of the images as they were read. Outside of an image its nearest pixel goes on.

An entry of `AUGMENTATIONS` that moves pixels has a function `(u, amount, image) → Motion` with u [batch, draws] uniform
in [0, 1). Coordinates count from the middle of the image, y down and x to the right, and a motion says from where each
pixel is read.

Sources: Simard, Steinkraus & Platt, ICDAR 2003 (affine distortions of images); Bishop, Neural Computation 7 (1995)
(noise).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from entrena.random_bits import hashed, uniforms
from entrena.registry import Entry, Registry, Setting, Value

Image = tuple[int, int, int]  # height, width, channels

# Moves by whole pixels are read from a table of all of them, where it has no more entries than this.
MOST_MOVES = 2**21
# Normal numbers that are drawn for an epoch, over those of an update.
POOL = 1.25

DIRECTIONS = ("horizontal", "vertical", "both")

SIMARD = "Simard, Steinkraus & Platt, ICDAR 2003"


class Motion(NamedTuple):
    """From where pixels are read: y′ = yy·y + yx·x + ty, x′ = xy·y + xx·x + tx; each [batch]."""

    yy: Any = 1.0
    yx: Any = 0.0
    xy: Any = 0.0
    xx: Any = 1.0
    ty: Any = 0.0
    tx: Any = 0.0

    def after(self, first: Motion) -> Motion:
        """The motion that reads from where `first` says, as this one has moved it."""
        return Motion(
            self.yy * first.yy + self.yx * first.xy,
            self.yy * first.yx + self.yx * first.xx,
            self.xy * first.yy + self.xx * first.xy,
            self.xy * first.yx + self.xx * first.xx,
            self.yy * first.ty + self.yx * first.tx + self.ty,
            self.xy * first.ty + self.xx * first.tx + self.tx,
        )


def shift(u: Float[Array, "batch 2"], amount: float, image: Image) -> Motion:
    """Up to `amount` of the height up or down, and of the width to either side, uniformly."""
    return Motion(ty=(2 * u[:, 0] - 1) * (amount * image[0]), tx=(2 * u[:, 1] - 1) * (amount * image[1]))


def rotation(u: Float[Array, "batch 1"], amount: float, image: Image) -> Motion:
    """By up to `amount` degrees to either side, uniformly, around the middle."""
    angle = (2 * u[:, 0] - 1) * np.float32(np.deg2rad(amount))
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    return Motion(yy=cosine, yx=sine, xy=-sine, xx=cosine)


def scaling(u: Float[Array, "batch 1"], amount: float, image: Image) -> Motion:
    """Larger or smaller by a factor between 1/(1 + amount) and 1 + amount, uniform in its logarithm."""
    factor = jnp.exp((2 * u[:, 0] - 1) * np.float32(np.log1p(amount)))
    return Motion(yy=1 / factor, xx=1 / factor)


def flip(u: Float[Array, "batch 2"], amount: str, image: Image) -> Motion:
    """Mirrored with probability ½ in each of its directions, independently."""
    up = jnp.where(u[:, 0] < 0.5, -1.0, 1.0) if amount != "horizontal" else 1.0
    side = jnp.where(u[:, 1] < 0.5, -1.0, 1.0) if amount != "vertical" else 1.0
    return Motion(yy=up, xx=side)


AUGMENTATIONS = Registry(
    "inputs.augment",
    "Regularization and invariance",
    (
        Entry(
            "flip",
            "x′(i, j) = x(i, w − 1 − j) with probability ½",
            "Mirror images: horizontal, vertical or both. Not for digits and letters, which have a left and a right.",
            flip,
            settings=(Setting("flip", "horizontal", "In which direction.", choices=DIRECTIONS),),
            other_names=("flips", "mirror", "RandomFlip", "RandomHorizontalFlip", "hflip", "horizontal_flip"),
            lesson="invariance",
            details={"draws": 2, "by_pixels": True},
        ),
        Entry(
            "shift",
            "x′(p) = x(p + t), t uniform in ±a·(h, w)",
            "Images moved up, down and to the sides: by whole pixels, unless they are turned or scaled as well.",
            shift,
            source=SIMARD,
            settings=(Setting("shift", 0.1, "Greatest share of height and width.", 0, 0.5, low_open=True),),
            other_names=("shifts", "translation", "translate", "RandomTranslation", "width_shift_range", "crop"),
            lesson="invariance",
            details={"draws": 2, "by_pixels": True},
        ),
        Entry(
            "rotation",
            "x′(p) = x(R(φ)·p), φ uniform in ±a",
            "Images turned around their middle.",
            rotation,
            source=SIMARD,
            settings=(Setting("rotation", 15.0, "Greatest angle in degrees.", 0, 180, low_open=True),),
            other_names=("rotate", "rotations", "RandomRotation", "rotation_range", "degrees"),
            lesson="invariance",
            details={"draws": 1},
        ),
        Entry(
            "scaling",
            "x′(p) = x(p/s), ln s uniform in ±ln(1 + a)",
            "Images larger and smaller, their middle in place.",
            scaling,
            source=SIMARD,
            settings=(Setting("scaling", 0.1, "How much larger at most.", 0, 1, low_open=True),),
            other_names=("scale", "zoom", "RandomZoom", "zoom_range", "resize"),
            lesson="invariance",
            details={"draws": 1},
        ),
        Entry(
            "noise",
            "x′ = x + a·ε, ε from N(0, 1)",
            "Each pixel a little brighter or darker, in units of the images' deviation. The normal numbers are drawn "
            "anew for each epoch, and each update reads them from another place.",
            None,
            source="Bishop, Neural Computation 7, 1995",
            settings=(Setting("noise", 0.1, "Deviation, of scaled pixels.", 0, 10, low_open=True),),
            other_names=("gaussian_noise", "GaussianNoise", "GaussNoise"),
            lesson="invariance",
        ),
    ),
)


def amounts_of(value: object) -> dict[str, Value] | None:
    """What a user writes for `augment` as a table of names and amounts, in the order of the catalogue.

    True in place of an amount is the usual one, False leaves the name out.

    >>> amounts_of("shift, flip"), amounts_of({"rotation": 10})
    ({'flip': 'horizontal', 'shift': 0.1}, {'rotation': 10.0})

    Raises:
        ValueError: There is no such name or amount.
    """
    if value is None or value in ("none", "None", False):
        return None
    given: Mapping[Any, Any]
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if isinstance(value, Mapping):
        given = value
    elif isinstance(value, Sequence):
        given = dict.fromkeys(value, True)
        if len(given) < len(value):
            twice = next(name for name in given if value.count(name) > 1)
            raise ValueError(f"'{twice}' is named twice")
    else:
        raise ValueError(f"{value!r} is not allowed: names of {', '.join(AUGMENTATIONS)}, or a table name = amount")
    for name in given:
        if name not in AUGMENTATIONS:
            raise ValueError(AUGMENTATIONS.explain_unknown(name))
    found: dict[str, Value] = {}
    for name, entry in AUGMENTATIONS.items():
        setting, amount = entry.settings[0], given.get(name, False)
        if amount is False:
            continue
        try:
            found[name] = setting.check(setting.default if amount is True else amount)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if not found:
        raise ValueError(f"nothing is named: name at least one of {', '.join(AUGMENTATIONS)}, or leave augment out")
    return found


@dataclass(frozen=True)
class Augmentation:
    """How images are changed; all of it shapes the compiled program.

    Attributes:
        image: Height, width, channels.
        amounts: Names and amounts, in the order of the catalogue.
    """

    image: Image
    amounts: tuple[tuple[str, Value], ...]

    @property
    def n_pixels(self) -> int:
        """Numbers of an image, all channels together."""
        height, width, channels = self.image
        return height * width * channels

    @property
    def amount(self) -> Mapping[str, Any]:
        """Amounts by name."""
        return MappingProxyType(dict(self.amounts))

    @property
    def moves(self) -> tuple[str, ...]:
        """What moves pixels."""
        return tuple(name for name, _ in self.amounts if AUGMENTATIONS[name].function is not None)

    @property
    def is_by_pixels(self) -> bool:
        """Whether pixels move by whole pixels only, so that nothing has to be interpolated."""
        return all(AUGMENTATIONS[name].details.get("by_pixels") for name in self.moves)

    @property
    def noise(self) -> float:
        """Deviation of the noise, or 0."""
        return float(self.amount.get("noise", 0.0))

    @property
    def steps(self) -> tuple[int, int]:
        """By how many pixels at most images are shifted, down and to the side, where they move by whole pixels."""
        share = float(self.amount.get("shift", 0.0))
        return round(share * self.image[0]), round(share * self.image[1])


def too_little(augmentation: Augmentation) -> str | None:
    """What is wrong with the amounts for images of this size, or None."""
    share, (height, width, _) = augmentation.amount.get("shift"), augmentation.image
    if share is None or not augmentation.is_by_pixels or any(augmentation.steps):
        return None
    least = 0.5 / max(height, width)
    return f"shift = {share:g} of {height} × {width} pixels is less than half a pixel: take {least:.2g} or more"


class Draw(NamedTuple):
    """What one update makes of its images.

    Attributes:
        move: [batch] which move by whole pixels, or None.
        motion: [batch, 6] the fields of a `Motion`, or None.
        start: From where on the pool of normal numbers is read, or None.
    """

    move: Int[Array, " batch"] | None = None
    motion: Float[Array, "batch 6"] | None = None
    start: Int[Array, ""] | None = None


def draw(augmentation: Augmentation, n_examples: int, words: UInt32[Array, " 2"]) -> Draw:
    """What an update makes of its images.

    The program draws for all its updates before the loop over them: inside, XLA would draw again for every pixel.

    Args:
        augmentation: How images are changed.
        n_examples: The examples of the update.
        words: Two random words of the update.
    """
    move = motion = start = None
    if augmentation.moves and augmentation.is_by_pixels:
        n_moves = _n_moves(augmentation)
        u = uniforms(jax.lax.iota(jnp.uint32, n_examples), words)
        move = jnp.minimum((u * np.float32(n_moves)).astype(jnp.int32), n_moves - 1)
    elif augmentation.moves:
        fields = _motion(augmentation, n_examples, words)
        motion = jnp.stack([jnp.broadcast_to(jnp.asarray(each, jnp.float32), n_examples) for each in fields], axis=1)
    if augmentation.noise:
        n_starts = _pool_size(augmentation, n_examples) - n_examples * augmentation.n_pixels + 1
        place = jnp.full((), 2**32 - 1, jnp.uint32)
        start = (hashed(place, words) % np.uint32(n_starts)).astype(jnp.int32)
    return Draw(move, motion, start)


def augmented(
    augmentation: Augmentation,
    table: Float[Array, "rows pixels"],
    rows: Int[Array, " batch"],
    drawn: Draw,
    pool: Float[Array, " n"] | None = None,
) -> Float[Array, "batch pixels"]:
    """The images of some rows of a table, changed by the draw of an update.

    Args:
        augmentation: How.
        table: Images as they were read, but for their scale.
        rows: Which; numbers below 0 read row 0.
        drawn: By how much.
        pool: Normal numbers of the epoch (`noise_pool`), with noise.
    """
    # Places are without a sign: XLA would ask of each whether it counts from the end.
    if table.size < 2**31:  # straight from the table; else its places are beyond 32 bits
        flat, rows_of_flat = table.reshape(-1), jnp.maximum(rows, 0).astype(jnp.uint32)
    else:
        flat, rows_of_flat = (
            jnp.take(table, rows, axis=0, mode="clip").reshape(-1),
            jnp.arange(len(rows), dtype=jnp.uint32),
        )
    first = rows_of_flat * np.uint32(augmentation.n_pixels)
    if drawn.move is not None:
        images = _moved(augmentation, flat, first, drawn.move)
    elif drawn.motion is not None:
        images = _resampled(augmentation, flat, first, drawn.motion)
    else:
        images = jnp.take(table, rows, axis=0, mode="clip")
    if drawn.start is not None:
        assert pool is not None
        noise = jax.lax.dynamic_slice(pool, (drawn.start,), (images.size,)).reshape(images.shape)
        images += np.asarray(augmentation.noise, table.dtype) * noise
    return images


def noise_pool(
    augmentation: Augmentation, n_examples: int, words: UInt32[Array, " 2"], dtype: Any
) -> Float[Array, " n"] | None:
    """Normal numbers for an epoch, a quarter more than an update takes; None without noise.

    Args:
        augmentation: How images are changed.
        n_examples: The examples of an update.
        words: Two random words of the epoch.
        dtype: Of the images.
    """
    if not augmentation.noise:
        return None
    place = jax.lax.iota(jnp.uint32, _pool_size(augmentation, n_examples))
    # In the middle of 2²⁴ steps between −1 and 1, so that neither end is reached.
    u = 2 * uniforms(place, words) - np.float32(1 - 2**-24)
    return (np.float32(np.sqrt(2)) * jax.lax.erf_inv(u)).astype(dtype)


def _pool_size(augmentation: Augmentation, n_examples: int) -> int:
    return round(POOL * n_examples * augmentation.n_pixels)


def _moved(
    augmentation: Augmentation, flat: Float[Array, " n"], first: UInt32[Array, " batch"], move: Int[Array, " batch"]
) -> Float[Array, "batch pixels"]:
    """Mirrored and moved by whole pixels, read from the table of all such moves."""
    if _n_moves(augmentation) * augmentation.n_pixels <= MOST_MOVES:
        places = jnp.take(jnp.asarray(_all_moves(augmentation)), move, axis=0, mode="clip")
    else:
        places = _sources(augmentation, move, jnp).astype(jnp.uint32)
    return jnp.take(flat, places + first[:, None], mode="clip")


def _n_moves(augmentation: Augmentation) -> int:
    down, side = augmentation.steps
    directions = augmentation.amount.get("flip")
    mirrors = 1 if directions is None else 4 if directions == "both" else 2
    return mirrors * (2 * down + 1) * (2 * side + 1)


@lru_cache(maxsize=8)
def _all_moves(augmentation: Augmentation) -> np.ndarray:
    return np.asarray(_sources(augmentation, np.arange(_n_moves(augmentation), dtype=np.int32), np), np.uint32)


def _sources(augmentation: Augmentation, move: Any, xp: Any) -> Any:
    """[moves, pixels] from where each pixel is read, with NumPy or JAX."""
    (height, width, channels), (down, side) = augmentation.image, augmentation.steps
    directions = augmentation.amount.get("flip")
    rest, dx = move // (2 * side + 1), move % (2 * side + 1) - side
    mirror, dy = rest // (2 * down + 1), rest % (2 * down + 1) - down
    up = mirror % 2 if directions == "vertical" else mirror // 2
    sideways = 0 * mirror if directions == "vertical" else mirror % 2
    y, x = np.arange(height, dtype=np.int32), np.arange(width, dtype=np.int32)
    y = xp.clip(xp.where(up[:, None] == 1, height - 1 - y, y) + dy[:, None], 0, height - 1)
    x = xp.clip(xp.where(sideways[:, None] == 1, width - 1 - x, x) + dx[:, None], 0, width - 1)
    pixels = y[:, :, None] * width + x[:, None, :]
    channel = np.arange(channels, dtype=np.int32)
    return (pixels[..., None] * channels + channel).reshape(len(move), -1)


def _resampled(
    augmentation: Augmentation,
    flat: Float[Array, " n"],
    first: UInt32[Array, " batch"],
    motion: Float[Array, "batch 6"],
) -> Float[Array, "batch pixels"]:
    """All motions composed, and each pixel read once, between the four pixels that it comes to lie between."""
    height, width, channels = augmentation.image
    yy, yx, xy, xx, ty, tx = Motion(*motion.T)
    place = np.arange(augmentation.n_pixels, dtype=np.int32)
    y = (place // (width * channels) - (height - 1) / 2).astype(np.float32)
    x = (place // channels % width - (width - 1) / 2).astype(np.float32)
    read_y = yy[:, None] * y + yx[:, None] * x + (ty + np.float32((height - 1) / 2))[:, None]
    read_x = xy[:, None] * y + xx[:, None] * x + (tx + np.float32((width - 1) / 2))[:, None]
    # Just below the last pixel, so that there is always one below and one beside.
    last_y, last_x = (np.nextafter(np.float32(n - 1), np.float32(0)) for n in (height, width))
    read_y, read_x = jnp.clip(read_y, 0, last_y), jnp.clip(read_x, 0, last_x)
    top, left = jnp.floor(read_y), jnp.floor(read_x)
    part_y, part_x = (read_y - top).astype(flat.dtype), (read_x - left).astype(flat.dtype)
    corner = first[:, None] + _as_place((top * width + left) * channels + (place % channels).astype(np.float32))
    below, beside = width * channels * min(height - 1, 1), channels * min(width - 1, 1)

    def pixel(offset: int) -> Float[Array, "batch pixels"]:
        return jnp.take(flat, corner + np.uint32(offset), mode="clip")

    # Each is written once: XLA would read a pixel again for every time that it is written.
    upper, upper_right, lower, lower_right = (pixel(offset) for offset in (0, beside, below, below + beside))
    upper += part_x * (upper_right - upper)
    lower += part_x * (lower_right - lower)
    return upper + part_y * (lower - upper)


def _as_place(whole: Float[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """Whole float32 numbers from 0 up to 2²³ as such: of 2²³ + n the last bits are n.

    XLA's own conversion looks for what is too large, infinite or no number, and takes twice the time of the resampling.
    """
    bits = jax.lax.bitcast_convert_type(whole + np.float32(2**23), jnp.uint32)
    return bits & np.uint32(2**23 - 1)


def _motion(augmentation: Augmentation, n: int, words: UInt32[Array, " 2"]) -> Motion:
    """What moves pixels, one after the other in the order of the catalogue, as one motion for each example."""
    motion, n_before = Motion(), 0
    for name in augmentation.moves:
        entry = AUGMENTATIONS[name]
        draws = entry.details["draws"]
        place = jax.lax.iota(jnp.uint32, n * draws).reshape(n, draws) + np.uint32(n_before)
        function: Callable[..., Motion] | None = entry.function
        assert function is not None
        motion = motion.after(function(uniforms(place, words), augmentation.amount[name], augmentation.image))
        n_before += n * draws
    return motion

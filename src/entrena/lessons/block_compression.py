"""A picture compressed block by block: what a few principal components of its blocks leave of it, and what they cost.

The picture is cut in square blocks, and each block becomes so many numbers: its projections on the first principal
components of all blocks. To rebuild the picture the components and the mean block are needed as well, and they are
counted. Beside it the two-dimensional cosine transform, whose directions are known beforehand, so that they cost
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.errors import DataError
from entrena.lessons.intervals import jackknife_interval
from entrena.lessons.lesson import Case, Drawing, Lesson, Results, Size, Table, Verdict, conclude, decide
from entrena.reporting.wording import count

if TYPE_CHECKING:
    from entrena.lessons.trials import Trials
    from entrena.preprocessing.principal_components import Components

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601
SIDE = 32  # of the greatest block: pictures are cut so that all sizes have the same pixels
PARTS = (3, 4)  # down and across, of which the interval is
CODE_BITS, FLOAT_BITS, PIXEL_BITS = 8, 16, 8
RATIO = 8.0  # times fewer numbers
GOOD = 30.0  # dB
SHOWN_BLOCK, SHOWN_KEPT = 8, (2, 8, 16)
SHOWN_PART = (160, 224)  # pixels: height and width of what is shown
PEAK = 255.0


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Error and ratio for each picture, block and number of components; nothing is drawn by chance."""
    pictures = {name: grey_picture(name) for name in size["pictures"]}
    cases = []
    for name, picture in pictures.items():
        for block in size["blocks"]:
            others = [other for each, other in pictures.items() if each != name]
            cases.append(_case(name, picture, block, others[0] if others else None))
    first = size["pictures"][0]
    return {"cases": cases, "shown": _shown(first, pictures[first])}


def grey_picture(name: str) -> np.ndarray:
    """A sample picture of scikit-learn in grey levels, [height, width], cut so that all blocks fit.

    Raises:
        DataError: Pillow is not installed.
    """
    from sklearn.datasets import load_sample_image

    try:
        coloured = load_sample_image(f"{name}.jpg")
    except ImportError:
        raise DataError(f"{name}.jpg, of scikit-learn, needs an extra: pip install 'entrena[images]'") from None
    height, width = (side - side % SIDE for side in coloured.shape[:2])
    return np.rint(coloured[:height, :width] @ np.array(LUMINANCE))


def blocks_of(picture: np.ndarray, side: int) -> np.ndarray:
    """[blocks, side²] the blocks of a picture, from left to right and from top to bottom."""
    height, width = picture.shape
    cut = picture.reshape(height // side, side, width // side, side).swapaxes(1, 2)
    return cut.reshape(-1, side * side)


def picture_of(blocks: np.ndarray, shape: tuple[int, ...], side: int) -> np.ndarray:
    """[height, width] the picture of its blocks."""
    cut = blocks.reshape(shape[0] // side, shape[1] // side, side, side).swapaxes(1, 2)
    return cut.reshape(shape)


@dataclass(frozen=True, eq=False)
class Basis:
    """Directions on which blocks are projected.

    Attributes:
        mean: [pixels of a block] what is taken away first.
        directions: [most, pixels of a block] of length 1, at right angles; the first are the most useful.
        own: Whether they belong to the picture, so that they have to be kept with it.
    """

    mean: np.ndarray
    directions: np.ndarray
    own: bool

    def rebuilt(self, blocks: np.ndarray, k: int) -> np.ndarray:
        """The blocks from their projections on the first k directions."""
        kept = self.directions[:k]
        return self.mean + (blocks - self.mean) @ kept.T @ kept

    def rounded(self, blocks: np.ndarray, k: int) -> np.ndarray:
        """The same from what is kept of them: codes of eight bits, directions and mean in half precision.

        The codes of a direction are as many equal steps from the least one to the greatest.
        """
        kept, mean = (np.float16(each).astype(float) if self.own else each for each in (self.directions[:k], self.mean))
        codes = (blocks - mean) @ kept.T
        low, high = (np.float16(end).astype(float) for end in (codes.min(axis=0), codes.max(axis=0)))
        step = np.where(high > low, (high - low) / (2**CODE_BITS - 1), 1.0)
        whole = np.clip(np.rint((codes - low) / step), 0, 2**CODE_BITS - 1)
        return mean + (low + whole * step) @ kept

    def numbers(self, n_blocks: int, k: int) -> int:
        """How many numbers are kept: codes, and what belongs to the picture of directions and mean."""
        return n_blocks * k + (len(self.mean) * (k + 1) if self.own else 0)

    def bits(self, n_blocks: int, k: int) -> int:
        """The same in bits, with the least and the greatest code of each direction."""
        beside = len(self.mean) * (k + 1) if self.own else 0
        return CODE_BITS * n_blocks * k + FLOAT_BITS * (beside + 2 * k)


def principal_basis(blocks: np.ndarray, *, own: bool = True) -> Basis:
    """The principal components of blocks."""
    found = _components(blocks)
    return Basis(found.mean, found.directions, own)


def _components(blocks: np.ndarray) -> Components:
    from entrena.preprocessing.principal_components import Rows, Wanted, find_components

    return find_components(Rows.look(lambda: iter([(blocks, None)])), Wanted())


def cosine_basis(blocks: np.ndarray, side: int) -> Basis:
    """The directions of the two-dimensional cosine transform, those with the greatest mean square first.

    Which of them are kept is the same for all blocks: side² bits would say it, which are not counted.
    """
    from scipy.fft import dctn

    strengths = np.square(dctn(blocks.reshape(-1, side, side), axes=(1, 2), norm="ortho")).mean(axis=0).ravel()
    order = np.argsort(-strengths, kind="stable")
    units = np.eye(side * side).reshape(-1, side, side)
    directions = dctn(units, axes=(1, 2), norm="ortho").reshape(side * side, -1).T
    return Basis(np.zeros(side * side), directions[order], own=False)


def kept_numbers(basis: Basis, n_blocks: int) -> list[int]:
    """How many components are tried: twice as many each time while that makes the picture smaller.

    And among them the most that leave so many times fewer numbers as the claim is judged by.
    """
    n_pixels = n_blocks * len(basis.mean)
    able = [k for k in range(1, len(basis.directions) + 1) if basis.numbers(n_blocks, k) < n_pixels]
    judged = [k for k in able if n_pixels >= RATIO * basis.numbers(n_blocks, k)][-1:]
    return sorted({k for k in able if k.bit_count() == 1} | set(judged))


def psnr(mean_square: float) -> float:
    """The peak signal-to-noise ratio in decibels: 10·log10(255²/MSE).

    >>> round(psnr(65.025), 9)
    30.0
    """
    return inf if mean_square <= 0 else 10 * log10(PEAK**2 / mean_square)


def _case(name: str, picture: np.ndarray, side: int, other: np.ndarray | None) -> dict[str, Any]:
    """A picture in blocks of one size."""
    blocks = blocks_of(picture, side)
    bases = {"own": principal_basis(blocks), "cosine": cosine_basis(blocks, side)}
    if other is not None:
        bases["other"] = principal_basis(blocks_of(other, side), own=False)
    found = []
    for k in kept_numbers(bases["own"], len(blocks)):
        errors = {each: np.square(basis.rebuilt(blocks, k) - blocks) for each, basis in bases.items()}
        rounded = {each: float(np.square(basis.rounded(blocks, k) - blocks).mean()) for each, basis in bases.items()}
        numbers = {each: basis.numbers(len(blocks), k) for each, basis in bases.items()}
        bits = {each: basis.bits(len(blocks), k) for each, basis in bases.items()}
        found.append(
            {
                "kept": k,
                "ratio": {each: picture.size / n for each, n in numbers.items()},
                "bit_ratio": {each: PIXEL_BITS * picture.size / n for each, n in bits.items()},
                "mean_square": {each: float(own.mean()) for each, own in errors.items()},
                "rounded": rounded,
                "parts": part_means(picture_of(errors["own"], picture.shape, side)).tolist(),
            }
        )
    return {"picture": name, "side": side, "shape": list(picture.shape), "blocks": len(blocks), "found": found}


def part_means(values: np.ndarray) -> np.ndarray:
    """[parts] the means over parts of a picture, of which there are three down and four across."""
    rows = np.array_split(np.arange(values.shape[0]), PARTS[0])
    columns = np.array_split(np.arange(values.shape[1]), PARTS[1])
    return np.array([values[np.ix_(down, across)].mean() for down in rows for across in columns])


def _shown(name: str, picture: np.ndarray) -> dict[str, Any]:
    """A part of the first picture, as it is and rebuilt, and the components."""
    from entrena.reporting.pictures import png

    blocks = blocks_of(picture, SHOWN_BLOCK)
    height, width = SHOWN_PART
    top, left = ((side - part) // 2 for side, part in zip(picture.shape, SHOWN_PART, strict=True))
    rows: dict[str, list[str]] = {}
    bases = {"components": principal_basis(blocks), "cosines": cosine_basis(blocks, SHOWN_BLOCK)}
    for each, basis in bases.items():
        made = [picture, *(picture_of(basis.rounded(blocks, k), picture.shape, SHOWN_BLOCK) for k in SHOWN_KEPT)]
        rows[each] = [png(own[top : top + height, left : left + width]) for own in made]
    square = (SHOWN_BLOCK, SHOWN_BLOCK)
    units = [
        [png(127.5 + 127.5 * (own / np.abs(own).max()).reshape(square)) for own in basis.directions[: 2 * SHOWN_BLOCK]]
        for basis in bases.values()
    ]
    return {"picture": name, "shape": list(SHOWN_PART), "rows": rows, "directions": units}


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    return [
        f"The pictures {' and '.join(size['pictures'])} of scikit-learn, in grey levels of eight bits, are cut in "
        f"blocks of {', '.join(f'{side} × {side}' for side in size['blocks'])} pixels. A block is a row, its pixels "
        "are the columns; blocks are projected on the first 1, 2, 4, … principal components of all blocks of the "
        f"picture (`PrincipalComponents`), and on as many as leave {RATIO:g} times fewer numbers, and rebuilt from "
        "that. The compression ratio is pixels over the numbers that are kept: the codes, as many for each block as "
        "components, the components, and the mean block.",
        f"In bits: codes of {CODE_BITS} bits, in equal steps from the least to the greatest of their component; "
        f"components, mean block and ends of the codes in {FLOAT_BITS} bits; pixels in {PIXEL_BITS}. The picture is "
        "then rebuilt from the rounded numbers. No entropy coding follows, which would shorten both.",
        f"The error is the mean square over all pixels; PSNR is 10·log10({PEAK:.0f}²/error). The intervals are of "
        f"the jackknife, over {PARTS[0] * PARTS[1]} equal parts of the picture: how far the error would differ on "
        "other such pictures. Beside it: the orthonormal two-dimensional cosine transform of each block (SciPy's "
        "`dctn`), with as many coefficients, the strongest on average and the same for all blocks; and components of "
        "the other picture. Both cost nothing beside the codes.",
    ]


def at_ratio(case: Mapping[str, Any], ratio: float = RATIO) -> Mapping[str, Any] | None:
    """What was found with the most components that leave so many times fewer numbers; None where none does."""
    able = [each for each in case["found"] if each["ratio"]["own"] >= ratio]
    return able[-1] if able else None


def interval_of(parts: Sequence[float]) -> dict[str, float]:
    """PSNR of the mean error over parts of a picture, with its 95 % interval, from the mean without each part."""
    whole, n = sum(parts), len(parts)
    return jackknife_interval(psnr(whole / n), [psnr((whole - each) / (n - 1)) for each in parts])


def judge(results: Results) -> Verdict:
    """By the PSNR at 8 times fewer numbers, for each picture and block: its interval has to be above 30 dB."""
    decided, told = [], []
    for case in results["cases"]:
        name = named(case)
        at = at_ratio(case)
        if at is None:
            told.append(f"{name} cannot be had with {RATIO:g} times fewer numbers")
            decided.append((Case(name, -inf, -inf, -inf), decide(Case(name, -inf, -inf, -inf), GOOD)))
            continue
        own = interval_of(at["parts"])
        found = Case(name, own["mean"], own["low"], own["high"])
        decided.append((found, decide(found, GOOD)))
        told.append(f"{name} {_decibels(own)} with {count(at['kept'], 'component')}")
    verdict = conclude(decided, "the picture and the size of its blocks")
    parts = [f"PSNR in dB, with at least {RATIO:g} times fewer numbers; the limit is {GOOD:g}: {'; '.join(told)}."]
    for decision, words in (("holds", "It holds on"), ("fails", "It fails on"), ("undecided", "It is not decided on")):
        names = [case.name for case, one in decided if one == decision]
        if names:
            parts.append(f"{words} {', '.join(names)}.")
    return Verdict(verdict.name, " ".join(parts), verdict.depends_on)


def named(case: Mapping[str, Any]) -> str:
    """A picture and its blocks.

    >>> named({"picture": "china", "side": 8})
    'china 8 × 8'
    """
    return f"{case['picture']} {case['side']} × {case['side']}"


def _decibels(own: Mapping[str, float]) -> str:
    return f"{own['mean']:.1f} ({own['low']:.1f}–{own['high']:.1f})"


def tables(results: Results) -> list[Table]:
    """Error and ratio; rounded numbers; the three kinds of directions."""
    found = []
    for case in results["cases"]:
        rows = [
            [
                str(each["kept"]),
                f"{each['ratio']['own']:.2f}",
                f"{each['mean_square']['own']:.1f}",
                _decibels(interval_of(each["parts"])),
                f"{each['bit_ratio']['own']:.2f}",
                f"{psnr(each['rounded']['own']):.1f}",
                f"{psnr(each['mean_square']['cosine']):.1f}",
                *([f"{psnr(each['mean_square']['other']):.1f}"] if "other" in each["ratio"] else []),
            ]
            for each in case["found"]
        ]
        other = ("other's, dB",) if "other" in case["found"][0]["ratio"] else ()
        height, width = case["shape"]
        found.append(
            Table(
                f"{named(case)}: {case['blocks']:,} blocks, {height} × {width} pixels in all",
                ("kept", "ratio", "error", "PSNR, dB", "ratio, bits", "rounded, dB", "cosines, dB", *other),
                rows,
                "Kept: components of each block. Ratio: pixels over numbers kept. Ratio, bits, and rounded: of numbers "
                f"in {CODE_BITS} and {FLOAT_BITS} bits. Cosines: PSNR of as many coefficients of the cosine transform"
                + ("; other's: of as many components of the other picture." if other else "."),
                n_texts=0,
                dispensable=("other's, dB", "error", "ratio, bits"),
            )
        )
    return found


def meaning(results: Results) -> list[str]:
    """What who compresses by components should know."""
    parts = []
    gains = {"cosine": "those of the cosine transform", "other": "the components of the other picture"}
    at = [(case, at_ratio(case)) for case in results["cases"]]
    able = [(case, own) for case, own in at if own is not None]
    for kind, words in gains.items():
        ahead = [
            psnr(own["mean_square"]["own"]) - psnr(own["mean_square"][kind])
            for _, own in able
            if kind in own["mean_square"]
        ]
        if ahead:
            parts.append(
                f"With as many codes, a picture's own components are {min(ahead):.2f} to {max(ahead):.2f} dB better "
                f"than {words}, which need not be kept with the picture."
            )
    dearest = max(results["cases"], key=lambda case: case["side"])
    side, n_blocks = dearest["side"], dearest["blocks"]
    parts.append(
        f"Components cost: one of {named(dearest)} pixels is as many numbers as its codes in {side * side:,} blocks, "
        f"and the picture has {n_blocks:,}. Small blocks have cheap components, but they see little of what neighbours "
        "have in common."
    )
    best: dict[str, tuple[float, Mapping[str, Any], Mapping[str, Any]]] = {}
    for case, own in able:
        value = psnr(own["mean_square"]["own"])
        if case["picture"] not in best or value > best[case["picture"]][0]:
            best[case["picture"]] = (value, case, own)
    for value, case, own in best.values():
        parts.append(
            f"With at least {RATIO:g} times fewer numbers, the best of these sizes is {named(case)} with "
            f"{count(own['kept'], 'component')}: {value:.1f} dB, at a ratio of {own['ratio']['own']:.2f}."
        )
    return parts


def figures(results: Results) -> list[Drawing]:
    """PSNR over ratio, the picture rebuilt, and the directions."""
    from entrena.lessons.drawings import Line, lines
    from entrena.reporting.pictures import side_by_side

    found = []
    for picture in dict.fromkeys(case["picture"] for case in results["cases"]):
        own = [case for case in results["cases"] if case["picture"] == picture]
        curves = []
        for place, case in enumerate(own):
            for kind, words, dash in (("own", "components", "solid"), ("cosine", "cosines", "dot")):
                x = [each["ratio"][kind] for each in case["found"]]
                y = [psnr(each["mean_square"][kind]) for each in case["found"]]
                curves.append(Line(f"{case['side']} × {case['side']}, {words}", x, y, place, dash=dash))
        drawn = lines("pixels over numbers kept (logarithmic)", "PSNR in dB", curves, logarithmic="x", mark=("y", GOOD))
        drawn.add_vline(x=RATIO, line=drawn.layout.shapes[0].line)
        text = f"Dashed: {GOOD:g} dB, and {RATIO:g} times fewer numbers. The claim is about what is above and right."
        found.append(Drawing(f"{picture}: error against compression", drawn, text))
    shown = results["shown"]
    columns = ["picture", *(f"{k} of {SHOWN_BLOCK**2}" for k in SHOWN_KEPT)]
    height, width = shown["shape"]
    found.append(
        Drawing(
            f"A part of {shown['picture']}, blocks of {SHOWN_BLOCK} × {SHOWN_BLOCK}",
            side_by_side(columns, list(shown["rows"].items()), shape=(height, width), height=190),
            "The picture, and rebuilt from so many numbers for each block, rounded to eight bits.",
        )
    )
    labels = [str(k + 1) for k in range(len(shown["directions"][0]))]
    rows = list(zip(shown["rows"], shown["directions"], strict=True))
    square = (SHOWN_BLOCK, SHOWN_BLOCK)
    text = (
        "Grey is 0; the first, nearly even, is white. The components of the picture's blocks, and the strongest "
        "directions of the cosine transform."
    )
    found.append(Drawing("The first directions", side_by_side(labels, rows, shape=square, height=60), text))
    return found


LESSON = Lesson(
    id="block_compression",
    chapter="Preprocessing",
    title="How far a picture can be compressed by principal components of its blocks",
    claim=(
        "A picture can be compressed by principal components: cut in blocks, it is rebuilt from a few numbers for each "
        "block with little loss."
    ),
    source=(
        "Lecture slides on training neural networks, after Haykin, Neural Networks and Learning Machines, 3rd ed. "
        "(2009), chapter 8; no figure is legible there. Here a few is: at least 8 times fewer numbers than pixels, "
        "components and mean counted; little loss is: a PSNR of 30 dB or more."
    ),
    sizes={
        "quick": Size(
            {"pictures": ["china"], "blocks": [8, 16]},
            "The full study adds the picture flower, and blocks of 4 × 4 and 32 × 32.",
        ),
        "full": Size({"pictures": ["china", "flower"], "blocks": [4, 8, 16, 32]}),
    },
    experiment=experiment,
    method=method,
    judge=judge,
    tables=tables,
    meaning=meaning,
    figures=figures,
)

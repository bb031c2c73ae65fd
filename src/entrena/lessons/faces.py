"""How many principal components pictures of faces need: the variance that they hold, and what is rebuilt from them.

The faces are the user's: none come with entrena. Without them the lesson shows the same of scikit-learn's digits, and
its verdict stays open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.lessons.intervals import jackknife_interval, span_of
from entrena.lessons.lesson import Case, Drawing, Lesson, Results, Size, Table, Verdict, conclude, decide
from entrena.lessons.pictures import SIDE, Pictures, drawn, read_pictures

if TYPE_CHECKING:
    from entrena.lessons.trials import Trials
    from entrena.preprocessing.principal_components import Components

DIGITS = "digits"
CLAIMED, SHARE = 50, 0.90  # of the slides
SHOWN = (10, 50, 100)  # components that pictures are rebuilt from
FOLDS = 5
MOST_DRAWN = 150  # components of the figure
PICTURES_SHOWN, COMPONENTS_SHOWN = 4, 6
WHAT_TO_TYPE = "entrena lesson faces --data FILE_OR_FOLDER"
AS_THEY_ARE = "as they are"

Prepare = Callable[[np.ndarray], np.ndarray]


def _own_mean_away(values: np.ndarray) -> np.ndarray:
    return values - values.mean(axis=(1, 2), keepdims=True)


def _standardised(values: np.ndarray) -> np.ndarray:
    deviations = values.std(axis=(1, 2), keepdims=True)
    return _own_mean_away(values) / np.where(deviations > 0, deviations, 1.0)


def _unit_pixels(values: np.ndarray) -> np.ndarray:
    deviations = values.std(axis=0)
    return values / np.where(deviations > 0, deviations, 1.0)


def _equalised(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(values.reshape(len(values), -1), axis=1).reshape(values.shape)


def _middle(values: np.ndarray) -> np.ndarray:
    height, width = values.shape[1:]
    return values[:, height // 8 : height - height // 8, width // 8 : width - width // 8]


def _halved(values: np.ndarray) -> np.ndarray:
    n, height, width = values.shape
    return values.reshape(n, height // 2, 2, width // 2, 2).mean(axis=(2, 4))


# All pictures with all their pixels, in ways in which faces are usually prepared: the claim is tried on each.
PREPARATIONS: dict[str, Prepare] = {
    AS_THEY_ARE: lambda values: values,
    "each picture less its mean": _own_mean_away,
    "each picture standardised": _standardised,
    "each pixel of deviation 1": _unit_pixels,
    "each picture equalised": _equalised,
}
# Fewer pixels: no longer the pictures that the claim is about.
SMALLER: dict[str, Prepare] = {"the middle of each": _middle, "half as many pixels a side": _halved}
FEWER = (0.75, 0.5, 0.25)  # of the pictures
OF_THE_FIRST = (100, 200)  # components, whose variance stands for the whole


def experiment(size: Mapping[str, Any], seed: int, trials: Trials) -> Results:
    """Shares of the variance, components that hold a share, and rebuilt pictures."""
    chance = np.random.default_rng(seed)
    most = size["most_pictures"]
    pictures = _digits(most, chance) if size["pictures"] == DIGITS else read_pictures(size["pictures"], most, chance)
    parts = _parts(pictures, size["parts"], chance)
    judged = [_prepared(name, pictures.values, parts) for name in size["preparations"]]
    n, height, width = pictures.values.shape
    return {
        "source": pictures.source,
        "faces": size["pictures"] != DIGITS,
        "pictures": n,
        "of": pictures.of,
        "groups": None if pictures.groups is None else int(pictures.groups.max()) + 1,
        "shape": [height, width],
        "parts": int(parts.max()) + 1,
        "judged": judged,
        "others": _others(pictures.values, parts, size, chance),
        "unseen": _unseen(pictures.values, parts),
        "shown": _shown(pictures.values, parts, chance),
    }


def _digits(most: int, chance: np.random.Generator) -> Pictures:
    from entrena.data import EMBEDDED

    examples = EMBEDDED["digits"].load()
    values = np.column_stack([column.values for column in examples.inputs]).reshape(-1, 8, 8)
    return Pictures(values[drawn(len(values), most, chance)] * (255 / 16), None, "digits", len(values))


def _parts(pictures: Pictures, most: int, chance: np.random.Generator) -> np.ndarray:
    """[n] a part for each picture; all pictures of a person are in one, where it is known of two people or more."""
    n, groups = len(pictures.values), pictures.groups
    owners = np.arange(n) if groups is None or groups.max() == 0 else groups
    n_owners = int(owners.max()) + 1
    of_owner = chance.permutation(n_owners) % min(most, n_owners)
    return np.asarray(of_owner[owners])


def components_of(rows: np.ndarray, method: str = "svd") -> Components:
    """All principal components of rows, [n, columns].

    Where rows are fewer than columns, they are first written in terms of n directions that span them, by which nothing
    changes but the time: a tenth.
    """
    from entrena.preprocessing.principal_components import Rows, Wanted, find_components

    n, n_columns = rows.shape
    if n >= n_columns:
        return find_components(Rows.look(lambda: iter([(rows, None)])), Wanted(), method)
    spanning, _ = np.linalg.qr(rows.T)
    found = components_of(rows @ spanning, method)
    return replace(found, mean=found.mean @ spanning.T, directions=found.directions @ spanning.T)


def share_of(found: Components, k: int) -> float:
    """The share of the whole variance that the first k components hold."""
    return float(found.variances[:k].sum() / found.total) if found.total > 0 else 0.0


def needed_for(found: Components, share: float) -> int:
    """How many components hold a share of the variance."""
    held = np.cumsum(found.shares)
    return int(np.searchsorted(held, share - 1e-9)) + 1


def _prepared(name: str, values: np.ndarray, parts: np.ndarray) -> dict[str, Any]:
    """What the components of pictures hold, which were prepared in one way, with intervals."""
    rows = PREPARATIONS[name](values).reshape(len(values), -1)
    found = components_of(rows)
    # In terms of all components the rows lose nothing, and there are fewer columns.
    scores = (rows - found.mean) @ found.directions.T
    without = [share_of(components_of(scores[parts != part], "eigen"), CLAIMED) for part in range(parts.max() + 1)]
    held = np.cumsum(found.shares)[:MOST_DRAWN]
    return {
        "name": name,
        "components": found.n,
        "share": jackknife_interval(share_of(found, CLAIMED), without),
        "needed": needed_for(found, SHARE),
        "held": [round(float(each), 5) for each in held],
    }


def _others(
    values: np.ndarray, parts: np.ndarray, size: Mapping[str, Any], chance: np.random.Generator
) -> list[dict[str, Any]]:
    """What other ways of counting give, of pictures as they are: without intervals, and no part of the verdict."""
    if not size["others"]:
        return []
    n = len(values)
    found = {name: components_of(prepare(values).reshape(n, -1)) for name, prepare in SMALLER.items()}
    for share in FEWER:
        rows = values[chance.permutation(n)[: round(share * n)]]
        found[f"{len(rows)} of the pictures"] = components_of(rows.reshape(len(rows), -1))
    told = [
        {"name": name, "share": share_of(each, CLAIMED), "needed": needed_for(each, SHARE)}
        for name, each in found.items()
    ]
    whole = components_of(values.reshape(n, -1))
    for k in OF_THE_FIRST:
        if k < whole.n:
            held = np.cumsum(whole.variances[:k]) / whole.variances[:k].sum()
            needed = int(np.searchsorted(held, SHARE - 1e-9)) + 1
            told.append({"name": f"of what {k} components hold", "share": float(held[CLAIMED - 1]), "needed": needed})
    # Without the mean taken away: the share of the squares, most of which is the mean picture.
    squares = np.linalg.svd(values.reshape(n, -1), compute_uv=False) ** 2
    held = np.cumsum(squares) / squares.sum()
    told.append(
        {
            "name": "without centring",
            "share": float(held[min(CLAIMED, len(held)) - 1]),
            "needed": int(np.searchsorted(held, SHARE)) + 1,
        }
    )
    return told


def _unseen(values: np.ndarray, parts: np.ndarray) -> list[dict[str, Any]]:
    """Shares of the variance of pictures that the components were not found from, over folds of parts."""
    from entrena.population.statistics import mean_interval

    rows = values.reshape(len(values), -1)
    of_fold = np.arange(parts.max() + 1) % FOLDS
    shares: dict[int, list[float]] = {}
    for fold in range(min(FOLDS, len(of_fold))):
        held = np.isin(parts, np.flatnonzero(of_fold == fold))
        found = components_of(rows[~held])
        centred = rows[held] - found.mean
        squares = np.square(centred @ found.directions.T).sum(axis=0)
        for k in _numbers(found.n):
            shares.setdefault(k, []).append(float(squares[:k].sum() / np.square(centred).sum()))
    told = []
    for k, own in shares.items():
        mean, low, high = mean_interval(own, 1 / FOLDS)
        told.append({"components": k, "mean": mean, "low": low, "high": high})
    return told


def _numbers(most: int) -> list[int]:
    return [k for k in SHOWN if k <= most]


def _shown(values: np.ndarray, parts: np.ndarray, chance: np.random.Generator) -> dict[str, Any]:
    """Pictures as they are and rebuilt: of those that the components were found from, and of parts left out."""
    from entrena.reporting.pictures import png

    rows = values.reshape(len(values), -1)
    shape = values.shape[1:]
    chosen = np.array([chance.choice(np.flatnonzero(parts == part)) for part in chance.permutation(parts.max() + 1)])
    chosen = chosen[: min(PICTURES_SHOWN, len(chosen) // 2)]  # other parts stay to find components from
    found = {"seen": components_of(rows), "unseen": components_of(rows[~np.isin(parts, parts[chosen])])}
    told: dict[str, Any] = {}
    for name, own in found.items():
        scores = (rows[chosen] - own.mean) @ own.directions.T
        rebuilt = {k: own.mean + scores[:, :k] @ own.directions[:k] for k in _numbers(own.n)}
        told[name] = {
            "numbers": list(rebuilt),
            "errors": [float(np.sqrt(np.mean(np.square(each - rows[chosen])))) for each in rebuilt.values()],
            "pictures": [
                [png(each.reshape(shape)) for each in (rows[at], *(own_k[k] for own_k in rebuilt.values()))]
                for k, at in enumerate(chosen)
            ],
        }
    told["mean"] = png(found["seen"].mean.reshape(shape))
    # 0 is grey: a component has no brightness of its own, only differences.
    told["components"] = [
        png(127.5 + 127.5 * (each / np.abs(each).max()).reshape(shape))
        for each in found["seen"].directions[:COMPONENTS_SHOWN]
    ]
    return told


def method(size: Mapping[str, Any]) -> list[str]:
    """What is done."""
    if size["pictures"] == DIGITS:
        source = f"No faces were named, so the pictures are scikit-learn's digits, 8 × 8 pixels ({WHAT_TO_TYPE})."
    else:
        source = (
            f"The pictures are those of {size['pictures']}, grey; where they are of another size, the greatest square "
            f"in the middle is resized to {SIDE} × {SIDE}."
        )
    return [
        f"{source} At most {size['most_pictures']:,} are taken. Each picture is a row, each pixel a column; the mean "
        "picture is taken away, and the principal components are found by the singular value decomposition "
        "(`PrincipalComponents`). The share of the variance that the first k hold is the sum of their eigenvalues over "
        "the sum of all.",
        f"The claim is tried on pictures that are prepared in several ways ({', '.join(size['preparations'])}), of "
        f"which the slides name none. Intervals are of the jackknife: one of {size['parts']} parts of the pictures is "
        "left out at a time, all pictures of a person together where it is known who is shown. They say how far the "
        "share would differ with other people.",
        f"Unseen: components of four fifths of the parts, and the variance of the last fifth, about the mean of the "
        f"four; {FOLDS} times.",
    ]


def judge(results: Results) -> Verdict:
    """By the share of the variance that 50 components hold, in each preparation."""
    first = results["judged"][0]
    held = f"{CLAIMED} of {first['components']} components hold {100 * first['share']['mean']:.1f} % of the variance"
    if not results["faces"]:
        return Verdict("not_decided", f"These are digits, no faces: {held}. Name pictures of faces: {WHAT_TO_TYPE}.")
    if first["components"] <= CLAIMED:
        few = f"{results['pictures']} pictures have {first['components']} components, which hold all of any pictures"
        return Verdict("not_decided", f"{few}: take more than {CLAIMED + 1}.")
    decided = []
    for each in results["judged"]:
        own = each["share"]
        case = Case(each["name"], own["mean"], own["low"], own["high"])
        decided.append((case, decide(case, SHARE)))
    found = conclude(decided, "how the pictures are prepared")
    told = (
        f"Of {results['source']} {held}; {100 * SHARE:.0f} % take {first['needed']}. The limit is {SHARE:.2f}, "
        "and how the pictures are prepared is not said by the slides."
    )
    return Verdict(found.name, f"{told} {found.sentence}", found.depends_on)


def tables(results: Results) -> list[Table]:
    """What components hold, prepared and counted in several ways, and of unseen pictures."""
    height, width = results["shape"]
    people = f" of {results['groups']} people or kinds" if (results["groups"] or 0) > 1 else ""
    rows = [
        [each["name"], span_of(each["share"]), f"{each['needed']:,}", f"{each['components']:,}"]
        for each in results["judged"]
    ]
    found = [
        Table(
            f"{results['source']}: {results['pictures']:,} pictures{people}, {height} × {width} = {height * width:,} "
            "pixels",
            ("prepared", f"share of {CLAIMED}", f"for {SHARE:.2f}", "all"),
            rows,
            f"Share of {CLAIMED}: of the variance, that {CLAIMED} components hold, with its 95 % interval. For "
            f"{SHARE:.2f}: components that hold so much. All: components whose variance is more than rounding.",
        )
    ]
    if results["others"]:
        found.append(
            Table(
                "Other ways to count, of pictures as they are",
                ("counted", f"share of {CLAIMED}", f"for {SHARE:.2f}"),
                [[each["name"], f"{each['share']:.3f}", f"{each['needed']:,}"] for each in results["others"]],
                "These are no part of the verdict: fewer pixels or pictures are others than the claim is about, and "
                "the last rows do not divide by the whole variance, or do not take the mean away.",
            )
        )
    if not results["unseen"]:
        return found
    seen = dict(enumerate(results["judged"][0]["held"], 1))
    errors = dict(zip(results["shown"]["seen"]["numbers"], results["shown"]["seen"]["errors"], strict=True))
    found.append(
        Table(
            "Pictures that the components were found from, and others",
            ("components", "share, seen", "share, unseen", "error, seen"),
            [
                [
                    f"{each['components']}",
                    f"{seen[each['components']]:.3f}",
                    span_of(each),
                    f"{errors[each['components']]:.1f}" if each["components"] in errors else "–",
                ]
                for each in results["unseen"]
            ],
            "Unseen: other people, where it is known who is shown; else other pictures. Error: the root of the mean "
            "square, in grey levels of 255, of the pictures that are shown.",
        )
    )
    return found


def meaning(results: Results) -> list[str]:
    """What who counts components should know."""
    first = results["judged"][0]
    parts = []
    reached = [each["name"] for each in results["judged"] if each["needed"] <= CLAIMED]
    if results["faces"]:
        said = f"in none of {len(results['judged'])} preparations" if not reached else f"for: {', '.join(reached)}"
        parts.append(f"{CLAIMED} components or fewer hold {100 * SHARE:.0f} % of the variance {said}.")
        others = [f"{each['name']} {each['share']:.3f}" for each in results["others"] if each["share"] >= SHARE]
        if others and not reached:
            parts.append(
                f"What gives {SHARE:.2f} or more: {'; '.join(others)}. The slides do not say how the share was "
                "counted. Any of these may be behind their number: smaller pictures, fewer of them, or a share of what "
                "a limited number of components hold, as scikit-learn's RandomizedPCA gave before its pull request "
                "2664 (December 2013), and MNE-Python before its pull request 992, after which 0.90 took more "
                "components than before."
            )
        parts.append(
            "Fewer pictures need fewer components: n of them have n − 1 at most. A share of the variance is one of "
            "these pictures, not of faces."
        )
    for each in results["unseen"]:
        if each["components"] == CLAIMED and len(first["held"]) >= CLAIMED:
            seen = first["held"][CLAIMED - 1]
            parts.append(
                f"Of pictures that the components were not found from {CLAIMED} hold {span_of(each)} of the variance, "
                f"of the others {seen:.3f}: what is to be compressed later should be counted on pictures left out."
            )
    if not results["faces"]:
        parts.append(f"With faces, the claim is judged: {WHAT_TO_TYPE}.")
    if results["of"] > results["pictures"]:
        parts.append(f"{results['pictures']:,} of {results['of']:,} pictures were taken, drawn at random.")
    return parts


def figures(results: Results) -> list[Drawing]:
    """The share that components hold, the components, and rebuilt pictures."""
    from entrena.lessons.drawings import Line, lines
    from entrena.reporting.pictures import side_by_side

    shown, shape = results["shown"], tuple(results["shape"])
    curves = [
        Line(each["name"], list(range(1, len(each["held"]) + 1)), each["held"], place)
        for place, each in enumerate(results["judged"])
    ]
    drawn = lines("components", "share of the variance", curves, mark=("y", SHARE))
    drawn.update_yaxes(range=[0, 1])
    found = [
        Drawing("The share of the variance that components hold", drawn, f"The dashed line: {SHARE:.2f}."),
        Drawing(
            "The mean picture and the first components",
            side_by_side(
                ["mean", *(str(k) for k in range(1, len(shown["components"]) + 1))],
                [("", [shown["mean"], *shown["components"]])],
                shape=shape,
            ),
            "A picture is the mean and so much of each component; grey: no difference from the mean.",
        ),
    ]
    for name, title, caption in (
        ("seen", "Pictures and what so many components make of them", "The components are those of all pictures."),
        (
            "unseen",
            "The same of pictures that the components were not found from",
            "The components are those of other people, where it is known who is shown; else of other pictures.",
        ),
    ):
        own = shown[name]
        columns = ["picture", *(f"{k} components" for k in own["numbers"])]
        rows = [("", pictures) for pictures in own["pictures"]]
        found.append(Drawing(title, side_by_side(columns, rows, shape=shape), caption))
    return found


LESSON = Lesson(
    id="faces",
    chapter="Preprocessing",
    title="How many principal components pictures of faces need",
    claim=(
        f"The first {CLAIMED} principal components of pictures of faces with 64 × 64 pixels hold 90 % of the variance, "
        f"so that the pictures can be rebuilt from {CLAIMED} numbers in place of 4,096 without losing much quality."
    ),
    source=(
        "Lecture slides on training neural networks, appendix on dimensionality reduction, after an article of "
        "bigdataexaminer.com; Sirovich & Kirby, J. Optical Society of America A 4 (1987), for components of faces."
    ),
    sizes={
        "quick": Size(
            {
                "pictures": DIGITS,
                "most_pictures": 500,
                "preparations": [AS_THEY_ARE, "each picture standardised"],
                "parts": 10,
                "others": False,
            },
            "The full study takes 1,000 pictures in place of 500 where there are so many; it has five preparations in "
            "place of two, other ways to count, and intervals from 20 parts in place of 10.",
        ),
        "full": Size(
            {
                "pictures": DIGITS,
                "most_pictures": 1000,
                "preparations": list(PREPARATIONS),
                "parts": 20,
                "others": True,
            }
        ),
    },
    experiment=experiment,
    method=method,
    judge=judge,
    tables=tables,
    meaning=meaning,
    figures=figures,
    data="pictures",
)

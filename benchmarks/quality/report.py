"""Writes the table of quality: `results/quality.md` for people, `results/quality.json` for programs."""

from __future__ import annotations

import importlib.metadata
import json
import math
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality.datasets import DIGITS, all_sets, names_of
from benchmarks.quality.learners import LEARNERS
from benchmarks.quality.ranks import SMALLEST_LOSS, mean_ratio, ranking
from benchmarks.quality.results import Key, Row
from benchmarks.quality.summary import (
    DIGITS_ACCURACY,
    PEER,
    SHARE,
    TREES_AND_MORE,
    WORSE,
    Measured,
    share_at_least_as_good,
    tabular_sets,
)
from benchmarks.report import environment, table

PACKAGES = ("lightgbm", "pandas", "pytabkit", "pytorch-lightning", "scipy")  # beside those of every benchmark
FAILED = "failed"

METHOD = f"""Every table of `../shared/data/manifest.csv` that is no image set. A fifth of the rows is the test, drawn
with the seed, stratified by class; every learner gets the same rows, and the seed too. The loss is the log loss (a
probability of 0 counts as 2.2e-16, also that of a class that was not learned), or RMSE/σ with σ the standard deviation
of the test targets: 1 is as good as their mean, and its square is 1 − R². Learners have their defaults and one thread
(BLAS, OpenMP); entrena's compiled programs take the threads that the machine has. A failed fit counts as the worst, and
where a peer failed entrena is not compared with it. Defaults were chosen on the 1st, 3rd, 5th … set of each task in the
manifest's order, and are confirmed on the others. In geometric means of ratios a loss below {SMALLEST_LOSS:g} counts as
{SMALLEST_LOSS:g}; the targets take ratios as they are."""


def write(stem: Path, rows: Mapping[Key, Row], timed: Mapping[Key, Row]) -> None:
    """Writes both files beside the rows.

    Args:
        stem: The files' path without its ending.
        rows: The measurements.
        timed: Those of the quiet pass, for the seconds.
    """
    measured, times = Measured(rows), Measured(timed)
    if not measured.rows:
        print("nothing was measured yet")
        return
    where = environment()
    where["versions"] = ", ".join(
        [where["versions"], *(f"{name} {version(name)}" for name in PACKAGES if version(name))]
    )
    machines = sorted({row["machine"] for row in measured.rows})
    seeds = sorted({row["seed"] for row in measured.rows if row["set"] != DIGITS})
    command = " ".join(["python -m benchmarks.quality", *map(shlex.quote, sys.argv[1:])])
    head = [f"- {key}: {value}" for key, value in where.items()]
    head += [
        f"- measured on: {'; '.join(machines)}",
        f"- seeds: {', '.join(map(str, seeds))}",
        f"- command: `{command}`",
    ]
    verdicts = targets(measured)
    sections = [
        "# How good the predictions are",
        "\n".join(head),
        METHOD,
        "## The learners\n\n" + learners_text(measured),
        "## Targets\n\n" + table(["target", "all sets", "choosing half", "confirming half", "met"], verdicts),
        "## More than 10 % worse than scikit-learn's MLP\n\n" + worse_text(measured),
        "## Mean ranks\n\n" + ranks_text(measured),
        "## Distances\n\n" + distances_text(measured),
        f"## The half on which defaults were chosen\n\n{losses_table(measured, names_of('choosing'))}",
        f"## The half on which they are confirmed\n\n{losses_table(measured, names_of('confirming'))}",
        f"## digits\n\n{losses_table(measured, names_of('extra'))}",
        "## Accuracy\n\n" + accuracy_table(measured),
        "## Seconds\n\n" + seconds_text(measured, times),
        "## Failures and warnings\n\n" + failures_text(measured),
    ]
    text = "\n\n".join(sections) + "\n"
    stem.with_suffix(".md").write_text(text, encoding="utf-8")
    plain = {"environment": where, "machines": machines, "seeds": seeds, "command": command, **plain_of(measured)}
    stem.with_suffix(".json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    print(f"written: {stem.with_suffix('.md')}")


def version(package: str) -> str | None:
    """A package's version, if it is here."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def number(value: float | None, digits: int = 4) -> str:
    """A loss as a cell."""
    if value is None:
        return ""
    return FAILED if math.isinf(value) else f"{value:.{digits}f}"


def halves() -> dict[str, list[str]]:
    """All the sets, and each half."""
    return {"all": tabular_sets(), "choosing": names_of("choosing"), "confirming": names_of("confirming")}


def learners_text(measured: Measured) -> str:
    """What each learner is, and what was run with it."""
    lines = []
    for name in measured.learners:
        own = [row for row in measured.rows if row["learner"] == name]
        versions = Counter(row["version"] for row in own)
        text = ", ".join(each if len(versions) == 1 else f"{each} ({count} rows)" for each, count in versions.items())
        ran = f"{len({row['set'] for row in own})} sets, {len(own)} set × seed, {text}"
        lines.append(f"- **{name}**: {LEARNERS[name].text}. Run: {ran}.")
    return "\n".join(lines)


def targets(measured: Measured) -> list[list[object]]:
    """Each target, on all sets and on each half."""
    ours = measured.ours
    pairs = {half: measured.pairs(ours, PEER, sets) for half, sets in halves().items()}
    shares = [share_at_least_as_good(each) for each in pairs.values()]
    worst = [max((pair.ratio for pair in each), default=math.nan) for each in pairs.values()]
    ranked = [ranking(measured.losses(sets, measured.everywhere)[1]) for sets in halves().values()]
    digits = measured.digits()
    mean = sum(digits) / len(digits) if digits else math.nan
    rows: list[list[object]] = [
        [
            f"{ours}: loss at most that of {PEER} on {SHARE:.0%} of set × seed",
            *(cell(share, ".1%", f" of {len(each)}") for share, each in zip(shares, pairs.values(), strict=True)),
            verdict(shares[0] >= SHARE, shares[0]),
        ],
        [
            f"never more than {WORSE - 1:.0%} worse: worst ratio",
            *(cell(ratio, ".2f") for ratio in worst),
            verdict(worst[0] <= WORSE, worst[0]),
        ],
    ]
    for peer in (PEER, "linear"):
        both = [(each.ranks.get(ours, math.nan), each.ranks.get(peer, math.nan)) for each in ranked]
        cells = [cell(a, ".2f", f" against {b:.2f}") if not math.isnan(b) else "" for a, b in both]
        rows.append([f"mean rank ahead of {peer}", *cells, verdict(both[0][0] < both[0][1], sum(both[0]))])
    p_values = [each.p_value for each in ranked]
    rows.append(["Friedman's test: p", *(cell(p, ".2g") for p in p_values), verdict(p_values[0] < 0.05, p_values[0])])
    said = cell(mean, ".4f", f" over {len(digits)} seeds")
    rows.append([f"digits: accuracy at least {DIGITS_ACCURACY}", said, "", "", verdict(mean >= DIGITS_ACCURACY, mean)])
    return rows


def cell(value: float, form: str, after: str = "") -> str:
    """A number and what follows it, or nothing where the number is not known."""
    return "" if math.isnan(value) else format(value, form) + after


def verdict(met: bool, value: float) -> str:
    """Whether a target is met, if its number is known."""
    return "not measured" if math.isnan(value) else "yes" if met else "no"


def worse_text(measured: Measured) -> str:
    """Where entrena is more than 10 % worse, worst first."""
    pairs = measured.pairs(measured.ours, PEER, tabular_sets())
    worse = sorted((pair for pair in pairs if pair.ratio > WORSE), key=lambda pair: -pair.ratio)
    if not worse:
        return "Nowhere." if pairs else "Not measured yet."
    rows = [
        [
            pair.set,
            pair.seed,
            all_sets()[pair.set].half,
            *(f"{x:.5f}" for x in (pair.ours, pair.theirs)),
            f"{pair.ratio:.2f}",
        ]
        for pair in worse
    ]
    return table(["set", "seed", "half", measured.ours, PEER, "ratio"], rows)


def ranks_text(measured: Measured) -> str:
    """Mean ranks, of those that ran everywhere and with those that ran on some sets."""
    parts = []
    some = [name for name in measured.learners if LEARNERS[name].n_seeds is not None]
    for title, sets, learners in [
        *((f"{half} sets", sets, measured.everywhere) for half, sets in halves().items()),
        *((f"the sets of {name}", tabular_sets(), [*measured.everywhere, name]) for name in some),
    ]:
        common, losses = measured.losses(sets, learners)
        found = ranking(losses)
        best_first = sorted(found.ranks.items(), key=lambda item: item[1])
        line = ", ".join(f"{name} {rank:.2f}" for name, rank in best_first)
        parts.append([title, len(common), line, cell(found.p_value, ".2g"), cell(found.critical_difference, ".2f")])
    text = table(["on", "sets", "mean ranks, best first", "Friedman p", "critical difference"], parts)
    return f"{text}\n\nMean ranks that differ by more than the critical difference (Nemenyi, 5 %) differ significantly."


def distances_text(measured: Measured) -> str:
    """How far it is to each peer."""
    rows = []
    for peer in measured.learners:
        if peer == measured.ours:
            continue
        for half, sets in halves().items():
            pairs = measured.pairs(measured.ours, peer, sets)
            if not pairs:
                continue
            finite = [pair for pair in pairs if math.isfinite(pair.ours)]
            ratio = mean_ratio([pair.ours for pair in finite], [pair.theirs for pair in finite])
            wins = sum(pair.ours < pair.theirs for pair in pairs)
            mark = "to report" if peer in TREES_AND_MORE else ""
            rows.append([peer, half, len(pairs), f"{ratio:.3f}", f"{wins} / {len(pairs) - wins}", mark])
    if not rows:
        return "Not measured yet."
    header = ["peer", "sets", "set × seed", f"geometric mean of {measured.ours}'s loss / its loss", "wins / others", ""]
    return table(header, rows)


def losses_table(measured: Measured, sets: Sequence[str]) -> str:
    """The mean losses over seeds; the smallest is bold."""
    rows = []
    for name in sets:
        losses = {learner: measured.mean(name, learner) for learner in measured.learners}
        finite = [loss for loss in losses.values() if loss is not None]
        best = min(finite, default=None)
        cells = [
            f"**{number(loss)}**" if loss == best and loss is not None else number(loss) for loss in losses.values()
        ]
        each = all_sets()[name]
        rows.append([name, each.task, f"{each.n_rows:,} × {each.n_columns}", *cells])
    return table(["set", "task", "rows × columns", *measured.learners], rows)


def accuracy_table(measured: Measured) -> str:
    """The mean accuracy over seeds, of classes."""
    rows = [
        [name, each.half, *(number(measured.mean(name, learner, "accuracy")) for learner in measured.learners)]
        for name, each in all_sets().items()
        if each.has_classes
    ]
    return table(["set", "half", *measured.learners], rows)


def seconds_text(measured: Measured, times: Measured) -> str:
    """Seconds of fit and prediction; from the quiet pass if there was one."""
    quiet = bool(times.rows)
    source = times if quiet else measured
    rows = []
    for name in all_sets():
        cells = [source.seconds(name, learner) for learner in source.learners]
        if any(cell is not None for cell in cells):
            rows.append([name, *(number(cell, 1) for cell in cells)])
    said = (
        f"One seed, {threads_of(times)} for each, the learners one after the other on each set, on a machine on which "
        "nothing else ran; entrena's compiled programs are in its cache."
        if quiet
        else "**Measured while other programs ran**, so only their order of size means something."
    )
    text = "Fit and prediction; the import is not counted, nor a first fit of a tiny table."
    return f"{text} {said}\n\n" + table(["set", *source.learners], rows)


def threads_of(times: Measured) -> str:
    """The threads that the learners had."""
    threads = sorted({row["threads"] for row in times.rows})
    return "1 thread" if threads == [1] else f"{' or '.join(map(str, threads))} threads"


def failures_text(measured: Measured) -> str:
    """Every fit that failed, and who warned how often."""
    lines = [
        f"- {row['learner']} on {row['set']}, seed {row['seed']}: {one_line(row['error'])}"
        for row in measured.failures()
    ]
    warned = Counter((row["learner"], kind) for row in measured.rows for kind in row.get("warned", []))
    lines += [f"- {learner}: {kind} in {count} fits" for (learner, kind), count in sorted(warned.items())]
    return "\n".join(lines) or "None."


def one_line(text: str) -> str:
    return " ".join(text.split())[:200]


def plain_of(measured: Measured) -> dict[str, Any]:
    """The table's numbers for programs; None is what failed or was not measured."""

    def plain(value: float | None) -> float | None:
        return None if value is None or not math.isfinite(value) else value

    means = {
        name: {learner: plain(measured.mean(name, learner)) for learner in measured.learners} for name in all_sets()
    }
    halves_ranked = {
        half: ranking(measured.losses(sets, measured.everywhere)[1]).__dict__ for half, sets in halves().items()
    }
    worse = [
        {"set": pair.set, "seed": pair.seed, "ours": plain(pair.ours), "theirs": pair.theirs}
        for pair in measured.pairs(measured.ours, PEER, tabular_sets())
        if pair.ratio > WORSE
    ]
    shares = {
        half: plain(share_at_least_as_good(measured.pairs(measured.ours, PEER, sets)))
        for half, sets in halves().items()
    }
    return {
        "mean_losses": means,
        "share_at_least_as_good_as_sklearn_mlp": shares,
        "more_than_a_tenth_worse": worse,
        "ranks": {
            half: {k: plain(v) if isinstance(v, float) else v for k, v in found.items()}
            for half, found in halves_ranked.items()
        },
        "digits_accuracy": measured.digits(),
        "failures": len(measured.failures()),
    }

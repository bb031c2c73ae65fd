"""What a lesson is: verdicts from cases, intervals against SciPy, the catalogue, the pages."""

from __future__ import annotations

import json
import re
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import entrena.lessons
from entrena.errors import UsageError
from entrena.lessons import IDS, Case, Table, Verdict, catalogue, combine, decide, find, pages
from entrena.lessons.intervals import clopper_pearson, share
from entrena.lessons.samples import best_accuracy, two_classes
from entrena.recipe import REGISTRIES
from tests.test_house import CHAPTERS, LESSONS

ROOT = Path(__file__).parents[2]
FRAME = set(
    """
    __init__ batch_races catalogue conjugacy curvature drawings edge_of_stability input_treatments intervals lesson
    levels mislabelling pages pictures quadratics rate_search running samples timing treatment_pages trials
    """.split()
)

ABOVE, BELOW, ACROSS = Case("above", 0.5, 0.3, 0.7), Case("below", 0.02, 0.0, 0.05), Case("across", 0.12, 0.05, 0.2)


def test_a_case_is_decided_by_its_interval():
    assert decide(ABOVE, 0.1) == "holds"
    assert decide(BELOW, 0.1) == "fails"
    assert decide(ACROSS, 0.1) == "undecided"  # its value alone would say that it holds
    assert decide(Case("touches", 0.2, 0.1, 0.3), 0.1) == "undecided"
    assert decide(Case("unknown", float("nan"), float("nan"), float("nan")), 0.1) == "undecided"


@pytest.mark.parametrize(
    ("cases", "name", "words"),
    [
        ([ABOVE, ABOVE], "holds", "holds"),
        ([BELOW, BELOW], "fails", "fails"),
        ([ABOVE, BELOW], "depends", "depends on the weather"),
        ([ABOVE, BELOW, ACROSS], "depends", "depends on the weather"),
        ([ABOVE, ACROSS], "not_decided", "not decided at this size"),
        ([BELOW, ACROSS], "not_decided", "not decided at this size"),
        ([ACROSS], "not_decided", "not decided at this size"),
        ([], "not_decided", "not decided at this size"),
    ],
)
def test_cases_make_a_verdict(cases, name, words):
    found = combine(cases, 0.1, "the weather")
    assert (found.name, found.words) == (name, words)
    assert bool(found.depends_on) == (name == "depends")


def test_the_verdict_has_the_numbers():
    found = combine([ABOVE, BELOW, ACROSS], 0.1, "the data set")
    said = "It holds on above 0.50 (0.30–0.70). It fails on below 0.02 (0.00–0.05)."
    assert found.sentence == f"{said} It is not decided on across 0.12 (0.05–0.20)."


@pytest.mark.parametrize(("count", "n"), [(0, 10), (1, 10), (7, 64), (50, 100), (191, 192), (12, 12)])
def test_clopper_and_pearson_as_scipy(count, n):
    expected = stats.binomtest(count, n).proportion_ci(0.95, "exact")
    assert clopper_pearson(count, n) == pytest.approx((expected.low, expected.high), abs=1e-9)
    found = share(count, n)
    assert (found["share"], found["low"], found["high"]) == pytest.approx((count / n, expected.low, expected.high))


def test_clopper_and_pearson_of_a_textbook():
    # 3/n bounds no hits in n from above: the exact one-sided 95 % limit is 1 − 0.05^(1/n).
    assert clopper_pearson(0, 100, level=0.9)[1] == pytest.approx(1 - 0.05**0.01)
    for count, n in ((-1, 5), (6, 5), (0, 0)):
        with pytest.raises(ValueError, match="hits in"):
            clopper_pearson(count, n)


def test_samples_are_as_they_say():
    rows = two_classes(200_000, (1.35, 0.5), np.random.default_rng(0))
    inputs = np.column_stack([column.values for column in rows.inputs])
    first, second = inputs[rows.targets == 0], inputs[rows.targets == 1]
    assert len(first) == len(second)
    np.testing.assert_allclose(second.mean(axis=0) - first.mean(axis=0), (1.35, 0.5), atol=0.02)
    np.testing.assert_allclose(np.cov(first.T), np.eye(2), atol=0.02)
    # The best rule of all takes the side of the hyperplane between the means.
    right = (inputs @ np.array([1.35, 0.5]) > 0) == (rows.targets == 1)
    assert best_accuracy((1.35, 0.5)) == pytest.approx(right.mean(), abs=0.004)


def test_the_catalogue_is_of_known_lessons():
    assert set(IDS) <= LESSONS and len(set(IDS)) == len(IDS)
    files = {path.stem for path in Path(entrena.lessons.__file__).parent.glob("*.py")}
    assert files - FRAME == set(IDS)
    for each in catalogue():
        assert each.chapter in CHAPTERS
        assert set(each.sizes) == {"quick", "full"}
        assert each.sizes["quick"].left_out and not each.sizes["full"].left_out
        assert each.claim.endswith(".") and each.source and each.title
        json.dumps([size.choices for size in each.sizes.values()])
    chapters = [each.chapter for each in catalogue()]
    assert [a for a, b in pairwise(chapters) if a != b] == list(dict.fromkeys(chapters))[:-1]


def test_a_technique_names_a_lesson_as_it_is_spelled():
    named = {entry.lesson for registry in REGISTRIES for entry in registry.values()} - {None}
    assert named and named <= LESSONS


@pytest.mark.parametrize(
    ("wanted", "message"), [("seed_nois", "did you mean 'seed_noise'?"), ("zzz", f"there are {IDS[0]}, ")]
)
def test_an_unknown_lesson(wanted, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        find(wanted)


def test_the_committed_pages_and_their_list_agree():
    listed = (ROOT / "docs" / "lessons" / "index.md").read_text(encoding="utf-8")
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for each in catalogue():
        page = (ROOT / "docs" / "lessons" / f"{each.id}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {each.title}\n")
        assert each.claim in page and each.source in page
        verdict = re.search(r"\*\*Verdict: (.+?)\.\*\*", page)
        assert verdict is not None and f"entrena lesson {each.id} --full" in page
        assert f"| [`{each.id}`]({each.id}.md) | {each.title} | {verdict[1]} |" in listed
        assert f"lessons/{each.id}.md" in menu


def test_a_table_in_markdown():
    rows = [("iris", "a|b", "0.5 (0.1–0.9)"), ("wine", "2\nlines", "never")]
    table = Table("t", ("data", "said", "share"), rows, n_texts=2)
    assert pages.markdown_table(table).splitlines() == [
        "| data | said | share |",
        "| --- | --- | ---: |",
        "| iris | a\\|b | 0.5 (0.1–0.9) |",
        "| wine | 2 lines | never |",
    ]


def test_words_of_verdicts():
    every = [Verdict(name, "", "x").words for name in ("holds", "fails", "depends", "not_decided")]
    assert every == ["holds", "fails", "depends on x", "not decided at this size"]
    assert all(a != b for a, b in product(every, every) if a is not b)

"""`entrena lesson`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from entrena.lessons import IDS, Size, seed_noise

Entrena = Callable[..., Any]
TINY = {"data": ["iris"], "pairs": 1, "samples": 2, "splits": 2, "unseen": 100, "samples_at_once": 2}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lesson in a size for tests."""
    sizes = {"quick": Size(TINY, "Nearly all is left out."), "full": Size({**TINY, "pairs": 3})}
    monkeypatch.setattr(seed_noise, "LESSON", replace(seed_noise.LESSON, sizes=sizes))


def test_the_list(entrena: Entrena) -> None:
    said = entrena("lesson")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "Training modes"
    at = lines.index("Regularization and invariance")
    assert lines[at + 1].split(maxsplit=1) == ["seed_noise", seed_noise.LESSON.title]
    listed = entrena("lesson", "--json").json["lessons"]
    assert [each["id"] for each in listed] == list(IDS)
    assert all(set(each) == {"id", "chapter", "title", "claim", "source"} for each in listed)


@pytest.mark.usefixtures("tiny")
def test_claim_tables_verdict(entrena: Entrena) -> None:
    said = entrena("lesson", "seed_noise", "-q", "-o", "found.md")
    assert (said.code, said.err) == (0, "")
    lines = [line.strip() for line in said.out.splitlines()]
    assert lines[0] == f"claim   {seed_noise.LESSON.claim}"
    assert "How far two equal recipes are apart (1 pair each)" in lines
    verdict = next(line for line in lines if line.startswith("Verdict: "))
    assert verdict == "Verdict: not decided at this size"  # one pair says nothing, whatever it is
    assert any(line.startswith("done") and "23 networks" in line and "seeds from 0 on" in line for line in lines)
    assert any(line.startswith("left out") and "Nearly all is left out." in line for line in lines)
    assert lines[-1].split() == ["page", "found.md"]
    assert Path("found.md").read_text().startswith("# ")


@pytest.mark.usefixtures("tiny")
def test_json_is_one_object_and_nothing_else(entrena: Entrena) -> None:
    said = entrena("lesson", "seed_noise", "--full", "--seed", "5", "--json")
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    assert found["id"] == "seed_noise" and found["seed"] == 5
    assert found["size"] == {"name": "full", "choices": {**TINY, "pairs": 3}, "left_out": ""}
    assert found["command"] == "entrena lesson seed_noise --full --seed 5"
    assert set(found["verdict"]) == {"name", "depends_on", "words", "sentence"}
    assert len(found["results"]["data"][0]["seed"]["differences"]) == 3


@pytest.mark.usefixtures("tiny")
def test_progress_is_on_the_other_stream(entrena: Entrena) -> None:
    said = entrena("lesson", "seed_noise")
    assert said.code == 0
    assert "iris: 3 networks" in said.err and "samples 1 to 2 of 2" in said.err
    assert "epoch" not in said.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("seed_nose",), "there is no lesson 'seed_nose': did you mean 'seed_noise'?"),
        (("seed_noise", "-o", "page.pdf"), "name a page that ends in .md or .html"),
        (("seed_noise", "-o", "nowhere/page.md"), "there is no folder"),
        (("seed_noise", "--seed", "-1"), "--seed -1 is not allowed"),
        (("--full",), "name a lesson, as in entrena lesson seed_noise"),
        (("seed_noise", "--data", "t.csv"), "--data t.csv: seed_noise brings its own data; leave --data out"),
        (("--data", "t.csv"), "--data: name a lesson, as in entrena lesson seed_noise"),
        (("faces", "--data", "no.parquet"), "--data no.parquet: there is no such file or folder"),
    ],
)
def test_wrong_words_end_in_one_message(entrena: Entrena, words: tuple[str, ...], message: str) -> None:
    said = entrena("lesson", *words)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_ctrl_c_is_one_message(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "entrena", "lesson", "seed_noise", "--full", "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(6)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    error = json.loads(out)["error"]
    assert error["kind"] == "interrupted" and error["message"].startswith("interrupted")
    assert err.decode().count("interrupted") == 1 and "Traceback" not in err.decode()

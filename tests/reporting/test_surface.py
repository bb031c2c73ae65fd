"""Error surfaces as figures: what is drawn is the surface, and nothing of it is lost."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from entrena.diagnosis.linear_unit import LinearUnit
from entrena.diagnosis.slides import slides_surfaces
from entrena.reporting.surface import bowls, contours, meaning, path_said, slides_sections, surface_facts


def made_up(**changes: Any) -> dict[str, Any]:
    """A surface as `error_surface` returns one: a bowl a² + 2b² + 0.01, a point of which is not finite."""
    x = y = np.linspace(-1, 1, 5).tolist()
    losses: list[list[float | None]] = [[a * a + 2 * b * b + 0.01 for a in x] for b in y]
    losses[0][0] = None
    found: dict[str, Any] = {
        "model": "m.safetensors",
        "data": "d.csv",
        "rows": {"on": "training", "n": 4096, "of": 10_000},
        "loss": {"name": "cross_entropy", "unit": "nats", "centre": 0.01, "least": 0.01, "least_at": [0.0, 0.0]},
        "weights": 1234,
        "directions": {"kind": "random", "seed": 0, "cosine": 0.0, "shares": None},
        "grid": 5,
        "reach": 1.0,
        "x": x,
        "y": y,
        "losses": losses,
        "path": None,
        "seconds": 1.0,
    }
    return {**found, **changes}


PATH = {
    "epochs": [0, 1, 2],
    "places": [[-0.9, 0.5], [-0.4, 0.1], [0.0, 0.0]],
    "losses": [1.0, 0.5, None],
    "off_plane": [0.2, 0.1, 0.0],
    "model_epoch": 2,
    "same_bits": True,
}
OF_PATH = {"kind": "path", "seed": None, "cosine": 0.0, "shares": [0.8, 0.1]}


def test_contours_of_a_bowl_are_where_its_loss_is_one_number() -> None:
    for pair in slides_surfaces()["pairs"]:
        figure = bowls(pair["surfaces"], pair["targets"])
        for k, surface in enumerate(pair["surfaces"]):
            unit = LinearUnit(np.array(surface["inputs"]), np.array(pair["targets"]))
            axis = "x" if k == 0 else "x2"
            lines = [trace for trace in figure.data if trace.mode == "lines" and trace.xaxis == axis]
            assert len(lines) >= 8
            for line in lines:
                losses = unit.loss(np.column_stack([line.x, line.y]))
                assert np.ptp(losses) < 1e-6 * losses.max()
            path = next(t for t in figure.data if t.mode == "lines+markers" and t.xaxis == axis)
            assert np.column_stack([path.x, path.y]) == pytest.approx(np.array(surface["path"]), rel=1e-5)
        for own in (figure.layout.xaxis, figure.layout.xaxis2):
            assert own.range[1] - own.range[0] > 0
        assert figure.layout.yaxis.scaleanchor == "x" and figure.layout.yaxis2.scaleanchor == "x2"


def test_a_networks_surface_is_drawn_as_it_is() -> None:
    found = made_up()
    figure = contours(found)
    surface = figure.data[0]
    assert surface.z[0][0] is None
    assert [
        [math.isclose(10 ** surface.z[i][j], found["losses"][i][j], rel_tol=1e-4) for j in range(1, 5)] for i in (1, 4)
    ]
    assert surface.text[4][4] == "3.01"
    assert "mean loss (logarithmic)" in figure.layout.yaxis2.title.text
    assert not any("path" in (trace.name or "") for trace in figure.data)
    level = contours(made_up(losses=[[1.0] * 5] * 5))
    assert level.layout.yaxis2.title.text == "mean loss"


def test_the_path_is_on_it() -> None:
    figure = contours(made_up(path=PATH, directions=OF_PATH))
    path = next(trace for trace in figure.data if trace.name == "the path of training")
    assert list(zip(path.x, path.y, strict=True)) == [tuple(place) for place in PATH["places"]]
    assert path.text == ("epoch 0: loss 1", "epoch 1: loss 0.5", "epoch 2: loss –")


def test_what_is_said() -> None:
    facts = dict(surface_facts(made_up()))
    assert facts["data"] == "d.csv, 4,096 of 10,000 rows, evenly spaced (training)"
    assert facts["directions"].endswith("90° between them")
    facts = dict(surface_facts(made_up(path=PATH, directions=OF_PATH)))
    assert facts["directions"] == "the path's principal ones, which hold 80.0 % and 10.0 % of its variance"
    said = meaning(made_up(path=PATH, directions=OF_PATH))
    assert "Both directions hold 90.0 % of the path's variance." in said[1] and "76 %" in said[1]
    assert "other weights than the model's" in path_said({**PATH, "same_bits": False})


def test_the_slides_examples_stand_there_as_on_the_slides() -> None:
    sections = slides_sections(slides_surfaces())
    texts = [paragraph for section in sections for paragraph in section.text]
    assert any("(101, 101) → 2 and (101, 99) → 0; centred: (1, 1) → 2 and (1, −1) → 0." in text for text in texts)
    assert any("(0.1, 10) → 2 and (0.1, −10) → 0; scaled: (1, 1) → 2 and (1, −1) → 0." in text for text in texts)
    assert sum(section.figure is not None for section in sections) == 2

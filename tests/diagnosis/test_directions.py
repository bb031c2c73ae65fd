"""Two directions through a network's weights: filter norms, and principal directions against NumPy's SVD."""

from __future__ import annotations

import numpy as np
import pytest

from entrena.diagnosis.directions import RANDOM_WALK, coordinates, flat, path_directions, random_directions, shaped


def params_of(generator, dtype=np.float64):
    """A network 5-4-3 whose last two inputs are an embedding of two levels."""
    shapes = ({"weights": (5, 4), "biases": (4,), "embedding_0": (3, 2)}, {"weights": (4, 3), "biases": (3,)})
    params = tuple(
        {name: generator.normal(size=shape).astype(dtype) for name, shape in layer.items()} for layer in shapes
    )
    params[0]["embedding_0"][0] = 0
    return params


def test_each_unit_moves_by_the_length_of_its_weights(generator):
    params = params_of(generator)
    params[0]["weights"][:, 2] = 0  # a unit without weights does not move
    plane = random_directions(params, 3)
    for direction in plane.along:
        for layer, moved in zip(params, direction, strict=True):
            assert not moved["biases"].any()
            for name in set(layer) - {"biases"}:
                own, theirs = (np.sqrt((table[name] ** 2).sum(axis=0)) for table in (moved, layer))
                assert own == pytest.approx(theirs)
        assert not direction[0]["embedding_0"][0].any()
    first, second = (flat(each) for each in plane.along)
    assert plane.cosine == pytest.approx(first @ second / np.sqrt((first @ first) * (second @ second)))
    again = random_directions(params, 3)
    assert np.array_equal(flat(again.along[1]), second)
    assert not np.array_equal(flat(random_directions(params, 4).along[0]), first)


@pytest.mark.parametrize(("dtype", "near"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_the_paths_directions_are_those_of_the_svd(generator, dtype, near):
    start, path = params_of(generator), []
    for step in range(12):
        noise = shaped(generator.normal(size=flat(start).size), start)
        scale = 1.0 + 0.3 * step
        path.append(shaped((scale * flat(start) + 0.2 * flat(noise)).astype(dtype), params_of(generator, dtype)))
    table = np.stack([flat(each).astype(float) for each in path])
    centred = table - table.mean(axis=0)
    _, values, rows = np.linalg.svd(centred, full_matrices=False)
    plane = path_directions(path)
    assert plane.shares == pytest.approx((values**2 / (values**2).sum())[:2], rel=max(near, 1e-9))
    for found, expected in zip(plane.along, rows, strict=False):
        expected = expected * np.sign(expected[np.abs(expected).argmax()])
        assert flat(found) == pytest.approx(expected, abs=near)
    assert plane.cosine == pytest.approx(0, abs=near)
    places, away = coordinates(path, path[-1], plane)
    steps = table - table[-1]
    expected = steps @ np.stack([flat(each).astype(float) for each in plane.along]).T
    assert places == pytest.approx(expected, abs=10 * near)
    left = np.sqrt(np.maximum((steps**2).sum(axis=1) - (expected**2).sum(axis=1), 0))
    assert away == pytest.approx(left, abs=max(10 * near, 1e-6))
    assert (places[-1] == 0).all()


def test_places_in_a_plane_that_is_not_at_right_angles(generator):
    params = params_of(generator)
    plane = random_directions(params, 0)
    first, second = (flat(each) for each in plane.along)
    there = shaped(flat(params) + 0.3 * first - 0.8 * second, params)
    places, away = coordinates([there], params, plane)
    assert places[0] == pytest.approx([0.3, -0.8])
    assert away[0] == pytest.approx(0, abs=1e-12)


def test_a_tree_comes_back_from_its_row(generator):
    params = params_of(generator, np.float32)
    again = shaped(flat(params), params)
    assert all(np.array_equal(a[name], b[name]) for a, b in zip(again, params, strict=True) for name in b)


def test_too_short_or_straight_a_path(generator):
    params = params_of(generator)
    with pytest.raises(ValueError, match="2 points of a path: two directions need at least 3"):
        path_directions([params, params])
    straight = [shaped(k * flat(params), params) for k in range(5)]
    with pytest.raises(ValueError, match="moved along one line"):
        path_directions(straight)


def test_a_random_walk_holds_three_quarters(generator):
    walk = np.cumsum(generator.normal(size=(200, 2000)), axis=0)
    _, values, _ = np.linalg.svd(walk - walk.mean(axis=0), full_matrices=False)
    assert (values[:2] ** 2).sum() / (values**2).sum() == pytest.approx(RANDOM_WALK, abs=0.06)

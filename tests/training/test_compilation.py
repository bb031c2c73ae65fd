"""How often XLA compiles, counted by JAX's own events."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import textwrap
from functools import lru_cache
from pathlib import Path

import jax
import pytest

from entrena.training import compilation
from entrena.training import compiled as compiled_module
from entrena.training.compilation import cache_folder, precision
from entrena.training.compiled import compiled


def python(code: str, cache: Path) -> tuple[int, str, str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=environment, timeout=100
    )
    return done.returncode, done.stdout, done.stderr


# In a process of its own, so that nothing is compiled yet: an eager operation on the way would be counted too.
COUNT = """
    import json, sys
    from dataclasses import replace
    import jax, numpy as np

    compilations = []

    def count(event, seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            compilations.append(event)

    jax.monitoring.register_event_duration_secs_listener(count)

    from entrena.network import Network
    from entrena.registry import Choice
    from entrena.training import RateSettings, RegularizationSettings, TrainingSettings
    from entrena.training.loop import train_network
    from entrena.training.parts import TrainingPart, ValidationPart
    from entrena.training.plan import make_plan

    def fit(n_rows=100, n_validation=20, rate=None, decay=0.1, weight=None, **training):
        chance = np.random.default_rng(n_rows)
        X = chance.normal(size=(n_rows + n_validation, 4))
        targets = np.eye(3)[chance.integers(0, 3, len(X))]
        network = Network((4, 7, 3), Choice("tanh"), "softmax")
        held = ValidationPart(X[n_rows:], targets[n_rows:], score=lambda z: 0.0)
        settings = TrainingSettings(max_epochs=5, **training)
        plan = make_plan(
            network, "cross_entropy", settings, RateSettings(learning_rate=rate),
            RegularizationSettings(weight_decay=decay),
            n_rows=n_rows, n_validation=n_validation, seed=0, platform="cpu",
        )
        before = len(compilations)
        train_network(network, plan, TrainingPart(X[:n_rows], targets[:n_rows], weight), held)
        return len(compilations) - before

    kind = {"batch_size": 8, **KIND}
    counts = {"first": fit(**kind), "second": fit(**kind), "weighted": fit(weight=np.linspace(0.5, 1.5, 100), **kind)}
    grid = []
    for i in range(60):
        if kind["optimizer"] == "sgd":
            changes = {"momentum": 0.5 + 0.007 * i}
        else:
            changes = {"optimizer": {"name": kind["optimizer"], "beta1": 0.8 + 0.001 * i}}
        grid.append(fit(97 + i % 8, rate=0.01 * (i + 1), decay=0.001 * (i + 1), **(kind | changes)))
    counts["grid"] = sum(grid)
    print(json.dumps(counts))
"""


@pytest.mark.parametrize(
    "kind",
    [
        {"optimizer": "sgd"},
        {"optimizer": "adamw"},
        {"optimizer": "adam", "precision": "float64"},
        {"optimizer": "sgd", "mode": "batch"},
        {"optimizer": "sgd", "mode": "online"},
    ],
    ids=["sgd", "adamw", "float64", "batch", "online"],
)
def test_a_first_run_compiles_twice_at_most_a_second_never(kind, tmp_path):
    code, out, errors = python(COUNT.replace("KIND", repr(kind)), tmp_path)
    assert code == 0, errors
    counts = json.loads(out)
    assert 1 <= counts["first"] <= 2
    assert counts["second"] == 0
    assert counts["grid"] <= 2
    assert counts["weighted"] == 0
    # The programs were kept for the next process, in a folder that only the user may read.
    (folder,) = (tmp_path / "entrena").iterdir()
    assert any(folder.iterdir())
    assert folder.stat().st_mode & 0o777 == 0o700


TRAIN = """
    import numpy as np
    from entrena.network import Network
    from entrena.registry import Choice
    from entrena.training import RateSettings, RegularizationSettings, TrainingSettings
    from entrena.training.loop import train_network
    from entrena.training.parts import TrainingPart
    from entrena.training.plan import make_plan

    network = Network((2, 3, 1), Choice("tanh"), "linear")
    sections = TrainingSettings(max_epochs=1), RateSettings(), RegularizationSettings()
    plan = make_plan(network, "squared_error", *sections, n_rows=9, n_validation=0, seed=0, platform="cpu")
    train_network(network, plan, TrainingPart(np.ones((9, 2)), np.ones((9, 1))))
"""


def test_without_a_folder_there_is_no_cache_and_no_word(tmp_path):
    (tmp_path / "entrena").write_text("a file where the folder should be")
    code = TRAIN + "    import jax; assert jax.config.jax_compilation_cache_dir is None"
    assert python(code, tmp_path) == (0, "", "")


def test_a_full_disk_is_no_word(tmp_path):
    limit = "    import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    assert python(limit + TRAIN, tmp_path) == (0, "", "")


def test_a_damaged_cache_is_no_word(tmp_path):
    assert python(TRAIN, tmp_path) == (0, "", "")
    kept = list((tmp_path / "entrena").glob("*/*-cache"))
    assert kept
    for path in kept:
        path.write_bytes(b"damaged")
    assert python(TRAIN, tmp_path) == (0, "", "")


def test_the_oldest_programs_go(monkeypatch, tmp_path):
    for age, name in enumerate("abcd"):
        (tmp_path / name).write_bytes(bytes(100))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    monkeypatch.setattr(compilation, "CACHE_BYTES", 250)
    compilation._remove_oldest(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_the_users_choice_of_a_cache_is_kept(tmp_path):
    mine = str(tmp_path / "mine")
    first = f"    import jax; jax.config.update('jax_compilation_cache_dir', {mine!r})\n"
    last = f"    assert jax.config.jax_compilation_cache_dir == {mine!r}\n"
    last += "    assert jax.config.jax_persistent_cache_min_compile_time_secs == 1.0"
    assert python(first + TRAIN + last, tmp_path) == (0, "", "")
    assert not (tmp_path / "entrena").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="another place elsewhere")
def test_the_folder_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().parent == tmp_path / "entrena"
    assert cache_folder().name.startswith("jaxlib-")


def test_precision_is_local():
    with precision("float64"):
        assert jax.config.jax_enable_x64
    assert not jax.config.jax_enable_x64
    with precision("float32"):
        assert not jax.config.jax_enable_x64


def test_a_structure_has_one_program(make_problem):
    problem = make_problem()
    a, b = (problem.plan(learning_rate=rate, weight_decay=rate).structure for rate in (0.1, 0.2))
    assert compiled(a) is compiled(b)


@pytest.mark.skipif(sys.platform != "linux", reason="memory mappings are counted in Linux only")
def test_programs_that_were_not_used_for_long_leave_the_memory(make_problem, monkeypatch):
    """Linux gives a process 65,530 mappings; a process that compiles hundreds of programs must not use them up."""

    def mappings():
        gc.collect()
        return len(Path("/proc/self/maps").read_text().splitlines())

    few = lru_cache(maxsize=4)(compiled.__wrapped__)
    monkeypatch.setattr(compiled_module, "compiled", few)
    counts = []
    for width in range(3, 15):
        problem = make_problem(20 + 40 * (width % 3), hidden=(width, width))
        problem.run(problem.plan(max_epochs=1, optimizer="adamw"))
        counts.append(mappings())
    assert few.cache_info().currsize == 4
    # The first four grow it; after that each takes the place of another.
    assert max(counts[6:]) - counts[5] <= (counts[3] - counts[0])

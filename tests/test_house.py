"""Rules that hold for the whole house: names, catalogue entries, file sizes, docstrings, late imports."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import entrena
from entrena.recipe import REGISTRIES, Recipe
from entrena.registry import Entry, Registry

SOURCE = Path(entrena.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
ENTRIES = [(registry, entry) for registry in REGISTRIES for entry in registry.values()]

LESSONS = set(
    """
    redundancy better_minima drift batch_size convergence_condition ravine conjugate_gradients interleaving
    balanced_batches hard_examples
    centring scaling decorrelation whitening components_cost faces block_compression invariance
    symmetric_sigmoids linear_term relu_speed dying_relu self_normalising activation_ranking target_saturation
    symmetry saturated_start signal_depth
    batch_normalization batch_statistics
    rate_size saturated_plateau early_reduction final_fluctuation schedules search_then_converge super_convergence
    two_way_rate rates_per_weight fan_in_rates depth_rates
    overfitting topology ensembles seed_noise
    """.split()
)
CHAPTERS = {
    "Training modes",
    "Preprocessing",
    "Activations and outputs",
    "Initialization",
    "Normalization",
    "Learning rates",
    "Regularization and invariance",
    "Topology",
}
LATE_IMPORTS = ("jax", "sklearn", "pandas", "plotly", "polars", "pyarrow", "scipy", "typer")


def id_of(value: object) -> str:
    match value:
        case Registry():
            return value.key
        case Entry():
            return value.name
        case Path():
            return str(value.relative_to(SOURCE))
    return repr(value)


def recipe_keys() -> list[str]:
    """Every key of the recipe in full, `section.name`, or the bare name outside the sections."""
    keys = []
    for section, field in Recipe.model_fields.items():
        names = getattr(field.annotation, "model_fields", None)
        keys += [section] if names is None else [f"{section}.{name}" for name in names]
    return keys


def test_each_name_is_unique_in_the_whole_recipe() -> None:
    keys = recipe_keys()
    assert {"network.activation", "training.optimizer", "rate.learning_rate", "random_state"} <= set(keys)
    counts = Counter(key.rpartition(".")[2] for key in keys)
    assert [name for name, count in counts.items() if count > 1] == []
    sections = {key.partition(".")[0] for key in keys if "." in key}
    assert sections & set(counts) == set()


def test_each_registry_is_a_key_of_the_recipe() -> None:
    keys = [registry.key for registry in REGISTRIES]
    assert len(set(keys)) == len(keys)
    assert set(keys) <= set(recipe_keys())


def test_each_key_says_what_it_means() -> None:
    silent = []
    for section, field in Recipe.model_fields.items():
        fields = getattr(field.annotation, "model_fields", {section: field})
        silent += [f"{section}.{name}" for name, inner in fields.items() if not inner.description]
    assert silent == []


@pytest.mark.parametrize(("registry", "entry"), ENTRIES, ids=id_of)
def test_the_entry_says_what_it_is(registry: Registry, entry: Entry) -> None:
    assert entry.formula.strip()
    assert entry.meaning.strip().endswith((".", "?", ")"))
    assert entry.lesson is None or entry.lesson in LESSONS
    assert registry.chapter in CHAPTERS
    for setting in entry.settings:
        assert setting.meaning.strip()
        if setting.default is not None:
            assert setting.check(setting.default) == setting.default


@pytest.mark.parametrize("registry", REGISTRIES, ids=id_of)
def test_names_from_elsewhere_lead_to_one_entry(registry: Registry) -> None:
    called = [(other.lower(), entry.name) for entry in registry.values() for other in entry.other_names]
    owners: dict[str, set[str]] = {}
    for other, name in called:
        owners.setdefault(other, set()).add(name)
    assert {other: names for other, names in owners.items() if len(names) > 1} == {}
    # Another library's name may be ours in capitals, never the name of a different technique here.
    assert [(other, name) for other, name in called if other in registry and other != name] == []


@pytest.mark.parametrize("command", ["import entrena", "import entrena; dir(entrena)"])
def test_importing_entrena_imports_nothing_heavy(command: str) -> None:
    program = f"{command}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) & set(LATE_IMPORTS) == set()


def test_the_public_names_are_there() -> None:
    for name in ("NetworkClassifier", "NetworkRegressor", "Recipe", "train", "train_stream", "load"):
        assert name in entrena.__all__
        assert name in dir(entrena)
        assert getattr(entrena, name).__name__ == name
    with pytest.raises(AttributeError, match="no_such_name"):
        entrena.no_such_name  # noqa: B018


@pytest.mark.parametrize("file", FILES, ids=id_of)
def test_the_file_is_named_and_sized_as_agreed(file: Path) -> None:
    assert not {"utils", "helpers", "common", "misc"} & {
        part.removesuffix(".py") for part in file.relative_to(SOURCE).parts
    }
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize("file", FILES, ids=id_of)
def test_the_module_has_a_docstring(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), f"{file} says nothing about itself"

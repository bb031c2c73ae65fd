"""The recipe: every choice of one run, in one frozen object that reads and writes TOML and JSON.

A recipe is composed of the sections that the rooms below declare. Each choice has one key, `section.name`, and its name
is unique in the whole recipe, so the short name is accepted wherever the key is.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from entrena.contradictions import contradictions
from entrena.errors import Problem, RecipeError, UsageError, did_you_mean, nearest
from entrena.network.activations import ACTIVATIONS
from entrena.network.initialization import INITIALIZATIONS
from entrena.network.normalization import BATCH_STATISTICS, NORMALIZATIONS
from entrena.network.outputs import OUTPUTS
from entrena.network.settings import NetworkSettings
from entrena.preprocessing import (
    AUGMENTATIONS,
    CALIBRATIONS,
    CATEGORIES,
    CENTER,
    DATES,
    DECORRELATIONS,
    MISSING,
    SCALES,
    TARGET_CODINGS,
    TARGET_SCALES,
    TRANSFORMS,
    InputSettings,
    TargetSettings,
)
from entrena.preprocessing.augmentation import amounts_of
from entrena.registry import AS_WHOLE, Choice, Registry, interval
from entrena.training.losses import LOSSES
from entrena.training.optimizers import OPTIMIZERS
from entrena.training.order import ORDERS
from entrena.training.rates import SCHEDULES
from entrena.training.scores import SCORES
from entrena.training.settings import RateSettings, RegularizationSettings, TrainingSettings

REGISTRIES: tuple[Registry, ...] = (
    ORDERS,
    OPTIMIZERS,
    MISSING,
    TRANSFORMS,
    CENTER,
    SCALES,
    DECORRELATIONS,
    CATEGORIES,
    DATES,
    AUGMENTATIONS,
    ACTIVATIONS,
    OUTPUTS,
    TARGET_CODINGS,
    TARGET_SCALES,
    CALIBRATIONS,
    LOSSES,
    SCORES,
    INITIALIZATIONS,
    NORMALIZATIONS,
    BATCH_STATISTICS,
    SCHEDULES,
)

REGISTRY_OF = {registry.key: registry for registry in REGISTRIES}

PLANNED = frozenset(
    "ensemble time_unit warmup final_decay fan_in_scaling depth_scaling layer_rates".split()
)  # names of the design that this version does not have yet

TABLES = ("class_weight", "augment")  # whose keys are no settings of a choice

OTHER_NAMES = {
    "hidden_layer_sizes": "hidden",
    "layers": "hidden",
    "max_iter": "max_epochs",
    "epochs": "max_epochs",
    "n_epochs": "max_epochs",
    "num_epochs": "max_epochs",
    "solver": "optimizer",
    "alpha": "weight_decay",
    "l2": "weight_decay",
    "learning_rate_init": "learning_rate",
    "lr": "learning_rate",
    "eta": "learning_rate",
    "lr_scheduler": "schedule",
    "scheduler": "schedule",
    "n_iter_no_change": "patience",
    "nesterovs_momentum": "nesterov",
    "seed": "random_state",
    "validation_split": "validation_fraction",
    "kernel_initializer": "initialization",
    "init": "initialization",
    "criterion": "loss",
    "batch": "batch_size",
    "dtype": "precision",
    "hidden_sizes": "hidden",
    "units": "hidden",
    "batch_norm": "normalization",
    "batchnorm": "normalization",
    "use_bn": "normalization",
    "layer_norm": "normalization",
    "dropout_rate": "dropout",
    "ema_momentum": "ema",
    "ema_decay": "ema",
    "use_ema": "ema",
    "noise": "input_noise",
    "gaussian_noise": "input_noise",
    "label_smooth": "label_smoothing",
    "mixup_alpha": "mixup",
    "l1_penalty": "l1",
    "max_norm_constraint": "max_norm",
    "skip_connections": "residual",
    "skip": "residual",
}


class Recipe(BaseModel):
    """Every choice of one run.

    Accepts sections (`network={"hidden": (64,)}`), full keys in a mapping (`Recipe.make({"network.hidden": 64})`) and
    short names (`Recipe(hidden=(64,), activation="elu")`). All mistakes are reported at once.

    >>> Recipe(hidden=(64,), activation="elu").network.activation.name
    'elu'

    Raises:
        RecipeError: With every mistake: its key, the value, and what is allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_mode_override="serialization")

    inputs: InputSettings = Field(default_factory=InputSettings, description=InputSettings.__doc__)
    targets: TargetSettings = Field(default_factory=TargetSettings, description=TargetSettings.__doc__)
    network: NetworkSettings = Field(default_factory=NetworkSettings, description=NetworkSettings.__doc__)
    training: TrainingSettings = Field(default_factory=TrainingSettings, description=TrainingSettings.__doc__)
    rate: RateSettings = Field(default_factory=RateSettings, description=RateSettings.__doc__)
    regularization: RegularizationSettings = Field(
        default_factory=RegularizationSettings, description=RegularizationSettings.__doc__
    )
    random_state: Annotated[int, Field(ge=0, lt=2**32, strict=True), AS_WHOLE] = Field(
        0, description="Seed of everything random: the split, the first weights, the order."
    )

    def __init__(self, /, **values: Any) -> None:
        sections, problems = _sorted_into_sections(values)
        try:
            super().__init__(**sections)
        except ValidationError as error:
            problems += [_problem(details) for details in error.errors()]
        if not problems:
            problems = contradictions(self)
        if problems:
            raise RecipeError(sorted(dict.fromkeys(problems), key=_position))

    @classmethod
    def make(cls, values: Mapping[str, Any] | None = None) -> Self:
        """A recipe from a mapping of sections, full keys or short names to values."""
        return cls(**(values or {}))

    def change(self, values: Mapping[str, Any]) -> Self:
        """This recipe with some choices changed, by short or full key; `None` is a value like any other."""
        plain = self.to_values()
        changes, problems = _sorted_into_sections(values, plain)
        if problems:
            raise RecipeError(problems)
        for name, value in changes.items():
            plain[name] = {**plain[name], **value} if isinstance(value, Mapping) else value
        return type(self)(**plain)

    def to_plain(self) -> dict[str, Any]:
        """Sections of names and plain values, as they stand in a file, with every default written out."""
        return self.model_dump(mode="json")

    def to_values(self) -> dict[str, Any]:
        """The same, but functions of the user's own as they are, which no file can hold."""
        plain = self.to_plain()
        chosen, functions = self.network.activation, plain["network"]
        if isinstance(chosen, Choice):
            functions["activation"] = chosen.function or functions["activation"]
        else:
            functions["activation"] = [each.function or each.to_plain() for each in chosen]
        return plain

    def to_json(self) -> str:
        """The recipe as JSON."""
        return json.dumps(self.to_plain(), indent=2)

    def to_toml(self) -> str:
        """The recipe as TOML; what is None is left out, since TOML has no such value."""
        plain = self.to_plain()
        top = [f"{name} = {_toml(value)}" for name, value in plain.items() if not isinstance(value, dict)]
        blocks = ["\n".join(top)]
        for section, values in plain.items():
            if isinstance(values, dict):
                lines = [f"{name} = {_toml(value)}" for name, value in values.items() if value is not None]
                blocks.append("\n".join([f"[{section}]", *lines]))
        return "\n\n".join(blocks) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            RecipeError: The text is no JSON, or a choice in it is wrong.
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            raise RecipeError([Problem("", f"the recipe is not JSON: {error}")]) from None
        return cls._from_table(values)

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Reads TOML.

        Raises:
            RecipeError: The text is no TOML, or a choice in it is wrong.
        """
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RecipeError([Problem("", f"the recipe is not TOML: {error}")]) from None
        return cls._from_table(values)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Reads a recipe file, `.toml` or `.json`.

        Raises:
            UsageError: There is no such file, or it cannot be read.
            RecipeError: Its text or a choice in it is wrong.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            there = sorted(p.name for p in path.parent.glob("*") if p.suffix in (".toml", ".json"))
            close = nearest(path.name, there)
            hint = f": did you mean '{close}'?" if close else ""
            raise UsageError(f"recipe file '{path}' does not exist{hint}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"recipe file '{path}' cannot be read: {error}") from None
        return cls.from_json(text) if path.suffix == ".json" else cls.from_toml(text)

    @classmethod
    def _from_table(cls, values: object) -> Self:
        if not isinstance(values, dict):
            raise RecipeError([Problem("", "a recipe is a table of sections, such as [network]")])
        return cls(**values)


def sections() -> dict[str, type[BaseModel]]:
    """The recipe's sections, by name."""
    return {
        name: field.annotation
        for name, field in Recipe.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def keys() -> dict[str, str]:
    """Every short name with its full key: `{"hidden": "network.hidden", …}`."""
    named = {name: f"{section}.{name}" for section, model in sections().items() for name in model.model_fields}
    return named | {name: name for name in Recipe.model_fields if name not in sections()}


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """The values of `--set key=value` options; a value is TOML where it can be, else a word.

    >>> parse_assignments(["activation.alpha=0.5", "activation=elu", "hidden=[64, 32]"])
    {'activation.alpha': 0.5, 'activation': 'elu', 'hidden': [64, 32]}

    Raises:
        UsageError: An assignment has no `=`.
    """
    values = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {assignment}: write key=value, such as --set activation=elu")
        values[key.strip()] = parse_value(text.strip())
    return values


def parse_value(text: str) -> Any:
    """A typed value: TOML where it can be, else a number or a word."""
    if text.lower() in ("none", "null"):
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        pass
    try:
        return float(text)  # 1e-3 and .5, which TOML does not take
    except ValueError:
        pass
    parts = [part.strip() for part in text.strip("()").split(",") if part.strip()]
    is_list = "," in text and all(part.isdigit() for part in parts)  # 64,32 and (64, 32) and (8,)
    return [int(part) for part in parts] if is_list else text


def _sorted_into_sections(
    values: Mapping[str, Any], base: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[Problem]]:
    """Values by section; short names, full keys and settings of a choice (`activation.alpha`) find their place.

    A setting belongs to the choice that is given beside it, else to that of `base`, else to the default.
    """
    names, tables = keys(), sections()
    sorted_: dict[str, Any] = {}
    settings: list[tuple[str, str, Any]] = []
    problems: list[Problem] = []

    def put(section: str, name: str, value: Any) -> None:
        place = sorted_.setdefault(section, {}) if section else sorted_
        if name in place:
            problems.append(Problem(f"{section}.{name}" if section else name, "given twice: leave one of them out"))
        place[name] = value

    for key, value in values.items():
        head, _, rest = key.partition(".")
        if key in tables and isinstance(value, Mapping | BaseModel):
            plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            for name, item in plain.items():
                put(key, name, item)
        elif key in tables:
            problems.append(Problem(key, f"{value!r} is not allowed: a table of its keys"))
        elif head in tables and rest:
            name, _, setting = rest.partition(".")
            if setting:
                settings.append((name, setting, value))
            else:
                put(head, name, value)
        elif rest:
            settings.append((head, rest, value))
        elif key in names:
            section, _, name = names[key].rpartition(".")
            put(section, name, value)
        else:
            problems.append(_unknown(key))
    for name, setting, value in settings:
        problem = _add_setting(sorted_, base or {}, name, setting, value) if name in names else _unknown(name)
        problems += [problem] if problem else []
    return sorted_, problems


def _add_setting(
    sorted_: dict[str, Any], base: Mapping[str, Any], name: str, setting: str, value: Any
) -> Problem | None:
    """Puts `activation.alpha = 0.5` into the table of the choice, and `class_weight.yes = 2` into its table."""
    key = keys()[name]
    section, _, _ = key.rpartition(".")
    default = sections()[section].model_fields[name].default if section else None
    has_settings = isinstance(default, Choice) or (default is None and key in REGISTRY_OF)
    if name not in TABLES and not has_settings:
        return Problem(f"{key}.{setting}", f"'{name}' has no settings of its own")
    table = sorted_.setdefault(section, {})
    chosen = table.get(name, base.get(section, {}).get(name, default))
    if name == "augment" and not isinstance(chosen, Mapping):
        try:
            chosen = amounts_of(chosen) or {}
        except ValueError:
            return None  # told where the value itself is checked
    if isinstance(chosen, Choice):
        chosen = chosen.to_plain()
    if chosen is None and name not in TABLES:
        having = [entry.name for entry in REGISTRY_OF[key].values() if entry.setting(setting) is not None]
        if len(having) != 1:
            such = f", such as {name}={having[0]}" if having else ""
            return Problem(f"{key}.{setting}", f"is a setting of the {name} that is named: give {name} as well{such}")
        chosen = having[0]
    if not isinstance(chosen, Mapping):
        chosen = {} if name in TABLES else {"name": chosen}
    table[name] = {**chosen, setting: value}
    return None


def _unknown(key: str, section: str = "") -> Problem:
    name = key.rpartition(".")[2]
    full = f"{section}.{key}" if section else key
    names = keys()
    if name in PLANNED:
        return Problem(full, "not in this version of entrena yet")
    if name in OTHER_NAMES:
        return Problem(full, f"'{name}' is called '{OTHER_NAMES[name]}' here")
    if section and name in names:
        return Problem(full, f"'{name}' belongs to another section: write {names[name]}")
    return Problem(full, f"no such key: {did_you_mean(name, [*names, *sections()])}")


def explain_unknown(key: str) -> str:
    """What to type instead of a key that does not exist."""
    return _unknown(key).message


def _problem(details: ErrorDetails) -> Problem:
    """One Pydantic error in our words: the key, the value, what is allowed."""
    location = [str(part) for part in details["loc"]]
    key = ".".join(location[:2]) if location[0] in sections() else location[0]
    if details["type"] == "extra_forbidden":
        return _unknown(location[-1], location[0] if len(location) > 1 else "")
    if details["type"] == "value_error" or "message" in details.get("ctx", {}):  # said by a validator of ours
        return Problem(key, details["msg"].removeprefix("Value error, "))
    return Problem(key, f"{details['input']!r} is not allowed: {allowed(key)}")


def allowed(key: str) -> str:
    """The allowed values of a key in words: `a number above 0, or none`."""
    section, _, name = key.rpartition(".")
    model = sections()[section] if section else Recipe
    schema = model.model_json_schema()["properties"][name]
    kinds = [_allowed_kind(kind) for kind in schema.get("anyOf", [schema])]
    return ", or ".join(dict.fromkeys(kinds))


def _allowed_kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type")
    if kind in ("integer", "number"):
        low, high = (schema.get(name, schema.get(f"exclusive{name.capitalize()}")) for name in ("minimum", "maximum"))
        open_ = {"low_open": "exclusiveMinimum" in schema, "high_open": "exclusiveMaximum" in schema}
        return ("a whole number" if kind == "integer" else "a number") + interval(low, high, **open_)
    if kind == "array":
        return "a list, each " + _allowed_kind(schema.get("items", {}))
    if kind == "object":
        return "a table"
    if kind == "string" and "pattern" in schema:
        return "auto, cpu, gpu, gpu:1, tpu, …" if "gpu" in schema["pattern"] else f"text like {schema['pattern']}"
    return {"boolean": "true or false", "null": "none"}.get(str(kind), str(kind))


def _position(problem: Problem) -> int:
    order = list(keys().values())
    return order.index(problem.key) if problem.key in order else len(order)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return _toml_text(value)
    if isinstance(value, Mapping):
        items = ", ".join(f"{_toml_key(str(name))} = {_toml(item)}" for name, item in value.items() if item is not None)
        return "{" + items + "}"
    return "[" + ", ".join(_toml(item) for item in value) + "]"


def _toml_key(name: str) -> str:
    bare = bool(name) and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name)
    return name if bare else _toml_text(name)


def _toml_text(text: str) -> str:
    # JSON's escapes are TOML's too; TOML wants one more.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def as_recipe(recipe: Recipe | Mapping[str, Any] | str | Path | None, base: Recipe) -> Recipe:
    """A recipe, the file of one, or what is to be changed of a base.

    Raises:
        UsageError: It is none of these.
        RecipeError: A key or a value is not allowed.
    """
    if recipe is None:
        return base
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, str | Path):
        return Recipe.read(recipe)
    if not isinstance(recipe, Mapping):
        raise UsageError(
            f"recipe: {recipe!r} is neither a Recipe nor a mapping of its keys nor the path of a recipe file"
        )
    return base.change(recipe)

"""The catalogue: what an entry of it is, and how a user's choice is checked against it.

Every technique that users can choose is one `Entry` in one `Registry`, written in the file that holds its function.
The recipe, the estimators, the command line, `entrena techniques` and the documentation are made from the registries,
so a new activation or schedule is one new entry. This module knows no technique.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from entrena.errors import nearest

Value = float | int | bool | str | None
FUNCTION = "function"  # in a recipe file, the key of the dotted name of a Python function


def _plain_whole(value: Any) -> Any:
    """A whole number of any library as Python's; anything else as it is, for Pydantic to refuse."""
    return value if isinstance(value, int) or not isinstance(value, Integral) else int(value)


def _plain_real(value: Any) -> Any:
    """A real number of any library as Python's; text and truth values as they are, for Pydantic to refuse."""
    return value if isinstance(value, int | float) or not isinstance(value, Real) else float(value)


# Annotations of the recipe's numbers, after the bounds: NumPy's numbers are welcome there.
AS_WHOLE = BeforeValidator(_plain_whole)
AS_NUMBER = BeforeValidator(_plain_real)


@dataclass(frozen=True)
class Setting:
    """A number or word that belongs to one technique, such as the α of `elu`.

    Attributes:
        name: What users type after the technique's key: `activation.alpha`.
        default: The value when the user gives none.
        meaning: One sentence.
        low: The least allowed number, or None.
        high: The greatest allowed number, or None.
        low_open: Whether `low` itself is excluded.
        high_open: Whether `high` itself is excluded.
        choices: The allowed words, where the setting is a word.
    """

    name: str
    default: Value
    meaning: str
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """The allowed values in words: `a number above 0 and at most 1`."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if isinstance(self.default, bool):
            return "true or false"
        return (
            "a "
            + ("whole " if isinstance(self.default, int) else "")
            + "number"
            + interval(self.low, self.high, low_open=self.low_open, high_open=self.high_open)
        )

    def check(self, value: object) -> Value:
        """Returns the value if it is allowed.

        Raises:
            ValueError: With the value and what is allowed.
        """
        refused = ValueError(f"{value!r} is not allowed: {self.allowed}")
        if self.choices:
            if value in self.choices:
                return value
            raise refused
        if isinstance(self.default, bool) or isinstance(value, bool):
            if isinstance(self.default, bool) and isinstance(value, bool):
                return value
            raise refused
        if not isinstance(value, Real):  # NumPy's numbers are Real too
            raise refused
        value = int(value) if isinstance(value, Integral) else float(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise refused
        if isinstance(self.default, int) and value != int(value):
            raise refused
        if self.low is not None and (value < self.low or (self.low_open and value == self.low)):
            raise refused
        if self.high is not None and (value > self.high or (self.high_open and value == self.high)):
            raise refused
        try:
            return int(value) if isinstance(self.default, int) else float(value)
        except OverflowError:
            raise refused from None


def interval(low: float | None, high: float | None, *, low_open: bool = False, high_open: bool = False) -> str:
    """The words for a range of numbers.

    >>> interval(0, 1, low_open=True)
    ' above 0 and at most 1'
    """
    parts = []
    if low is not None:
        parts.append(f"{'above' if low_open else 'at least'} {_number(low)}")
    if high is not None:
        parts.append(f"{'below' if high_open else 'at most'} {_number(high)}")
    return " " + " and ".join(parts) if parts else ""


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


@dataclass(frozen=True)
class Entry:
    """One technique of the catalogue.

    Attributes:
        name: What users type: `elu`.
        formula: The formula as a textbook prints it, in plain Unicode.
        meaning: What it does and when it is used, one or two sentences.
        function: What the room of this technique calls; each registry says its signature.
        source: The paper or book, with year, or an empty text for common knowledge.
        settings: The technique's own settings.
        other_names: What other libraries call it; never accepted, only explained.
        lesson: The id of the lesson that measures its effect.
        details: What only this registry's room needs, such as an optimizer's default rate.
        check: From all its settings to what is wrong with them together, or None.
    """

    name: str
    formula: str
    meaning: str
    function: Callable[..., Any] | None = None
    source: str = ""
    settings: tuple[Setting, ...] = ()
    other_names: tuple[str, ...] = ()
    lesson: str | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    check: Callable[[Mapping[str, Any]], str | None] | None = None

    def setting(self, name: str) -> Setting | None:
        """The setting of that name, or None."""
        return next((setting for setting in self.settings if setting.name == name), None)


class Registry(Mapping[str, Entry]):
    """The techniques among which one key of the recipe chooses.

    Args:
        key: The recipe's full key: `network.activation`.
        chapter: The chapter's title in the catalogue.
        entries: The techniques, in the order in which users see them.
        function: The technique that stands for a Python function of the user's own, where such are welcome.
    """

    def __init__(self, key: str, chapter: str, entries: tuple[Entry, ...], *, function: Entry | None = None) -> None:
        self.key = key
        self.chapter = chapter
        self._function = function
        self._entries = {entry.name: entry for entry in entries}
        if len(self._entries) != len(entries):
            raise ValueError(f"two entries of {key} have the same name")

    @property
    def name(self) -> str:
        """The short key: `activation`."""
        return self.key.rpartition(".")[2]

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def explain_unknown(self, name: object) -> str:
        """What to type instead of a name that is not in the catalogue."""
        if isinstance(name, str):
            folded = name.lower()
            if folded in self._entries:
                return f"'{name}' is written '{folded}'"
            for entry in self.values():
                if folded in (other.lower() for other in entry.other_names):
                    return f"'{name}' is called '{entry.name}' here"
            close = nearest(name, self)
            if close is not None:
                return f"unknown name '{name}': did you mean '{close}'?"
        return f"unknown name {name!r}: there are {', '.join(self)}"

    def choose(self, value: object) -> Choice:
        """A user's value as a checked `Choice`.

        Args:
            value: A name, a table `{name = …, setting = …}`, or a `Choice`; a function where such are welcome.

        Raises:
            ValueError: The name or a setting is not in the catalogue; the text says all that is wrong.
        """
        if isinstance(value, Choice):
            value = value.function or value.to_plain()
        if callable(value) and self._function is not None:
            return Choice(dotted_name(value), (), value)
        if isinstance(value, Mapping) and set(value) == {FUNCTION} and self._function is not None:
            raise ValueError(
                f"'{value[FUNCTION]}' is a Python function, which no file brings along: hand it over itself"
            )
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, Mapping):
            raise ValueError(f"{value!r} is not allowed: a name ({', '.join(self)}) or a table with a name")
        if "name" not in value:
            raise ValueError(f"a table needs a name, one of {', '.join(self)}")
        name = value["name"]
        if not isinstance(name, str) or name not in self._entries:
            raise ValueError(self.explain_unknown(name))
        entry = self._entries[name]
        given: dict[str, Value] = {}
        problems = []
        for setting_name, setting_value in value.items():
            if setting_name == "name":
                continue
            setting = entry.setting(setting_name)
            if setting is None:
                known = ", ".join(s.name for s in entry.settings)
                has = f"its settings are {known}" if known else "it has no settings"
                problems.append(f"'{name}' has no setting '{setting_name}': {has}")
                continue
            try:
                given[setting_name] = setting.check(setting_value)
            except ValueError as error:
                problems.append(f"{setting_name}: {error}")
        choice = Choice(name, tuple(sorted(given.items())))
        if not problems and entry.check is not None:
            together = entry.check(self.settings_of(choice))
            problems += [together] if together else []
        if problems:
            raise ValueError("; ".join(problems))
        return choice

    def entry_of(self, choice: Choice) -> Entry:
        """The technique of a choice, also where it is a function of the user's own."""
        if choice.function is None:
            return self[choice.name]
        assert self._function is not None
        return replace(self._function, name=choice.name, function=choice.function)

    def settings_of(self, choice: Choice) -> dict[str, Value]:
        """All the settings of a choice: those given, the others at their defaults."""
        defaults = {setting.name: setting.default for setting in self.entry_of(choice).settings}
        return defaults | dict(choice.given)


@dataclass(frozen=True)
class Choice:
    """A technique chosen by a user: a name, and those of its settings that were given.

    Hashable, so that it can be part of the key of a compiled program.

    Attributes:
        name: Of the technique; of a function of the user's own its dotted name.
        given: Names and values of the settings that were given.
        function: The function of the user's own, or None.
    """

    name: str
    given: tuple[tuple[str, Value], ...] = ()
    function: Callable[..., Any] | None = None

    def to_plain(self) -> str | dict[str, Value]:
        """As it stands in a recipe file: the bare name, or a table where settings were given."""
        if self.function is not None:
            return {FUNCTION: self.name}
        return {"name": self.name, **dict(self.given)} if self.given else self.name

    def __str__(self) -> str:
        if not self.given:
            return self.name
        return f"{self.name}({', '.join(f'{name}={value}' for name, value in self.given)})"


def dotted_name(function: Callable[..., Any]) -> str:
    """Module and name of a function: `math.tanh`; of a callable without a name its type's."""
    kind = type(function)
    module = getattr(function, "__module__", None) or kind.__module__
    return f"{module}.{getattr(function, '__qualname__', kind.__qualname__)}"


def is_importable(choice: Choice) -> bool:
    """Whether the dotted name of a choice's function leads to that function."""
    parts = choice.name.split(".")
    for n_module in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:n_module]))
            for part in parts[n_module:]:
                found = getattr(found, part)
        except (ImportError, AttributeError):
            continue
        return found is choice.function
    return False


Choices = Choice | tuple[Choice, ...]  # one for all layers, or one for each


def each_of(choices: Choices | None) -> tuple[Choice, ...]:
    """The choices that were made, whether one for all layers or one for each; none where none was."""
    return (choices,) if isinstance(choices, Choice) else choices or ()


@dataclass(frozen=True)
class ChosenFrom:
    """The Pydantic annotation of a recipe's key whose value is a `Choice` from a registry.

    Use as `Annotated[Choice, ChosenFrom(ACTIVATIONS)]`, or as `Annotated[Choices, ChosenFrom(ACTIVATIONS,
    per_layer=True)]` where a list gives each layer its own.
    """

    registry: Registry
    per_layer: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def validate(value: object) -> Choices:
            try:
                if self.per_layer and isinstance(value, list | tuple):
                    return tuple(self.registry.choose(each) for each in value)
                return self.registry.choose("none" if value is None else value)  # `--set scale=none`
            except ValueError as error:
                raise PydanticCustomError("choice", "{message}", {"message": str(error)}) from None

        def plain(chosen: Choices) -> object:
            return chosen.to_plain() if isinstance(chosen, Choice) else [each.to_plain() for each in chosen]

        return core_schema.no_info_plain_validator_function(
            validate, serialization=core_schema.plain_serializer_function_ser_schema(plain)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        tables = [_table_schema(entry) for entry in self.registry.values()]
        one: list[dict[str, Any]] = [{"type": "string", "enum": list(self.registry)}, *tables]
        return {"anyOf": [*one, {"type": "array", "items": {"anyOf": one}}] if self.per_layer else one}

    def __hash__(self) -> int:
        return hash((id(self.registry), self.per_layer))


def _table_schema(entry: Entry) -> dict[str, Any]:
    properties: dict[str, Any] = {"name": {"const": entry.name}}
    for setting in entry.settings:
        kind = {bool: "boolean", int: "integer", str: "string"}.get(type(setting.default), "number")
        rule: dict[str, Any] = {"type": kind, "default": setting.default, "description": setting.meaning}
        if setting.choices:
            rule["enum"] = list(setting.choices)
        if setting.low is not None:
            rule["exclusiveMinimum" if setting.low_open else "minimum"] = setting.low
        if setting.high is not None:
            rule["exclusiveMaximum" if setting.high_open else "maximum"] = setting.high
        properties[setting.name] = rule
    return {"type": "object", "properties": properties, "required": ["name"], "additionalProperties": False}

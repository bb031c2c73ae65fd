"""What a command says of the data: how they were read, what each column is, what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from entrena.cli.output import LONGEST_NAME, listed
from entrena.errors import shortened
from entrena.reporting.wording import count, number

if TYPE_CHECKING:
    from entrena.data import ColumnRole, Schema

# One, and several.
WORDS = {
    "number": ("number", "numbers"),
    "category": ("category", "categories"),
    "boolean": ("truth value", "truth values"),
    "date": ("date", "dates"),
}
EVIDENT = ("numbers", "true or false", "dates")  # reasons that say no more than the role
MOST_LEFT_OUT = 6
MOST_HINTS = 4


def data_facts(data: Mapping[str, Any], schema: Schema) -> list[tuple[str, str]]:
    """Lines on the source, its columns and what is left out; none where there is nothing to say."""
    told = []
    if data["read"]:
        told.append(("read", f"{data['source']}: {data['read']}"))
    kinds = Counter(role.role for role in schema.inputs)
    if schema.image is not None:
        from entrena.data.images import words_for

        told.append(("columns", f"images of {words_for(schema.image)}"))
    elif any(role.reason != "an array" for role in schema.inputs):
        parts = []
        for kind, n in kinds.most_common():
            columns = [_with_reason(role) for role in schema.inputs if role.role == kind]
            parts.append(f"{n} {WORDS[kind][n > 1]} ({listed(columns, most=5)})")
        told.append(("columns", "; ".join(parts)))
    hints = [role for role in schema.roles if role.hint]
    told += [("look at", f"{shortened(role.name)}: {role.hint}") for role in hints[:MOST_HINTS]]
    told += left_out_columns(schema)
    if schema.classes is not None:
        from entrena.data.hints import alike

        same = alike(label for label in schema.classes if isinstance(label, str))
        if same:
            told.append(("look at", f"{schema.target_names[0]}: {same}: they are different classes"))
        rare = [label for label, share in zip(schema.classes, schema.shares or (), strict=False) if share == 0]
        if rare:
            told.append(("look at", f"no training row has the class {listed(rare)}"))
    if data["rows_without_target"]:
        told.append(("left out", f"{count(data['rows_without_target'], 'row')} without a target"))
    if data["rows_of_weight_0"]:
        told.append(("left out", f"{count(data['rows_of_weight_0'], 'row')} of weight 0"))
    return told


def left_out_columns(schema: Schema) -> list[tuple[str, str]]:
    """Lines on the columns that are no inputs."""
    told = [("left out", _left_out(role)) for role in schema.left_out[:MOST_LEFT_OUT]]
    rest = [role.name for role in schema.left_out[MOST_LEFT_OUT:]]
    return [*told, ("left out", f"{len(rest)} more: {listed(rest)}")] if rest else told


def input_facts(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lines on categories and principal components; none where they are as usual."""
    rotated = [] if told["components"] is None else component_facts(told) + condition_facts(told)
    return category_facts(told) + rotated


# What the network gets of a category in the usual forms needs no line.
_USUAL_FORMS = ("one_hot", "embedding")
_FORMS = {
    "one_hot": "an input for each level",
    "embedding": "a learned vector for each level",
    "frequency": "the level's share of the rows",
    "target": "the target's mean in the level's rows",
}


def category_facts(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A line on what became of categories; none where they have the usual forms and no level is rare."""
    forms, n_rare = told["forms"], told["n_rare"]
    if not n_rare and all(form in _USUAL_FORMS for form in forms):
        return []
    said = "; ".join(f"{count(n, 'column')}: {_FORMS[form]}" for form, n in forms.items())
    rare = f"; {count(n_rare, 'rare level')} together as (rare)" if n_rare else ""
    return [("categories", said + rare)]


def component_facts(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A line on the principal components that the network gets; none where the inputs are not rotated."""
    found = told["components"]
    if found is None:
        return []
    whitened = ", whitened" if found["whiten"] else ""
    share = f"{100 * found['share']:.3g} % of the variance"
    return [
        ("inputs", f"{found['components']:,} principal components of {count(found['of'], 'input')}{whitened}: {share}")
    ]


def condition_facts(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A line on the condition numbers of the inputs' covariance; none where they were not computed."""
    before, after = told["condition_before"], told["condition_after"]
    if before is None or after is None:
        return []
    return [("inputs", f"condition number λmax/λmin {number(before)} before preprocessing, {number(after)} after")]


def repeated_facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A line on held-out rows that stand in the training part as well."""
    said = [count(n, f"{name} group") for name, n in data["shared_groups"].items() if n]
    said += [count(n, f"{name} row") for name, n in data["repeated"].items() if n]
    return [("repeated", f"{' and '.join(said)} also among the training rows")] if said else []


def _with_reason(role: ColumnRole) -> str:
    """A column, and why it is what it is where its kind alone does not say it."""
    name = shortened(role.name, LONGEST_NAME)
    return name if role.reason in EVIDENT else f"{name}: {role.reason}"


def _left_out(role: ColumnRole) -> str:
    name = shortened(role.name, LONGEST_NAME)
    said = f"{name} ({role.role}: {role.reason})" if role.role != "ignore" else f"{name} ({role.reason})"
    if role.role == "text" and not role.hint:
        return f"{said}; --role '{name}=category' uses it, or make columns of what matters in it"
    return said

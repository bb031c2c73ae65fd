"""What a command says of the data: how they were read, what each column is, what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from entrena.cli.output import count, listed

if TYPE_CHECKING:
    from entrena.data import ColumnRole, Schema

PLURALS = {"number": "numbers", "category": "categories", "boolean": "truth values", "date": "dates"}
MOST_LEFT_OUT = 6


def data_facts(data: Mapping[str, Any], schema: Schema) -> list[tuple[str, str]]:
    """Lines on the source, its columns and what is left out; none where there is nothing to say."""
    told = []
    if data["read"]:
        told.append(("read", f"{data['source']}: {data['read']}"))
    kinds = Counter(role.role for role in schema.inputs)
    if set(kinds) != {"number"} or schema.left_out:
        parts = []
        for kind, n in kinds.most_common():
            names = [role.name for role in schema.inputs if role.role == kind]
            parts.append(f"{n} {PLURALS[kind] if n > 1 else PLURALS[kind].removesuffix('s')} ({listed(names, most=5)})")
        told.append(("columns", "; ".join(parts).replace("categorie (", "category (")))
    for role in schema.left_out[:MOST_LEFT_OUT]:
        told.append(("left out", _left_out(role)))
    if len(schema.left_out) > MOST_LEFT_OUT:
        rest = schema.left_out[MOST_LEFT_OUT:]
        told.append(("left out", f"{len(rest)} more: {listed([role.name for role in rest])}"))
    if data["rows_without_target"]:
        told.append(("left out", f"{count(data['rows_without_target'], 'row')} without a target"))
    if data["rows_of_weight_0"]:
        told.append(("left out", f"{count(data['rows_of_weight_0'], 'row')} of weight 0"))
    return told


def repeated_facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A line on held-out rows that stand in the training part as well."""
    said = [f"{n:,} {name} {'row' if n == 1 else 'rows'}" for name, n in data["repeated"].items() if n]
    return [("repeated", f"{' and '.join(said)} also among the training rows")] if said else []


def _left_out(role: ColumnRole) -> str:
    said = f"{role.name} ({role.role}: {role.reason})" if role.role != "ignore" else f"{role.name} ({role.reason})"
    if role.role == "text":
        return f"{said}; --role '{role.name}=category' uses it, or make columns of what matters in it"
    return said

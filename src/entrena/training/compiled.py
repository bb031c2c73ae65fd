"""Programs that are compiled once in a process, and their calls."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
from jax.errors import JaxRuntimeError

from entrena.network.multilayer import Params
from entrena.training.forms import COMPILER_OPTIONS, LOOP
from entrena.training.program import run_block
from entrena.training.structure import MOST_PROGRAMS, Block, Data, Result, Settings, State, Structure
from entrena.training.update import predicting


class Together(NamedTuple):
    """What each of K networks in one program has for itself; the rest they share. State, controls and settings are own.

    Attributes:
        order: Each sees its own examples in its own sequence.
        weights: Each example counts differently for each network.
        data: Each has its own examples.
    """

    order: bool
    weights: bool
    data: bool


Shapes = tuple[tuple[int, ...], ...]


@lru_cache(maxsize=MOST_PROGRAMS)
def compiled(structure: Structure, together: Together | None = None, shapes: Shapes = ()) -> Any:
    """The jitted program of a structure for arguments of certain shapes, made once in a process.

    Args:
        structure: What it is compiled for.
        together: None: one network. Else K at once, what is their own with a leading axis K.
        shapes: As `shapes_of` says; so a program that was not used for long is forgotten whole.
    """
    if together is not None and structure.network.embeddings:
        structure = replace(structure, form=LOOP)  # XLA puts the gradients of one row only into one function

    def block_program(state: State, data: Data, block: Block, settings: Settings) -> Result:
        return run_block(structure, state, data, block, settings)

    options = COMPILER_OPTIONS.get(structure.form)
    if together is None:
        return jax.jit(block_program, compiler_options=options)
    order, weights, data = (0 if own else None for own in together)
    axes: Any = Block(order=order, weights=weights, controls=0, n_updates=None, look=None)  # type: ignore[arg-type]
    return jax.jit(jax.vmap(block_program, in_axes=(0, data, axes, 0)), compiler_options=options)


def shapes_of(data: Data, block: Block) -> Shapes:
    """The shapes for which a program is compiled; those of the state follow from them and the structure."""
    return tuple(leaf.shape for leaf in jax.tree.leaves((data, block)))


_refused: set[Structure] = set()  # structures whose one-function form this XLA cannot compile


def accepted(structure: Structure) -> Structure:
    """The structure in the form that will run: the ordinary one where the compiler has refused the other."""
    return replace(structure, form=LOOP) if structure in _refused else structure


def refuse_form(structure: Structure) -> None:
    """Remembers that this XLA cannot compile the structure in its form."""
    _refused.add(structure)


def call(
    structure: Structure, state: State, data: Data, block: Block, settings: Settings, together: Together | None = None
) -> Result:
    """Runs the program of one network, or of several; returns before the device has finished.

    The one-function form rests on an undocumented option of XLA: where compilation refuses it, the ordinary form runs.
    """
    structure = accepted(structure)
    try:
        return compiled(structure, together, shapes_of(data, block))(state, data, block, settings)
    except JaxRuntimeError:
        if structure.form == LOOP:
            raise
        refuse_form(structure)
        return call(structure, state, data, block, settings, together)


@lru_cache(maxsize=MOST_PROGRAMS)
def _predicting_program(structure: Structure) -> Any:
    def predicting_program(state: State, data: Data, settings: Settings) -> Params:
        return predicting(structure, state, data, settings)

    return jax.jit(predicting_program)


def call_predicting(structure: Structure, state: State, data: Data, settings: Settings) -> Params:
    """The parameters by which a network predicts, where the training rows say its statistics."""
    structure = replace(structure, form=LOOP, optimizer="sgd", augmentation=None)
    return _predicting_program(structure)(state.to_predict(), data, settings)

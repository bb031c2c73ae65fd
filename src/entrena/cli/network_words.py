"""A network in words and as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entrena.network import Network


def layer_words(network: Network) -> str:
    """Activations and what else hidden layers do: `selu`, `elu, tanh, batch normalization`."""
    each = dict.fromkeys(map(str, network.activations))
    told = list(each) if len(each) == 1 else [str(choice) for choice in network.activations]
    told += [] if network.normalization.name == "none" else [f"{network.normalization} normalization"]
    return ", ".join(told + (["residual"] if network.residual else []))


def first_weights(network: Network, *, chosen: bool) -> str:
    """How the first weights were drawn: `weights he_normal, as suits relu`."""
    each, told = network.initializations, []
    activations = [str(choice) for choice in network.activations]
    for choice, activation in zip(each, [*activations, *activations[-1:], "identity"], strict=False):
        told.append(str(choice) if chosen else f"{choice}, as suits {activation}")
    return "weights " + "; ".join(dict.fromkeys(told))


def describe_network(network: Network) -> dict[str, Any]:
    """A network as plain values, `none` and defaults replaced."""
    return {
        "sizes": list(network.sizes),
        "activations": [choice.to_plain() for choice in network.activations],
        "output": network.output,
        "initializations": [choice.to_plain() for choice in network.initializations],
        "normalization": network.normalization.to_plain(),
        "residual": network.residual,
        "weights": network.n_weights,
    }

"""Choices of a recipe that are allowed, and that a technique's own paper advises against."""

from __future__ import annotations

from entrena.diagnosis.findings import Finding
from entrena.recipe import Recipe
from entrena.registry import each_of


def doubtful_choices(recipe: Recipe) -> tuple[Finding, ...]:
    """What speaks against choices before anything was trained.

    SELU keeps mean 0 and variance 1 only through plain layers, with standardised inputs, `lecun_normal` weights and
    alpha dropout (Klambauer et al., NIPS 2017, sections 2 and 3); alpha dropout keeps them only behind SELU.
    """
    network, inputs = recipe.network, recipe.inputs
    activations = each_of(network.activation)
    found = []

    def doubt(technique: str, evidence: str, advice: str) -> None:
        found.append(Finding("doubtful_choice", "warning", "recipe", evidence, technique, advice))

    if network.hidden and any(choice.name == "selu" for choice in activations):
        keeps = "selu keeps mean 0 and variance 1 only"
        if network.residual:
            doubt("network.residual", f"{keeps} through plain layers, and here some are added.", "Try residual=false.")
        if network.normalization.name != "none":
            said = f"{keeps} through plain layers, and normalization does that work itself."
            doubt("network.normalization", said, "Try normalization=none, or another activation.")
        chosen = each_of(network.initialization)
        if any(choice.name not in ("lecun_normal", "lecun_uniform") for choice in chosen):
            doubt(
                "network.initialization",
                f"{keeps} with weights of variance 1/fan-in.",
                "Try initialization=lecun_normal.",
            )
        if network.dropout > 0:
            advice = f"Try alpha_dropout={network.dropout:g} in place of dropout."
            doubt("network.dropout", f"{keeps} with alpha dropout; plain dropout moves both.", advice)
        if (inputs.scale.name != "standard" or not inputs.center) and inputs.decorrelate.name != "whiten":
            doubt("inputs.scale", f"{keeps} for standardised inputs.", "Try scale=standard with center=true.")
    elif network.alpha_dropout > 0:
        said = "alpha_dropout keeps mean and variance of selu alone, and here no hidden layer has it."
        doubt("network.alpha_dropout", said, f"Try dropout={network.alpha_dropout:g}, or activation=selu.")
    return tuple(found)

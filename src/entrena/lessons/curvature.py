"""The greatest curvature of a network's loss: the largest eigenvalue of its Hessian, which is never written down."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from entrena.training.compilation import precision
from entrena.training.structure import MOST_PROGRAMS, Structure
from entrena.training.update import batch_losses

if TYPE_CHECKING:
    from entrena.network.multilayer import Params


def greatest_curvature(structure: Structure, params: Params, X: np.ndarray, targets: np.ndarray) -> float:
    """λmax of the Hessian of the mean loss over rows, by Lanczos iterations of products Hessian × vector, in float64.

    The product is the derivative of the gradient along the vector, exact up to rounding: ∂/∂ε ∇L(w + εv).
    Source: Pearlmutter, Fast Exact Multiplication by the Hessian, Neural Computation 6 (1994).

    Args:
        structure: The network, its output and its loss.
        params: The weights.
        X: [rows, inputs] as the network sees them.
        targets: [rows, outputs].
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    with precision("float64"):
        import jax

        params = jax.tree.map(lambda leaf: np.asarray(leaf, float), params)
        leaves, tree = jax.tree.flatten(params)
        ends = np.cumsum([leaf.size for leaf in leaves])
        rows = jax.device_put((np.asarray(X, float), np.asarray(targets, float)))

        def product(vector: np.ndarray) -> np.ndarray:
            parts = np.split(np.asarray(vector, float).ravel(), ends[:-1])
            along = jax.tree.unflatten(
                tree, [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
            )
            found = _product(structure)(params, along, *rows)
            return np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(found)])

        n = int(ends[-1])
        operator = LinearOperator((n, n), matvec=product, dtype=float)
        first = np.random.default_rng(0).standard_normal(n)
        return float(eigsh(operator, k=1, which="LA", v0=first, tol=1e-4, return_eigenvectors=False)[0])


@lru_cache(maxsize=MOST_PROGRAMS)
def _product(structure: Structure) -> Callable[..., Any]:
    import jax
    import jax.numpy as jnp

    def product(params: Params, along: Params, X: Any, targets: Any) -> Params:
        def loss(params: Params) -> Any:
            return jnp.mean(batch_losses(structure, params, X, targets)[0])

        return jax.jvp(jax.grad(loss), (params,), (along,))[1]

    return jax.jit(product)

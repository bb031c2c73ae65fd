"""The function that is trained: layers, activations, initial weights, outputs.

Everything here is pure: parameters in, values out. A network knows neither data files nor training; weights enter as
a tree of arrays, `({"weights": [m, n], "biases": [n]}, …)`, one dictionary a layer, lowest first; `multilayer.Params`
says what else there may be.
"""

from entrena.network.activations import ACTIVATIONS
from entrena.network.embeddings import embedding_size
from entrena.network.initialization import INITIALIZATIONS
from entrena.network.multilayer import Network
from entrena.network.normalization import BATCH_STATISTICS, NORMALIZATIONS
from entrena.network.outputs import OUTPUTS
from entrena.network.settings import NetworkSettings

__all__ = [
    "ACTIVATIONS",
    "BATCH_STATISTICS",
    "INITIALIZATIONS",
    "NORMALIZATIONS",
    "OUTPUTS",
    "Network",
    "NetworkSettings",
    "embedding_size",
]

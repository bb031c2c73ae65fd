"""The function that is trained: layers, activations, initial weights, outputs.

Everything here is pure: parameters in, values out. A network knows neither data files nor training; weights enter as
a tree of arrays, `({"weights": [m, n], "biases": [n]}, …)`, one dictionary a layer, lowest first; the first one holds
the tables of embedded categories as well, `embedding_0` [levels + 1, size] and so on.
"""

from entrena.network.activations import ACTIVATIONS
from entrena.network.embeddings import embedding_size
from entrena.network.initialization import INITIALIZATIONS
from entrena.network.multilayer import Network
from entrena.network.outputs import OUTPUTS
from entrena.network.settings import NetworkSettings

__all__ = ["ACTIVATIONS", "INITIALIZATIONS", "OUTPUTS", "Network", "NetworkSettings", "embedding_size"]

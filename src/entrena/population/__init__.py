"""Many recipes at once: trained together, and compared honestly."""

from entrena.population.compare import compare
from entrena.population.found import Comparison
from entrena.population.train import Population, train

__all__ = ["Comparison", "Population", "compare", "train"]

"""Many recipes at once: trained together, and compared honestly."""

from entrena.population.compare import Comparison, compare

__all__ = ["Comparison", "compare"]

"""Why training goes well or badly: what was measured, what it means, and what to try.

`findings` holds the record and the rules that make one of numbers. A rule is a pure function of arrays: this room
trains nothing and reads no files. `linear_unit`, `directions` and `grid_losses` are the numbers behind error surfaces.
"""

from entrena.diagnosis.choices import doubtful_choices
from entrena.diagnosis.findings import Finding, diverged, few_rows_take_most_draws, fewer_components

__all__ = ["Finding", "diverged", "doubtful_choices", "few_rows_take_most_draws", "fewer_components"]

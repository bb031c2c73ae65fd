"""What the teaching of this field claims, as experiments that run here.

A lesson is one file with one idea: a claim, an experiment, and a function that judges what came out. The verdict is
computed from intervals over seeds, never written by hand, and the claim may fail. Adding a lesson is one file here
and its id in `catalogue.IDS`. What several lessons need is in the frame: `lesson` (what one is, and how cases become a
verdict), `intervals`, `trials` (networks, all trained side by side), `running` and `pages`.
"""

from entrena.lessons.catalogue import IDS, catalogue, find
from entrena.lessons.lesson import Case, Drawing, Lesson, Size, Table, Verdict, combine, decide
from entrena.lessons.running import run

__all__ = [
    "IDS",
    "Case",
    "Drawing",
    "Lesson",
    "Size",
    "Table",
    "Verdict",
    "catalogue",
    "combine",
    "decide",
    "find",
    "run",
]

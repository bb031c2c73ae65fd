"""Model files, checkpoints and run directories: what a run leaves on the disk.

This room knows arrays and plain values that JSON can hold; no recipe, no network and no JAX may enter. It promises
that a file is whole or absent whenever the process is killed or the disk fills up, that reading a file runs none of its
content, and that what goes wrong ends in one message.
"""

from __future__ import annotations

from entrena.storage.atomic import write_bytes, write_text
from entrena.storage.checkpoint_file import load_checkpoint, save_checkpoint
from entrena.storage.history import HistoryWriter, read_history, read_last_records, write_history_parquet
from entrena.storage.model_file import load_model, save_model
from entrena.storage.run_directory import RunDirectory, looks_like_run, slug, this_process
from entrena.storage.run_list import RunSummary, list_runs

__all__ = [
    "HistoryWriter",
    "RunDirectory",
    "RunSummary",
    "list_runs",
    "load_checkpoint",
    "load_model",
    "looks_like_run",
    "read_history",
    "read_last_records",
    "save_checkpoint",
    "save_model",
    "slug",
    "this_process",
    "write_bytes",
    "write_history_parquet",
    "write_text",
]

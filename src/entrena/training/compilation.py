"""Where programs run and where compiled programs are kept, without changing the user's JAX."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax

from entrena.errors import UsageError

CACHE_BYTES = 256 * 2**20


def find_device(name: str) -> Any:
    """The JAX device that the recipe's `device` names: `auto`, `cpu`, `gpu`, `gpu:1` and so on.

    Raises:
        UsageError: This JAX has no such device.
    """
    if name == "auto":
        return jax.devices()[0]
    kind, _, number = name.partition(":")
    try:
        devices = jax.devices(kind)
    except RuntimeError:
        found = ", ".join(sorted({device.platform for device in jax.devices()}))
        raise UsageError(f"training.device: '{name}' is not here: this JAX sees only {found}") from None
    index = int(number or 0)
    if index >= len(devices):
        raise UsageError(f"training.device: '{name}' is not here: the last one is '{kind}:{len(devices) - 1}'")
    return devices[index]


@contextlib.contextmanager
def precision(dtype: str) -> Iterator[None]:
    """A context in which arrays may have 64 bits; outside it the user's JAX is as it was."""
    if dtype == "float64":
        with jax.enable_x64(True):
            yield
    else:
        yield


@lru_cache(maxsize=1)
def use_compilation_cache() -> None:
    """Keeps compiled programs in the user's cache folder, unless the user has chosen a place or none is writable.

    The folder's name holds jaxlib's version and the processor's features: code compiled for another processor may not
    run on this one. The oldest programs go when the folder holds more than `CACHE_BYTES`.
    """
    config: Any = jax.config
    if config.jax_compilation_cache_dir is not None or not config.jax_enable_compilation_cache:
        return
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_oldest(folder)
    except OSError:
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache", UserWarning)
    # The defaults keep only programs that took a second to compile; ours take 0.2 to 0.4 s.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def cache_folder() -> Path:
    """Where compiled programs are kept: the system's folder for caches, then entrena's, version and processor."""
    import jaxlib

    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "entrena" / f"jaxlib-{jaxlib.__version__}-{_processor()}"


def _processor() -> str:
    features = platform.machine() + platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        features += next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return hashlib.sha256(features.encode()).hexdigest()[:12]


def _remove_oldest(folder: Path) -> None:
    files = [
        (entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder) if entry.is_file()
    ]
    excess = sum(size for _, size, _ in files) - CACHE_BYTES
    for _, size, path in sorted(files):
        if excess <= 0:
            break
        with contextlib.suppress(FileNotFoundError):  # another process may have removed it
            os.unlink(path)
        excess -= size

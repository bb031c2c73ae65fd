"""One fit and transform of 1,000,000 × 100 numbers in a process of its own: seconds and memory as JSON.

python -m benchmarks.preprocessing_job LEARNER STEP
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import numpy as np

ROWS, COLUMNS, SEED = 1_000_000, 100, 0
KEPT = 50


def made(learner: str, step: str) -> Any:
    """The transformer of a learner for a step."""
    if learner == "entrena":
        from entrena.preprocessing import PrincipalComponents, TableTransformer

        return TableTransformer() if step == "scale" else PrincipalComponents(KEPT)
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    return StandardScaler() if step == "scale" else PCA(KEPT)


def data(rows: int) -> np.ndarray:
    """Correlated columns of different means and spreads, float32, row after row."""
    generator = np.random.default_rng(SEED)
    X = generator.standard_normal((rows, COLUMNS), np.float32)
    mixing = generator.standard_normal((COLUMNS, COLUMNS)).astype(np.float32) / np.sqrt(COLUMNS, dtype=np.float32)
    for first in range(0, rows, 50_000):
        X[first : first + 50_000] = X[first : first + 50_000] @ mixing
    X *= np.linspace(0.1, 10, COLUMNS, dtype=np.float32)
    X += np.arange(COLUMNS, dtype=np.float32)
    return X


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    learner, step = sys.argv[1:]
    made(learner, step).fit_transform(data(1_000))  # imports and first calls are not what is measured
    X = data(ROWS)
    before = peak_bytes()
    transformer = made(learner, step)
    start = time.perf_counter()
    transformer.fit(X)
    fitted = time.perf_counter()
    Z = transformer.transform(X)
    end = time.perf_counter()
    assert Z.dtype == np.float32
    assert len(Z) == ROWS
    more = (peak_bytes() - before) / X.nbytes
    print(json.dumps({"fit": fitted - start, "transform": end - fitted, "arrays": more}))


if __name__ == "__main__":
    main()

"""One fit and transform of 1,000,000 × 100 numbers in a process of its own: seconds and memory as JSON.

python -m benchmarks.preprocessing_job LEARNER STEP
python -m benchmarks.preprocessing_job file PATH
python -m benchmarks.preprocessing_job write PATH
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
PARTS = 5  # of the file, as many rows each


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


def fit_file(path: str) -> None:
    """Components of a Parquet file: seconds, and what memory it takes, in arrays of the file's numbers."""
    from entrena.preprocessing import PrincipalComponents

    PrincipalComponents(KEPT).fit(data(1_000))
    before = peak_bytes()
    start = time.perf_counter()
    found = PrincipalComponents(KEPT).fit(path)
    seconds = time.perf_counter() - start
    size = found.n_samples_ * COLUMNS * 4
    print(json.dumps({"fit": seconds, "rows": found.n_samples_, "arrays": (peak_bytes() - before) / size}))


def write_file(path: str, parts: int) -> None:
    """A Parquet file of `parts` times 1,000,000 × 100 numbers, written part by part."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"x{k}" for k in range(COLUMNS)]
    writer = None
    for part in range(parts):
        X = data(ROWS) + np.float32(part)
        table = pa.table({name: X[:, k] for k, name in enumerate(names)})
        writer = writer or pq.ParquetWriter(path, table.schema, compression="lz4")
        writer.write_table(table, row_group_size=2**17)
    assert writer is not None
    writer.close()


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    learner, step = sys.argv[1:]
    if learner == "write":
        write_file(step, PARTS)
        return
    if learner == "file":
        fit_file(step)
        return
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
    del Z
    start_again = time.perf_counter()
    transformer.transform(X)
    again = time.perf_counter() - start_again
    print(json.dumps({"fit": fitted - start, "transform": end - fitted, "again": again, "arrays": more}))


if __name__ == "__main__":
    main()

"""The usual pipeline in front of a learner that wants numbers without gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def encoder(*, scale: bool = True) -> Any:
    """Median and StandardScaler for numbers, a level of its own for gaps and OneHotEncoder for categories; dense."""
    numbers = [SimpleImputer(strategy="median", keep_empty_features=True)]
    if scale:
        numbers.append(StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return make_column_transformer(
        (make_pipeline(*numbers), make_column_selector(dtype_include=np.number)),
        (categories, make_column_selector(dtype_exclude=np.number)),
    )

"""The job of `entrena train NAME --json` as a scikit-learn script: load, split, scale, train, score.

python benchmarks/scikit_script.py digits 128,64 32 100
"""

import json
import sys
import warnings

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

name, hidden, batch_size, n_epochs = sys.argv[1:]
warnings.simplefilter("ignore")
X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X.astype(np.float32), y, test_size=0.2, stratify=y, random_state=0)
scaler = StandardScaler().fit(X_train)
model = MLPClassifier(
    tuple(map(int, hidden.split(","))),
    batch_size=int(batch_size),
    max_iter=int(n_epochs),
    tol=0.0,
    n_iter_no_change=int(n_epochs),
    random_state=0,
)
model.fit(scaler.transform(X_train), y_train)
print(json.dumps({"n_epochs": model.n_iter_, "accuracy": model.score(scaler.transform(X_test), y_test)}))

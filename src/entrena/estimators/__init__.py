"""The scikit-learn face: estimators whose parameters are the recipe's names, and `load`.

An estimator stores what it is given and does nothing else until `fit`; learned attributes end in an underscore. What
`fit` does is `entrena.fitting`'s, the same as for the command line.
"""

from entrena.estimators.classifier import NetworkClassifier
from entrena.estimators.loading import load
from entrena.estimators.regressor import NetworkRegressor

__all__ = ["NetworkClassifier", "NetworkRegressor", "load"]

"""Images as inputs: which choices have no meaning for them, and what augmentation needs of a preprocessor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from entrena.errors import Problem, RecipeError
from entrena.preprocessing.augmentation import Augmentation, Image, too_little
from entrena.preprocessing.preprocessor import Preprocessor
from entrena.preprocessing.settings import InputSettings


def augmentation_of(settings: InputSettings, image: Image | None) -> Augmentation | None:
    """How images are changed in training; None: not at all.

    Args:
        settings: The recipe's section.
        image: Height, width and channels; None: the inputs are no images.

    Raises:
        RecipeError: Choices that do not fit images, or augmentation of what is none.
    """
    if image is None:
        if settings.augment is None:
            return None
        said = "changes images, and these inputs are columns of a table: leave it out, or say that they are pixels "
        raise RecipeError([Problem("inputs.augment", said + "(--image 28x28; in Python hand in [n, height, width])")])
    problems = []
    if settings.transform.name != "none":
        said = f"'{settings.transform.name}' bends each column by itself, and all pixels share one unit: leave it out"
        problems.append(Problem("inputs.transform", said))
    if settings.scale.name == "robust":
        said = "'robust' goes by each column's quartiles, and all pixels share one scale: take standard or min_max"
        problems.append(Problem("inputs.scale", said))
    augmentation = None
    if settings.augment is not None:
        augmentation = Augmentation(image, tuple(settings.augment.items()))
        wrong = too_little(augmentation)
        problems += [Problem("inputs.augment", wrong)] if wrong else []
    if problems:
        raise RecipeError(problems)
    return augmentation


def before_augmentation(preprocessor: Preprocessor) -> tuple[Preprocessor, np.ndarray, np.ndarray | None]:
    """A preprocessor in two steps: one that scales only, and what is done to images once they are changed.

    Returns:
        The one that scales; [pixels] what is taken off then; [pixels, inputs] what is multiplied with, or None.
    """
    scales = replace(preprocessor, rotation=None, shift=np.zeros_like(preprocessor.shift))
    shift, rotation = preprocessor.shift / preprocessor.scale, preprocessor.rotation
    if rotation is None:
        return scales, shift, None
    return scales, shift + rotation.components.mean, rotation.matrix

"""How the networks of a framework are written for people, as a file that works without this project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.training.trainer import Weights

Predict = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""(rows, features) to (rows, classes) probabilities."""


@dataclass(frozen=True, kw_only=True)
class SavedModel:
    """One way to write networks. To add one: name it as ``saved_model`` in a framework's record.

    Attributes:
        file: name of the file or folder.
        sentence: what it is, for the model card; after its name and "is", with ``{outputs}`` where the names
            of the outputs belong.
        save: writes it: ``save(path, weights, activation)``; not called from several threads at once.
        load: reads it again: ``load(path)`` gives what predicts. Only for weights that are no multilayer
            perceptron's, whose probabilities are computed without.
        packages: distributions that reading it needs.
        needs: what else that is, for a person.
        modules: of the standard library, that ``loading`` uses.
        imports, loading, scoring: lines of the example program: its imports, what it makes of the file in the
            folder ``here``, and the body of ``probabilities(inputs)``, which calls ``features(one)``. Where
            they are left out they use ``load``.
    """

    file: str
    save: Callable[[Path, Weights, str], None]
    load: Callable[[Path], Predict] | None = None
    sentence: str = ""
    packages: tuple[str, ...] = ("numpy",)
    needs: str = ""
    modules: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    loading: tuple[str, ...] = ()
    scoring: tuple[str, ...] = ()

"""Drawn data sets on which it is known what a trainer must achieve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from studies.data.split import Rows, Split


def drawn_split(
    shares: Sequence[float] = (0.8, 0.2),
    features: int = 8,
    rows: int = 300,
    distance: float = 4.0,
    seed: int = 5,
) -> Split:
    """Normal clouds, one a class, whose centres lie ``distance`` standard deviations or more apart.

    300 training rows are no multiple of any usual batch size, so that there is a partial last batch.
    """
    generator = np.random.default_rng(seed)
    centres = np.eye(len(shares), features) * distance

    def draw(count: int) -> Rows:
        labels = _labels(generator, shares, count)
        clouds = centres[labels] + generator.standard_normal((count, features))
        return Rows(features=clouds.astype(np.float32), labels=labels)

    return Split(
        train=draw(rows),
        validation=draw(200),
        test=draw(200),
        classes=tuple(f"class {number}" for number in range(len(shares))),
        positive=int(np.argmin(shares)),
        content_hash=f"drawn-{len(shares)}-{features}-{rows}-{distance}-{seed}",
    )


def _labels(generator: Generator, shares: Sequence[float], count: int) -> NDArray[np.int64]:
    """Each class with its share of the rows, rounded, in an order without meaning."""
    bounds = np.rint(np.cumsum(shares) * count).astype(int)
    labels = np.searchsorted(bounds, np.arange(count), side="right")
    return generator.permutation(labels).astype(np.int64)

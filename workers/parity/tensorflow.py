"""TensorFlow's side of the parity: the network in float64, and training in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studies.data.split import Rows
from workers.solvers.mllib import BLOCK_SIZE
from workers.tensorflow.network import logits
from workers.tensorflow.objective import FullBatchObjective, FullBatchRows, mllib_row_weights
from workers.tensorflow.setup import tf
from workers.training.network import ROWS_AT_ONCE, flatten
from workers.training.trainer import Weights


def probabilities(weights: Weights, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """(rows, classes) of the trainer's own layers, all of it in float64."""
    double = [tf.constant(array, tf.float64) for array in weights]
    blocks = []
    for first in range(0, max(len(features), 1), ROWS_AT_ONCE):
        block = tf.constant(features[first : first + ROWS_AT_ONCE], tf.float64)
        blocks.append(tf.nn.softmax(logits(double, block)).numpy())
    return np.concatenate(blocks)


def objective(weights: Weights, rows: Rows, layers: Sequence[int], partitions: int) -> float:
    """What MLlib minimises on rows in so many partitions, at these weights, in float64."""
    row_weights = mllib_row_weights(len(rows), BLOCK_SIZE, partitions)
    value, _ = FullBatchObjective(FullBatchRows(rows, "float64"), layers, row_weights)(flatten(weights))
    return value

"""Memory of a worker process that runs 500 TensorFlow trials, nearly each of another shape than all before.

What is measured is memory of the process's own (anonymous pages), which files that it maps don't count in.
The trials are of ten optimizers, three batch sizes, three activations, with and without dropout, three
networks and two numbers of rows. So most of them compile a program of their own; their networks are small,
because what is left behind by compiling is looked for, not what a network needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import psutil
from _figures import Figure, run

from studies.configuration import FULL_BATCH, Configuration
from studies.data.split import Rows, Split
from workers.tensorflow_trainer import OPTIMIZERS, TensorFlowTrainer
from workers.trainer import Deadline

TRIALS = 500
SETTLED = 50
"""Trials after which the process counts as having what it needs."""

EPOCHS = 2
NETWORKS = ((8,), (16,), (12, 6))
ROWS = (200, 260)


def measure() -> Sequence[Figure]:
    """All figures."""
    trainers = {
        (hidden, rows): TensorFlowTrainer(_split(rows), hidden)
        for hidden, rows in itertools.product(NETWORKS, ROWS)
    }
    kinds, after = set(), [_own_memory()]
    for number, (where, configuration) in enumerate(_trials()):
        trainer = trainers[where]
        begun = trainer.begin(configuration, number)
        state = trainer.advance(configuration, number, begun, EPOCHS, Deadline())
        trainer.predict(state, np.zeros((10, 6), np.float32))
        kinds.add((where, configuration.key()))
        after.append(_own_memory())
    return [
        Figure("trials", TRIALS, ""),
        Figure("of different kinds", len(kinds), ""),
        Figure("memory before the first", after[0], "MB"),
        Figure(f"memory after {SETTLED}", after[SETTLED], "MB"),
        *[Figure(f"memory after {count}", after[count], "MB") for count in range(100, TRIALS + 1, 100)],
        Figure(
            f"highest after the first {SETTLED}, above that after {SETTLED}",
            max(after[SETTLED:]) - after[SETTLED],
            "MB",
            at_most=200.0,
        ),
    ]


def _trials() -> Iterator[tuple[tuple[tuple[int, ...], int], Configuration]]:
    draw = np.random.default_rng(0)
    for _ in range(TRIALS):
        where = NETWORKS[draw.integers(len(NETWORKS))], ROWS[draw.integers(len(ROWS))]
        optimizer = OPTIMIZERS[draw.integers(len(OPTIMIZERS))]
        choices = {
            "framework": "tensorflow",
            "initialisation": "glorot_uniform",
            "optimizer": optimizer,
            "epochs": EPOCHS,
            "activation": ("sigmoid", "tanh", "relu")[draw.integers(3)],
            "learning_rate": 0.001,
        }
        if optimizer not in FULL_BATCH:
            choices |= {"batch_size": (16, 32, 64)[draw.integers(3)], "dropout": (0.0, 0.2)[draw.integers(2)]}
        yield where, Configuration(**choices)


def _own_memory() -> float:
    memory = psutil.Process().memory_info()
    return (memory.rss - memory.shared) / 1e6


def _split(rows: int) -> Split:
    draw = np.random.default_rng(rows)
    labels = (np.arange(rows) % 5 == 0).astype(np.int64)
    features = (draw.normal(size=(rows, 6)) + labels[:, None]).astype(np.float32)
    some = Rows(features, labels)
    return Split(
        train=some, validation=some, test=some, classes=("no", "yes"), positive=1, content_hash=f"{rows}"
    )


if __name__ == "__main__":
    run(__doc__ or "", measure)

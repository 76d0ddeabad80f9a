"""Trains and evaluates the same network in both frameworks, and compares the results.

The runs are those of a search: :class:`workers.spark.trainer.SparkTrainer` and
:class:`workers.tensorflow.full_batch.FullBatchTraining`, the latter in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from studies.data.split import Rows, Split
from studies.space.configuration import Configuration
from workers.parity import spark as parity_spark
from workers.parity import tensorflow as parity_tensorflow
from workers.parity.comparisons import (
    COMPARED_ITERATIONS,
    SAME_NUMBERS,
    SAME_WEIGHTS,
    Comparison,
    Section,
    compare_final_f1,
    compare_objectives,
    compare_paths,
    compare_scores,
    compare_weights,
    largest_difference,
    parting,
    relative_differences,
)
from workers.parity.spark import SparkNetwork
from workers.solvers.mllib import BLOCK_SIZE, PARTITIONS
from workers.spark.trainer import SparkTrainer
from workers.tensorflow.full_batch import FullBatchTraining
from workers.tensorflow.objective import mllib_block_sizes
from workers.training.initialisation import initial_weights
from workers.training.network import forward
from workers.training.scores import score
from workers.training.trainer import Deadline, State, Weights, layer_sizes

INITIALISATION = "spark_uniform"
"""MLlib's own."""

DESCENT_STEPS = 20
"""Steps of gradient descent."""

LBFGS_ITERATIONS = 100
"""Iterations of l-bfgs, at most."""

EVEN_ROWS = 8 * BLOCK_SIZE
"""Rows of the run of gradient descent without a short last block, at most."""

STEPS = tuple(0.5 * 10.0**-tenths for tenths in range(8))
"""Step sizes that gradient descent is tried with, the largest first."""

NO_DEADLINE = Deadline()

Announce = Callable[[str], None]
"""Called with what is being done next."""


@dataclass(frozen=True)
class Subject:
    """What both frameworks train.

    Attributes:
        split: its training rows train, its validation rows are scored.
        hidden: units of each hidden layer, all sigmoid.
        seed: of the initial weights.
        directory: where rows are written for Spark.
        trainers: Spark's, by their number of rows: each has them in Spark's memory.
    """

    split: Split
    hidden: tuple[int, ...]
    seed: int
    directory: Path
    trainers: dict[int, SparkTrainer] = field(default_factory=dict, compare=False)

    @property
    def layers(self) -> tuple[int, ...]:
        """(features, *hidden, classes)."""
        return layer_sizes(self.split, self.hidden)

    def start(self) -> State:
        """The state that both begin from."""
        return State(0, initial_weights(INITIALISATION, self.layers, self.seed))

    def first(self, rows: int) -> Split:
        """The split with the first training rows alone."""
        train = self.split.train
        return replace(self.split, train=Rows(train.features[:rows], train.labels[:rows]))

    def spark(self, configuration: Configuration, rows: int) -> State:
        """Where Spark arrives from the start, on the first training rows."""
        if rows not in self.trainers:
            directory = self.directory / f"train-{rows}"
            self.trainers[rows] = SparkTrainer(self.first(rows), self.hidden, directory)
        return self.trainers[rows].advance(
            configuration, self.seed, self.start(), configuration.epochs, NO_DEADLINE
        )

    def tensorflow(self, configuration: Configuration, rows: int, start: State | None = None) -> State:
        """Where TensorFlow arrives, in float64."""
        training = FullBatchTraining(self.first(rows).train, self.layers, "float64")
        return training.advance(configuration, start or self.start(), configuration.epochs, NO_DEADLINE)

    def scored(self) -> Rows:
        """Training and validation rows. Test rows are for the report of a search."""
        train, validation = self.split.train, self.split.validation
        return Rows(
            np.concatenate([train.features, validation.features]),
            np.concatenate([train.labels, validation.labels]),
        )


def compare(subject: Subject, announce: Announce) -> tuple[Section, ...]:
    """All comparisons, those of the same weights first.

    Raises:
        TrainingFailed: where one of the frameworks can't train on these rows.
        MachineError: where Spark can't be started.
    """
    announce("starting Spark, and loading the rows")
    rows = subject.scored()
    network = SparkNetwork(rows, subject.layers)
    descent, descended = compare_descent(subject, announce)
    lbfgs, trained = compare_lbfgs(subject, announce)
    weights = {
        "initial": subject.start().weights,
        "after gd": descended.weights,
        "after l-bfgs": trained.weights,
    }
    return (*compare_networks(subject, rows, network, weights, announce), descent, lbfgs)


def compare_networks(
    subject: Subject, rows: Rows, network: SparkNetwork, weights: dict[str, Weights], announce: Announce
) -> tuple[Section, Section]:
    """Probabilities, objective and scores at the same weights, the largest difference over all of them.

    Args:
        subject: whose network it is.
        rows: to be predicted.
        network: Spark's, on these rows.
        weights: by what they are called.
        announce: see :data:`Announce`.
    """
    apart: dict[str, list[float]] = {"TensorFlow": [], "NumPy": []}
    objectives, scores, areas = [], [], []
    positive = subject.split.positive
    for name, values in weights.items():
        announce(f"predicting and scoring {len(rows):,} rows with the weights {name}")
        seen = network.at(values)
        of_tensorflow = parity_tensorflow.probabilities(values, rows.features)
        apart["TensorFlow"].append(largest_difference(of_tensorflow, seen.probabilities))
        apart["NumPy"].append(largest_difference(forward(values, rows.features), seen.probabilities))
        value = parity_tensorflow.objective(values, rows, subject.layers, parity_spark.PARTITIONS)
        objectives.append((value, seen.objective))
        theirs, area = network.scores(seen, positive)
        ours = score(rows.labels, seen.probabilities, positive)
        scores.append((ours, theirs))
        areas.append((ours.average_precision, area))
    probabilities = [
        Comparison(f"probabilities, {name} and Spark", max(differences), SAME_NUMBERS)
        for name, differences in apart.items()
    ]
    objective = compare_objectives("objective, TensorFlow and Spark", *zip(*objectives, strict=True))
    return (
        Section(
            f"The same weights, on {len(rows):,} rows; weights {', '.join(weights)}",
            (*probabilities, objective),
        ),
        Section(
            "Our scores and Spark's, of the same probabilities; rows and weights as above",
            tuple(compare_scores(scores, {"average_precision": _area_note(areas)})),
        ),
    )


def compare_descent(subject: Subject, announce: Announce) -> tuple[Section, State]:
    """Gradient descent, with blocks of one size and of two, and where Spark arrives with the latter."""
    count = len(subject.split.train)
    uneven, even = uneven_rows(count), even_rows(min(count, EVEN_ROWS))
    step = falling_step(subject, uneven)
    comparisons = []
    for rows in (even, uneven):
        announce(f"gd: {DESCENT_STEPS} steps of {step:g} on {rows:,} rows")
        ours = subject.tensorflow(_configuration("tensorflow", "gd", DESCENT_STEPS, step), rows)
        theirs = subject.spark(_configuration("spark", "gd", DESCENT_STEPS, step), rows)
        losses = relative_differences(ours.losses, theirs.losses)
        where = blocks_text(rows)
        comparisons += [
            compare_weights(f"weights, {where}", ours.weights, theirs.weights),
            Comparison(f"objectives, {where}", float(losses.max()), SAME_WEIGHTS, relative=True),
        ]
    title = f"gd, {DESCENT_STEPS} steps of {step:g}, on {even:,} and on {uneven:,} rows"
    return Section(title, tuple(comparisons)), theirs


def compare_lbfgs(subject: Subject, announce: Announce) -> tuple[Section, State]:
    """l-bfgs, and where Spark arrives.

    It is compared with TensorFlow against itself from a start one bit away: two runs that part as soon as
    those part by rounding alone.
    """
    count = len(subject.split.train)
    announce(f"l-bfgs: up to {LBFGS_ITERATIONS} iterations on {count:,} rows, in TensorFlow")
    asked = _configuration("tensorflow", "l-bfgs", LBFGS_ITERATIONS)
    ours = subject.tensorflow(asked, count)
    beside = subject.tensorflow(asked, count, one_bit_away(subject.start()))
    announce(f"l-bfgs: up to {LBFGS_ITERATIONS} iterations on {count:,} rows, in Spark")
    theirs = subject.spark(_configuration("spark", "l-bfgs", LBFGS_ITERATIONS), count)
    path = f"{COMPARED_ITERATIONS} objectives"
    itself = "TensorFlow and TensorFlow from a start one bit away"
    comparisons = [
        compare_paths(f"{path}, TensorFlow and Spark", "TensorFlow and Spark", ours.losses, theirs.losses),
        replace(
            compare_paths(f"{path}, TensorFlow, one bit away", itself, beside.losses, ours.losses),
            bound=None,
        ),
    ]
    parted = parting(ours.losses, theirs.losses)
    if parted is None:
        comparisons.append(_final_f1(subject, "where they end", ours, theirs))
    else:
        # From there on they are two runs, whose ends agree only by luck.
        announce(f"l-bfgs: {parted - 1} iterations, before the two part")
        near = subject.tensorflow(_configuration("tensorflow", "l-bfgs", parted - 1), count)
        far = subject.spark(_configuration("spark", "l-bfgs", parted - 1), count)
        comparisons += [
            _final_f1(subject, f"after {parted - 1} iterations", near, far),
            replace(_final_f1(subject, "where they end", ours, theirs), bound=None),
        ]
    title = f"l-bfgs, up to {LBFGS_ITERATIONS} iterations on {count:,} rows"
    return Section(title, tuple(comparisons)), theirs


def falling_step(subject: Subject, rows: int) -> float:
    """The largest of :data:`STEPS` with which the objective never rises; the smallest where it always does.

    With too long a step it oscillates, which amplifies differences of rounding.
    """
    start = subject.start()
    train = subject.first(rows).train
    before_any = parity_tensorflow.objective(start.weights, train, subject.layers, PARTITIONS)
    for step in STEPS:
        losses = subject.tensorflow(_configuration("tensorflow", "gd", DESCENT_STEPS, step), rows).losses
        if all(after <= before for before, after in pairwise((before_any, *losses))):
            return step
    return STEPS[-1]


def uneven_rows(count: int) -> int:
    """The most rows, of so many, that MLlib cuts into blocks of different sizes; 3 or more have such."""
    return next(rows for rows in range(count, 2, -1) if not _even(rows))


def even_rows(count: int) -> int:
    """The most rows, of so many, that MLlib cuts into blocks of one size; 2 or more have such."""
    return next(rows for rows in range(count, 1, -1) if _even(rows))


def blocks_text(rows: int) -> str:
    """``blocks of 128 and 20``: the sizes of the blocks that MLlib cuts so many rows into."""
    sizes = sorted(set(_block_sizes(rows)), reverse=True)
    return f"blocks of {' and '.join(str(size) for size in sizes)}"


def one_bit_away(state: State) -> State:
    """The same with the next larger number for the first weight."""
    W, *others = state.weights
    moved = np.array(W)
    moved[0, 0] = np.nextafter(moved[0, 0], np.inf)
    return replace(state, weights=(moved, *others))


def _final_f1(subject: Subject, when: str, ours: State, theirs: State) -> Comparison:
    validation = subject.split.validation
    return compare_final_f1(
        f"F1 on {len(validation):,} validation rows, {when}",
        validation.labels,
        subject.split.positive,
        forward(ours.weights, validation.features),
        forward(theirs.weights, validation.features),
    )


def _block_sizes(rows: int) -> list[int]:
    return mllib_block_sizes(rows, BLOCK_SIZE, PARTITIONS)


def _even(rows: int) -> bool:
    return len(set(_block_sizes(rows))) == 1


def _configuration(framework: str, optimizer: str, epochs: int, step: float | None = None) -> Configuration:
    return Configuration(framework, INITIALISATION, optimizer, epochs, learning_rate=step)


def _area_note(areas: Sequence[tuple[float, float]]) -> str:
    """Spark's score that comes nearest, at the last of the weights."""
    ours, theirs = areas[-1]
    return (
        f"Spark's areaUnderPR is another score: straight lines between the points where average_precision "
        f"takes steps; {theirs:.6f} and {ours:.6f} with the last weights"
    )

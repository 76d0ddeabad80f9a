"""Both frameworks train the same network: on drawn layers, seeds, rows and classes, against real Spark."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workers.tensorflow.full_batch as full_batch
from studies.records.reports import Scores
from studies.space.configuration import Configuration
from workers.contract import drawn_split
from workers.parity import tensorflow as parity_tensorflow
from workers.parity.comparisons import (
    SAME_NUMBERS,
    Section,
    compare_paths,
    compare_scores,
    compare_weights,
    largest_difference,
)
from workers.parity.runs import (
    STEPS,
    Subject,
    compare_descent,
    compare_lbfgs,
    compare_networks,
    even_rows,
    falling_step,
    one_bit_away,
    uneven_rows,
)
from workers.parity.spark import Seen, SparkNetwork
from workers.solvers.mllib import BLOCK_SIZE, PARTITIONS
from workers.tensorflow.full_batch import FullBatchTraining
from workers.tensorflow.objective import mllib_block_sizes
from workers.training.initialisation import SCHEMES, initial_weights
from workers.training.network import cross_entropy
from workers.training.scores import score
from workers.training.trainer import Deadline, State

# Each drawn example is a handful of fits; a loaded machine takes minutes for all of them.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NO_DEADLINE = Deadline()
SHARES = {2: (0.7, 0.3), 3: (0.5, 0.3, 0.2), 4: (0.4, 0.3, 0.2, 0.1)}
GD = Configuration("spark", "spark_uniform", "gd", 20, learning_rate=0.5)
LBFGS = Configuration("spark", "spark_uniform", "l-bfgs", 10)


def quiet(_text: str) -> None:
    pass


@dataclass(frozen=True)
class Drawn:
    """What a subject is made from, as Hypothesis prints it where one fails."""

    classes: int
    features: int
    hidden: tuple[int, ...]
    rows: int
    seed: int

    @contextmanager
    def subject(self) -> Iterator[Subject]:
        # Clouds that overlap: neither told apart at once nor never.
        split = drawn_split(SHARES[self.classes], self.features, self.rows, distance=2.0, seed=self.seed)
        with tempfile.TemporaryDirectory() as directory:
            yield Subject(split, self.hidden, self.seed, Path(directory))


drawn_ones = st.builds(
    Drawn,
    classes=st.sampled_from(sorted(SHARES)),
    features=st.integers(1, 12),
    hidden=st.lists(st.integers(1, 9), min_size=1, max_size=2).map(tuple),
    rows=st.integers(20, 700),
    seed=st.integers(0, 2**31 - 1),
)


def assert_same(*sections: Section) -> None:
    differ = [
        f"{one.what}: {one.difference}" for section in sections for one in section.comparisons if not one.same
    ]
    assert differ == []


@settings(max_examples=3, derandomize=True)
@given(drawn=drawn_ones, scheme=st.sampled_from(sorted(SCHEMES)), scale=st.floats(0.1, 8.0))
def test_the_same_weights_say_the_same(drawn: Drawn, scheme: str, scale: float) -> None:
    with drawn.subject() as subject:
        rows = subject.scored()
        weights = tuple(scale * array for array in initial_weights(scheme, subject.layers, subject.seed))
        network = SparkNetwork(rows, subject.layers)
        assert_same(*compare_networks(subject, rows, network, {"drawn": weights}, quiet))


@settings(max_examples=3, derandomize=True)
@given(drawn=drawn_ones)
def test_both_go_the_same_way(drawn: Drawn) -> None:
    with drawn.subject() as subject:
        descent, _ = compare_descent(subject, quiet)
        lbfgs, _ = compare_lbfgs(subject, quiet)
        assert_same(descent, lbfgs)


@given(count=st.integers(3, 3000))
def test_rows_are_cut_into_blocks_of_one_size_and_of_several(count: int) -> None:
    even, uneven = even_rows(count), uneven_rows(count)
    assert count - 2 * BLOCK_SIZE < even <= count
    assert count - 1 <= uneven <= count
    assert len(set(mllib_block_sizes(even, BLOCK_SIZE, PARTITIONS))) == 1
    assert len(set(mllib_block_sizes(uneven, BLOCK_SIZE, PARTITIONS))) > 1


# That each comparison can fail: Spark's numbers against others that are wrong in one way.


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    split = drawn_split((0.7, 0.3), rows=333, distance=2.0)
    return Subject(split, (5,), 3, tmp_path_factory.mktemp("spark"))


@pytest.fixture(scope="module")
def descended(subject: Subject) -> State:
    return subject.spark(GD, 333)


@pytest.fixture(scope="module")
def iterated(subject: Subject) -> State:
    return subject.spark(LBFGS, 333)


@pytest.fixture(scope="module")
def seen(subject: Subject, descended: State) -> tuple[Seen, Scores]:
    """What Spark says of the validation rows with the weights after gd."""
    network = SparkNetwork(subject.split.validation, subject.layers)
    seen = network.at(descended.weights)
    return seen, network.scores(seen, subject.split.positive)[0]


def test_a_weight_that_is_another_is_found_in_the_probabilities(
    subject: Subject, descended: State, seen: tuple[Seen, Scores]
) -> None:
    features = subject.split.validation.features
    weights = descended.weights
    theirs = seen[0].probabilities
    assert largest_difference(parity_tensorflow.probabilities(weights, features), theirs) <= SAME_NUMBERS
    moved = (weights[0] + 1e-10 * (np.arange(weights[0].size) == 7).reshape(weights[0].shape), *weights[1:])
    assert largest_difference(parity_tensorflow.probabilities(moved, features), theirs) > SAME_NUMBERS


def test_two_labels_that_are_swapped_are_found_in_the_scores(
    subject: Subject, seen: tuple[Seen, Scores]
) -> None:
    theirs, of_spark = seen
    labels = subject.split.validation.labels.copy()
    positive = subject.split.positive
    assert all(
        one.same for one in compare_scores([(score(labels, theirs.probabilities, positive), of_spark)], {})
    )
    said = theirs.probabilities.argmax(axis=1)
    hit = np.flatnonzero((labels == positive) & (said == positive))[0]
    refused = np.flatnonzero((labels != positive) & (said != positive))[0]
    labels[hit], labels[refused] = labels[refused], labels[hit]
    found = compare_scores([(score(labels, theirs.probabilities, positive), of_spark)], {})
    assert not any(one.same for one in found)


def test_another_class_as_the_positive_one_is_found(subject: Subject, seen: tuple[Seen, Scores]) -> None:
    theirs, of_spark = seen
    labels = subject.split.validation.labels
    ours = score(labels, theirs.probabilities, 1 - subject.split.positive)
    differ = {one.what.split(",")[0] for one in compare_scores([(ours, of_spark)], {}) if not one.same}
    assert differ == {"f1", "precision", "recall", "average_precision"}


def test_blocks_of_another_size_are_found_in_the_weights(
    subject: Subject, descended: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compare_weights("gd", subject.tensorflow(GD, 333).weights, descended.weights).same
    monkeypatch.setattr(full_batch, "BLOCK_SIZE", BLOCK_SIZE // 2)
    found = compare_weights("gd", subject.tensorflow(GD, 333).weights, descended.weights)
    assert found.difference > 1e-6


def test_a_step_that_decays_is_found_in_the_weights(subject: Subject, descended: State) -> None:
    training = FullBatchTraining(subject.split.train, subject.layers, "float64")
    state = subject.start()
    for number in range(1, GD.epochs + 1):
        slower = replace(GD, learning_rate=0.5 / number**0.5)
        state = training.advance(slower, state, number, NO_DEADLINE)
    assert not compare_weights("gd", state.weights, descended.weights).same


def test_a_row_that_is_missing_is_found_in_the_weights(subject: Subject, descended: State) -> None:
    assert not compare_weights("gd", subject.tensorflow(GD, 332).weights, descended.weights).same


def nearly(state: State, relative: float) -> State:
    """The state with weights that are off by this much: in double precision, so alike on all processors."""
    return replace(state, weights=tuple(weights * (1.0 + relative) for weights in state.weights))


def test_a_start_that_is_off_by_some_millionths_is_found_in_the_path_of_l_bfgs(
    subject: Subject, iterated: State
) -> None:
    assert compare_paths("l-bfgs", "both", subject.tensorflow(LBFGS, 333).losses, iterated.losses).same
    ours = subject.tensorflow(LBFGS, 333, nearly(subject.start(), 3e-5))
    assert not compare_paths("l-bfgs", "both", ours.losses, iterated.losses).same


def test_another_start_is_found_in_the_path_of_l_bfgs(subject: Subject, iterated: State) -> None:
    elsewhere = replace(subject, seed=4).start()
    ours = subject.tensorflow(LBFGS, 333, elsewhere)
    assert not compare_paths("l-bfgs", "both", ours.losses, iterated.losses).same


def test_one_bit_away_is_one_bit_away(subject: Subject) -> None:
    start, moved = subject.start(), one_bit_away(subject.start())
    differ = [np.flatnonzero(a != b) for a, b in zip(start.weights, moved.weights, strict=True)]
    assert [len(places) for places in differ] == [1, 0, 0, 0]
    assert 0 < moved.weights[0][0, 0] - start.weights[0][0, 0] < 1e-15


def test_the_step_of_gd_is_the_longest_that_only_goes_down(subject: Subject) -> None:
    assert falling_step(subject, 333) == STEPS[0]
    wide = replace(subject, hidden=(300,), trainers={})
    step = falling_step(wide, 333)
    assert step in STEPS[1:]

    def falls(learning_rate: float) -> bool:
        losses = wide.tensorflow(replace(GD, learning_rate=learning_rate), 333).losses
        start = cross_entropy(wide.start().weights, wide.split.train.features, wide.split.train.labels)
        return all(after <= before for before, after in pairwise((1.1 * start, *losses)))

    assert falls(step)
    assert not falls(10 * step)


def test_where_the_paths_part_f1_is_held_to_its_bound_before_that(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A start that is off parts from Spark within a few iterations, where the same one takes a hundred.
    exact = Subject.tensorflow

    def off(self: Subject, configuration: Configuration, rows: int, start: State | None = None) -> State:
        return exact(self, configuration, rows, nearly(start or self.start(), 3e-5))

    monkeypatch.setattr(Subject, "tensorflow", off)
    section, trained = compare_lbfgs(subject, quiet)
    assert not section.same  # of the objectives
    *_, before, ends = section.comparisons
    parted = int(before.what.split(" after ")[1].split()[0])
    assert 0 <= parted < 10
    assert before.same
    assert before.bound is not None
    assert ends.bound is None
    assert trained.epoch == 100

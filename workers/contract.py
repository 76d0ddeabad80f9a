"""What every trainer must hold, as checks that somebody's own trainer can be held to as well::

    from workers.contract import check_trainer

    def test_my_trainer_keeps_its_promises(tmp_path):
        check_trainer("my_trainer:Centroids", directory, learning_rate=0.3, epochs=9)

The rest of the system knows nothing else of a trainer: one that passes can be cut at its rungs, and run again
after a kill, in threads and in processes.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from studies.data.split import Rows, Split
from studies.frameworks import find_framework
from studies.space.configuration import Configuration
from workers.checkpoints.format import from_bytes, to_bytes
from workers.trainers import make_trainer
from workers.training.checked import SUMS_WITHIN
from workers.training.trainer import Deadline, State, Trainer, TrainingFailed

SEED = 11

NO_DEADLINE = Deadline()

DEADLINES = (Deadline(at=0.0, clock=lambda: 1.0), Deadline(stopped=lambda: True))
"""One that has passed, and one of a driver that wants everything to stop."""


@dataclass(frozen=True)
class Subject:
    """A trainer, what it trains, and one whole run of it.

    Attributes:
        configuration: what is trained.
        split: on which rows.
        make: another trainer on the same rows.
    """

    configuration: Configuration
    split: Split
    make: Callable[[], Trainer]
    trainer: Trainer = field(init=False)
    final: State = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trainer", self.make())
        object.__setattr__(self, "final", self.run(self.begin(), self.configuration.epochs))

    def begin(self) -> State:
        """The state before the first epoch."""
        return self.trainer.begin(self.configuration, SEED)

    def run(self, state: State, epoch: int, deadline: Deadline = NO_DEADLINE) -> State:
        """Train until ``epoch``."""
        return self.trainer.advance(self.configuration, SEED, state, epoch, deadline)

    @property
    def wanted(self) -> tuple[int, ...]:
        """Epochs that a study would stop at."""
        last = self.configuration.epochs
        return tuple(sorted({1, min(3, last), last}))

    def rungs(self) -> tuple[int, ...]:
        """Those at which the trainer can."""
        return self.trainer.rungs(self.configuration, self.wanted)


def begins_at_epoch_0_without_losses(subject: Subject) -> None:
    """``begin`` gives a state of epoch 0 that has no losses."""
    state = subject.begin()
    assert (state.epoch, state.losses) == (0, ()), f"found epoch {state.epoch} and losses {state.losses}"


def counts_epochs_and_gives_at_most_one_loss_for_each(subject: Subject) -> None:
    """``advance`` arrives at the epoch that it was asked for, with one loss an epoch at most."""
    epochs = subject.configuration.epochs
    assert subject.final.epoch == epochs, f"asked for epoch {epochs}, found {subject.final.epoch}"
    assert len(subject.final.losses) <= epochs, f"found {len(subject.final.losses)} losses"


def keeps_the_shapes_of_the_weights_and_stays_finite(subject: Subject) -> None:
    """Weights keep their number and shapes, and hold finite numbers."""
    shapes = [array.shape for array in subject.final.weights]
    assert shapes == [array.shape for array in subject.begin().weights], f"shapes became {shapes}"
    assert all(np.isfinite(array).all() for array in subject.final.weights), "weights are not finite"


def training_to_an_epoch_already_done_changes_nothing(subject: Subject) -> None:
    """``advance`` to an epoch that is done gives the same state."""
    assert_same(subject.run(subject.final, subject.final.epoch), subject.final)


def leaves_the_state_it_was_given_as_it_was(subject: Subject) -> None:
    """``advance`` changes no array of the state that it is given."""
    state = subject.begin()
    before = pickle.dumps(state)
    subject.run(state, subject.rungs()[0])
    assert pickle.dumps(state) == before, "the state that was given has changed"


def another_trainer_gives_the_same_bits(subject: Subject) -> None:
    """The same configuration, seed and rows give the same bits from another trainer."""
    again = subject.make()
    state = again.begin(subject.configuration, SEED)
    epochs = subject.configuration.epochs
    assert_same(again.advance(subject.configuration, SEED, state, epochs, NO_DEADLINE), subject.final)


def trials_in_two_threads_do_not_see_each_other(subject: Subject) -> None:
    """Two trials in two threads of one process arrive where each would alone."""

    def train(seed: int) -> State:
        state = subject.trainer.begin(subject.configuration, seed)
        epochs = subject.configuration.epochs
        return subject.trainer.advance(subject.configuration, seed, state, epochs, NO_DEADLINE)

    with ThreadPoolExecutor(2) as threads:
        ours, _ = threads.map(train, (SEED, SEED + 1))
    assert_same(ours, subject.final)


def rungs_are_some_of_those_wanted_and_the_last(subject: Subject) -> None:
    """``rungs`` gives some of the wanted epochs, ascending, the last among them."""
    rungs = subject.rungs()
    assert rungs == tuple(sorted(set(rungs) & set(subject.wanted))), f"found {rungs}"
    assert rungs[-1] == subject.wanted[-1], f"the last is missing in {rungs}"


def stopping_at_every_rung_gives_the_same_bits(subject: Subject) -> None:
    """A training that stops at every rung arrives at the bits of one that doesn't."""
    state = subject.begin()
    for rung in subject.rungs():
        state = subject.run(state, rung)
    assert_same(state, subject.final)


def a_state_survives_pickling(subject: Subject) -> None:
    """A state that was pickled goes on with the same bits."""
    state = pickle.loads(pickle.dumps(subject.run(subject.begin(), subject.rungs()[0])))
    assert_same(subject.run(state, subject.configuration.epochs), subject.final)


def a_state_survives_a_checkpoint(subject: Subject) -> None:
    """A state that was written to a checkpoint goes on with the same bits."""
    stopped = subject.run(subject.begin(), subject.rungs()[0])
    state = from_bytes(to_bytes(3, "its identity", stopped), 3, "its identity", stopped.epoch)
    assert state is not None, "it can't be read again"
    assert_same(state, stopped)
    assert_same(subject.run(state, subject.configuration.epochs), subject.final)


def predictions_are_probabilities(subject: Subject) -> None:
    """``predict`` gives (rows, classes) float64 in [0, 1], each row summing to 1."""
    for rows in (subject.split.train, subject.split.validation, subject.split.test):
        found = subject.trainer.predict(subject.final, rows.features)
        shape = (len(rows), len(subject.split.classes))
        is_so = found.shape == shape and found.dtype == np.float64
        assert is_so, f"found {found.dtype} of {found.shape}, not float64 of {shape}"
        assert ((found >= 0) & (found <= 1)).all(), "some are not in [0, 1]"
        assert np.abs(found.sum(axis=1) - 1.0).max() <= SUMS_WITHIN, "some rows don't sum to 1"


def a_row_is_predicted_the_same_whatever_rows_are_beside_it(subject: Subject) -> None:
    """``predict`` looks at each row by itself."""
    features = subject.split.test.features
    together = subject.trainer.predict(subject.final, features)
    alone = subject.trainer.predict(subject.final, features[17:18])
    alike = np.allclose(alone, together[17:18], rtol=0, atol=1e-5)
    assert alike, f"{alone} alone, {together[17]} with others"


def an_initial_state_can_be_predicted_with(subject: Subject) -> None:
    """``predict`` takes the state before the first epoch too."""
    found = subject.trainer.predict(subject.begin(), subject.split.test.features)
    assert np.isfinite(found).all(), "some probabilities are not finite"


def a_deadline_ends_the_training_with_a_timeout(subject: Subject) -> None:
    """``advance`` asks ``deadline.check(epoch)`` before each epoch."""
    for deadline in DEADLINES:
        cause = ""
        try:
            subject.run(subject.begin(), subject.configuration.epochs, deadline)
        except TrainingFailed as failed:
            cause = failed.failure.cause
        assert cause == "timeout", "it trained on after its deadline"
    assert_same(subject.run(subject.begin(), subject.configuration.epochs), subject.final)


def names_its_device(subject: Subject) -> None:
    """``device`` is a text."""
    assert isinstance(subject.trainer.device, str), f"found {type(subject.trainer.device).__name__}"
    assert subject.trainer.device, "it is empty"


PROMISES: tuple[Callable[[Subject], None], ...] = (
    begins_at_epoch_0_without_losses,
    counts_epochs_and_gives_at_most_one_loss_for_each,
    keeps_the_shapes_of_the_weights_and_stays_finite,
    training_to_an_epoch_already_done_changes_nothing,
    leaves_the_state_it_was_given_as_it_was,
    another_trainer_gives_the_same_bits,
    trials_in_two_threads_do_not_see_each_other,
    rungs_are_some_of_those_wanted_and_the_last,
    stopping_at_every_rung_gives_the_same_bits,
    a_state_survives_pickling,
    a_state_survives_a_checkpoint,
    predictions_are_probabilities,
    a_row_is_predicted_the_same_whatever_rows_are_beside_it,
    an_initial_state_can_be_predicted_with,
    a_deadline_ends_the_training_with_a_timeout,
    names_its_device,
)
"""Each takes a :class:`Subject`, and raises ``AssertionError`` where its trainer breaks it."""


def check_trainer(
    name: str,
    directory: str | Path,
    *,
    hidden: Sequence[int] = (6,),
    split: Split | None = None,
    **choices: Any,
) -> None:
    """Hold a trainer to every promise.

    Args:
        name: as a study file names it.
        directory: where that file would be.
        hidden: units of each hidden layer, as ``[model]`` has them.
        split: rows to train on; by default two classes that are easily separated.
        choices: the configuration: ``epochs``, and the hyperparameters that the framework uses.

    Raises:
        AssertionError: the first promise that is broken, and what was found.
        PluginError: where the trainer can't be imported, or returns what no trainer may.
    """
    framework, rows = find_framework(name, Path(directory), "check_trainer"), split or drawn_split()
    configuration = Configuration.from_dict({"framework": name, "epochs": 9, **choices})
    subject = Subject(configuration, rows, lambda: make_trainer(framework, rows, hidden, Path(directory)))
    for promise in PROMISES:
        try:
            promise(subject)
        except AssertionError as broken:
            raise AssertionError(f"{name} breaks a promise: {promise.__doc__} But {broken}") from None


def assert_same(found: State, expected: State) -> None:
    """Two states are the same, bit by bit."""
    assert found.epoch == expected.epoch, f"epoch {found.epoch} is not {expected.epoch}"
    assert found.losses == expected.losses, "the losses differ"
    assert same_arrays(found.weights, expected.weights), "the weights differ"
    assert set(found.slots) == set(expected.slots), "the slots have other names"
    pairs = [(found.slots[name], expected.slots[name]) for name in expected.slots]
    assert all(np.array_equal(*pair) for pair in pairs), "the slots differ"


def same_arrays(found: Sequence[NDArray[Any]], expected: Sequence[NDArray[Any]]) -> bool:
    """Whether two lists of arrays are equal, bit by bit."""
    return len(found) == len(expected) and all(map(np.array_equal, found, expected))


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

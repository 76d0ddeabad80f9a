from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workers.checkpoints.checkpoints import Checkpoints
from workers.tensorflow.setup import keras
from workers.training.early_stopping import describe, is_out_of_patience, left_by, with_best, with_score
from workers.training.trainer import State

SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=30)


def trained(epoch: int, before: State) -> State:
    """As a trainer does it: other weights, all else kept."""
    return State(
        epoch,
        (np.array([float(epoch)]),),
        {"steps": np.array(epoch)},
        validation_scores=before.validation_scores,
        best=before.best,
    )


def run(scores: list[float], patience: int) -> State:
    """A trial whose epochs have these scores."""
    state = State(0, (np.zeros(1),))
    for epoch, score in enumerate(scores, start=1):
        if is_out_of_patience(state, patience):
            break
        state = with_best(with_score(trained(epoch, state), score))
    return state


def run_in_keras(scores: list[float], patience: int) -> tuple[int, int]:
    """(last epoch, epoch whose weights are left) with Keras's own callback."""
    model = SimpleNamespace(stop_training=False, epoch=0, left=0)
    model.get_weights = lambda: model.epoch
    model.set_weights = lambda epoch: setattr(model, "left", epoch)
    callback = keras.callbacks.EarlyStopping(
        monitor="score", mode="max", patience=patience, restore_best_weights=True
    )
    callback._model = model
    callback.on_train_begin()
    for epoch, score in enumerate(scores):
        model.epoch = epoch + 1
        callback.on_epoch_end(epoch, {"score": score})
        if model.stop_training:
            break
    callback.on_train_end()
    return model.epoch, model.left


@given(scores=SCORES, patience=st.integers(1, 10))
def test_stops_where_keras_stops_and_leaves_what_keras_leaves(scores: list[float], patience: int) -> None:
    state = run(scores, patience)
    left = left_by(state)
    assert (state.epoch, left.epoch) == run_in_keras(scores, patience)
    assert left.weights[0].tolist() == [left.epoch]
    assert left.slots["steps"] == left.epoch


@given(scores=SCORES, patience=st.integers(1, 10))
def test_the_best_is_the_first_of_the_highest_scores(scores: list[float], patience: int) -> None:
    state = run(scores, patience)
    seen = [score for _, score in state.validation_scores]
    assert left_by(state).epoch == 1 + seen.index(max(seen))


def test_a_state_that_was_never_scored_is_itself_what_counts() -> None:
    state = State(3, (np.ones(1),))
    assert left_by(state) is state
    assert not is_out_of_patience(state, 1)
    assert describe(state, 9) == ()


def test_the_record_says_which_epoch_the_scores_are_of() -> None:
    assert describe(run([0.1, 0.2, 0.3], 2), last_epoch=3) == ()
    (early,) = describe(run([0.1, 0.3, 0.2, 0.2, 0.4], 2), last_epoch=5)
    assert early.startswith("stopped early after epoch 4; the scores are those of epoch 2")
    (late,) = describe(run([0.1, 0.3, 0.2], 2), last_epoch=3)
    assert late.startswith("the scores are those of epoch 2")


def test_the_best_state_survives_a_checkpoint(tmp_path: Path) -> None:
    state = run([0.1, 0.5, 0.2], 9)
    Checkpoints(str(tmp_path)).write(1, "ours", state)
    read = Checkpoints(str(tmp_path)).newest(1, "ours", 3)
    assert read is not None
    assert read.best is not None
    assert (read.epoch, read.best.epoch) == (3, 2)
    assert (read.weights[0].tolist(), read.best.weights[0].tolist()) == ([3.0], [2.0])
    assert (read.slots["steps"], read.best.slots["steps"]) == (3, 2)
    assert read.best.validation_scores == ((1, 0.1), (2, 0.5))
    assert read.best.best is None

"""When a trial stops before its last epoch, and which of its epochs counts then.

As ``keras.callbacks.EarlyStopping(monitor=…, mode="max", patience=…, restore_best_weights=True)`` does it: a
trial ends after ``patience`` epochs in a row whose validation score is no better than the best before them.
Its state is then that after its best epoch, the first of equals, also where it ran to its last epoch.
"""

from __future__ import annotations

from dataclasses import replace

from studies.records.reports import STOPPED_EARLY
from workers.training.trainer import State


def with_score(state: State, score: float) -> State:
    """The state with the validation score of its epoch."""
    return replace(state, validation_scores=(*state.validation_scores, (state.epoch, score)))


def with_best(state: State) -> State:
    """The state, whose epoch was scored, with the best of all scored epochs in ``best``."""
    *before, (_, score) = state.validation_scores
    if any(score <= earlier for _, earlier in before):
        return state
    return replace(state, best=replace(state, best=None))


def is_out_of_patience(state: State, patience: int) -> bool:
    """Whether ``patience`` epochs were trained since the best one, or more."""
    return state.best is not None and state.epoch - state.best.epoch >= patience


def left_by(state: State) -> State:
    """The state that counts: the best where there is one, else the state itself."""
    return state.best or state


def describe(state: State, last_epoch: int) -> tuple[str, ...]:
    """A note for the trial's record; none where the last epoch was reached and was the best."""
    if state.best is None or state.best.epoch == state.epoch == last_epoch:
        return ()
    stopped = f"{STOPPED_EARLY} after epoch {state.epoch}; " if state.epoch < last_epoch else ""
    return (f"{stopped}the scores are those of epoch {state.best.epoch}, the best on the validation rows",)

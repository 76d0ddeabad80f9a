from __future__ import annotations

import pickle

import pytest

from studies import errors
from studies.errors import CheckpointError, StorageLostError, UnwrittenError, UserError

WHILE_IT_RAN = (CheckpointError, StorageLostError, UnwrittenError)
"""Errors of the machine in the middle of a study, which are no bad input."""


def kinds(kind: type) -> list[type]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in kinds(child))]


@pytest.mark.parametrize("kind", kinds(UserError))
def test_user_errors_survive_pickling_with_all_their_parts(kind: type[UserError]) -> None:
    error = kind("found x", where="file: key", allowed="y", remedy="do z")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error) == "file: key: found x\n  allowed: y\n  to do:   do z"
    assert again.exit_code == (1 if kind in WHILE_IT_RAN else 2)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = errors.__doc__ or ""
    for kind in kinds(errors.SearchError):
        assert kind.__name__ in drawn


def test_nearest_says_nothing_rather_than_something_far() -> None:
    assert errors.nearest("lerning_rate", ["learning_rate", "seed"]) == "did you mean 'learning_rate'?"
    assert errors.nearest("xyz", ["learning_rate", "seed"]) == ""

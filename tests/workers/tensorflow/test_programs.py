"""The pool of compiled epochs: what is kept, what is shared, and what is let go of."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from workers.tensorflow.epoch import OPTIMIZERS, EpochKey
from workers.tensorflow.programs import Program, ProgramPool

KEY = EpochKey(layers=(3, 2, 2), rows=10, optimizer="sgd", batch_size=4, drop_last_batch=False)


class Named:
    """Stands in for a program where only the pool's bookkeeping is looked at."""

    def __init__(self, key: EpochKey) -> None:
        self.key = key


def keys(count: int) -> list[EpochKey]:
    return [replace(KEY, rows=100 + number) for number in range(count)]


def test_a_kept_program_is_given_again():
    pool = ProgramPool(make=Named)
    assert pool.program(KEY) is pool.program(replace(KEY))
    assert pool.program(KEY) is not pool.program(replace(KEY, batch_size=5))


def test_the_program_used_longest_ago_is_evicted():
    pool = ProgramPool(kept=2, make=Named)
    one, two, three = keys(3)
    first, second = pool.program(one), pool.program(two)
    pool.program(one)
    pool.program(three)
    assert pool.program(one) is first
    assert pool.program(two) is not second


def test_an_evicted_program_and_its_variables_are_freed():
    pool = ProgramPool(kept=1)
    program = pool.program(KEY)
    with program.variables() as variables:
        gone = [weakref.ref(program), weakref.ref(variables), *(weakref.ref(one) for one in variables.all)]
    del program, variables
    gc.collect()
    assert all(reference() is not None for reference in gone)  # kept, while it is the newest
    pool.program(replace(KEY, batch_size=5))
    gc.collect()
    assert [reference() for reference in gone] == [None] * len(gone)


def test_variables_are_one_trials_at_a_time_and_used_again_after_it():
    program = Program(KEY)
    with program.variables() as ours:
        with program.variables() as others:
            assert ours is not others
        with program.variables() as again:
            assert again is others


def test_variables_are_let_go_of_after_an_error():
    program = Program(KEY)
    with pytest.raises(RuntimeError, match="halfway"), program.variables() as failed:
        raise RuntimeError("halfway")
    with program.variables() as fresh:
        assert fresh is not failed


def test_machine_code_is_given_back_when_as_many_were_evicted_as_are_kept():
    released = []
    pool = ProgramPool(kept=2, make=Named, release=lambda: released.append(len(released)))
    after = []
    for key in keys(9):
        pool.program(key)
        after.append(len(released))
    assert after == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    pool.program(keys(9)[-1])
    assert len(released) == 3


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_slots_have_the_same_names_in_every_program(optimizer: str):
    # Checkpoints are read by other processes, in which Keras has counted up other names.
    slots = Program(replace(KEY, optimizer=optimizer)).initial_slots
    again = Program(replace(KEY, optimizer=optimizer, batch_size=5)).initial_slots
    assert slots.keys() == again.keys()
    assert "iteration" in slots
    assert "learning_rate" not in slots
    assert all(np.array_equal(slots[name], again[name]) for name in slots)


def test_what_is_loaded_is_read_back_as_copies():
    program = Program(replace(KEY, optimizer="adam"))
    generator = np.random.default_rng(0)
    weights = tuple(generator.normal(size=shape) for shape in ((3, 2), (2,), (2, 2), (2,)))
    slots = {name: np.full_like(value, 3) for name, value in program.initial_slots.items()}
    with program.variables() as variables:
        variables.load(weights, slots, learning_rate=0.1)
        read = variables.weights()
        read_slots = variables.slots()
        variables.load(tuple(-array for array in weights), program.initial_slots, learning_rate=0.1)
    assert all(
        np.array_equal(one, other.astype(np.float32)) for one, other in zip(read, weights, strict=True)
    )
    assert all((value == 3).all() for value in read_slots.values())


@pytest.mark.parametrize(
    ("rows", "batch_size", "drop", "full", "partial"),
    [(10, 4, False, 2, 2), (10, 4, True, 2, 0), (8, 4, False, 2, 0), (3, 3, False, 1, 0)],
)
def test_batches_of_an_epoch(rows: int, batch_size: int, drop: bool, full: int, partial: int):
    key = replace(KEY, rows=rows, batch_size=batch_size, drop_last_batch=drop)
    assert (key.full_batches, key.partial_batch) == (full, partial)

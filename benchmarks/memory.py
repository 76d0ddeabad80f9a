"""Memory of a worker process that runs 500 TensorFlow trials, and what it keeps of each program compiled.

What is measured is memory of the process's own (anonymous pages), which files that it maps don't count in.
Networks and data are small, because what is left behind by compiling is looked for, not what a network needs.

Two things are run, each in a process of its own. A study: every optimizer with five batch sizes, on one
network and data set, as a worker meets them. And a flood, nearly each of whose trials is of
another shape than all before: more networks, data sets, and dropout. TensorFlow never frees the graph of a
function that XLA has compiled, so that a flood grows: by how much for each program is what is bounded there.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from common.figures import Figure, run

from studies.data.split import Rows, Split
from studies.space.configuration import FULL_BATCH, Configuration
from workers.tensorflow.programs import KEPT_PROGRAMS, Program, ProgramPool
from workers.tensorflow.trainer import OPTIMIZERS, TensorFlowTrainer
from workers.training.trainer import Deadline

SETTLED = 50
"""Trials after which the process counts as having what it needs."""

EPOCHS = 2


@dataclass(frozen=True)
class Mix:
    """What trials are drawn from."""

    trials: int
    networks: Sequence[tuple[int, ...]]
    rows: Sequence[int]
    batch_sizes: Sequence[int]
    activations: Sequence[str]
    dropouts: Sequence[float]


MIXES = {
    "study": Mix(500, ((16,),), (2000,), (32, 64, 128, 256, 512), ("sigmoid",), (0.0,)),
    "flood": Mix(
        420, ((8,), (16,), (12, 6)), (1000, 1100), (16, 32, 64), ("sigmoid", "tanh", "relu"), (0.0, 0.2)
    ),
}


def measure() -> Sequence[Figure]:
    """All figures."""
    return [figure for name in MIXES for figure in _in_a_process(name)]


def _in_a_process(name: str) -> Iterator[Figure]:
    done = subprocess.run([sys.executable, __file__, "--mix", name], stdout=subprocess.PIPE, check=True)
    found: Mapping[str, Any] = json.loads(done.stdout)
    after, programs = found["after"], found["programs"]
    trials = len(after) - 1
    yield Figure(f"{name}: trials", trials, "")
    yield Figure(f"{name}: programs compiled", programs[-1], "")
    yield Figure(f"{name}: memory before the first", after[0], "MB")
    for count in (SETTLED, *range(100, trials + 1, 100)):
        yield Figure(f"{name}: memory after {count}", after[count], "MB")
    above = max(after[SETTLED:]) - after[SETTLED]
    yield Figure(
        f"{name}: highest after the first {SETTLED}, above that after {SETTLED}",
        above,
        "MB",
        at_most=200.0 if name == "study" else None,
    )
    if name == "flood":
        yield Figure(f"{name}: growth for each program compiled", _growth(after, programs), "MB", at_most=3.0)


def _growth(after: Sequence[float], programs: Sequence[int]) -> float:
    """MB for each program: from the highest memory of one cycle to that of the next.

    In a cycle as many programs are compiled as are kept; at its end all machine code is given back.
    """
    last = programs[-1] // KEPT_PROGRAMS
    before, following = (
        max(memory for memory, count in zip(after, programs, strict=True) if count // KEPT_PROGRAMS == cycle)
        for cycle in (last - 2, last - 1)
    )
    return (following - before) / KEPT_PROGRAMS


def _run_mix(mix: Mix) -> dict[str, list[float]]:
    """Own memory in MB before the first trial and after each, and the programs compiled until then."""
    compiled = [0]

    def make(key: Any) -> Program:
        compiled[0] += 1
        return Program(key)

    pool = ProgramPool(make=make)
    trainers = {
        (hidden, rows): TensorFlowTrainer(_split(rows), hidden, pool)
        for hidden, rows in itertools.product(mix.networks, mix.rows)
    }
    after, programs = [_own_memory()], [0]
    for number, (where, configuration) in enumerate(_trials(mix)):
        trainer = trainers[where]
        begun = trainer.begin(configuration, number)
        state = trainer.advance(configuration, number, begun, EPOCHS, Deadline())
        trainer.predict(state, np.zeros((10, 6), np.float32))
        after.append(_own_memory())
        programs.append(compiled[0])
    return {"after": after, "programs": programs}


def _trials(mix: Mix) -> Iterator[tuple[tuple[tuple[int, ...], int], Configuration]]:
    draw = np.random.default_rng(0)

    def one_of(choices: Sequence[Any]) -> Any:
        return choices[draw.integers(len(choices))]

    for _ in range(mix.trials):
        where = one_of(mix.networks), one_of(mix.rows)
        optimizer = one_of(OPTIMIZERS)
        choices = {
            "framework": "tensorflow",
            "initialisation": "glorot_uniform",
            "optimizer": optimizer,
            "epochs": EPOCHS,
            "activation": one_of(mix.activations),
            "learning_rate": 0.001,
        }
        if optimizer not in FULL_BATCH:
            choices |= {"batch_size": one_of(mix.batch_sizes), "dropout": one_of(mix.dropouts)}
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
    if sys.argv[1:2] == ["--mix"]:
        print(json.dumps(_run_mix(MIXES[sys.argv[2]])))
    else:
        run(__doc__ or "", measure)

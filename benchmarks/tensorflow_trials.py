"""The TensorFlow trainer against keras.fit, against this machine's peak, and two trials at once.

All on the training rows of the SMS Spam Collection, [300, 600, 2], adam, as ratios within one run: what is
compared takes turns, and the quickest round of each counts, because a machine is never quite idle.

Where the time of an epoch goes is measured by leaving parts out: the epoch with sgd has no moments to keep;
a step of nothing but its two large products is what the arithmetic alone costs in the same shapes.
l-bfgs has a benchmark of its own, lbfgs.py.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common.figures import Figure, run, take_turns
from common.sms_spam import prepared

from search.loop.slots import cores
from studies.data.split import Split
from studies.space.configuration import Configuration
from workers.machine.cpu_threads import environment
from workers.tensorflow.programs import ProgramPool
from workers.tensorflow.setup import keras, tf
from workers.tensorflow.trainer import TensorFlowTrainer
from workers.training.trainer import Deadline, State, layer_sizes

BATCHES = {32: 8.0, 256: 4.0, 1024: 3.0}
"""Batch size → how many times as quick as keras.fit an epoch must be."""

HIDDEN = (600,)
ROUNDS = 5
EPOCHS_A_ROUND = 3
TRIAL_EPOCHS = 27
PEAK_SIZE = 4096

Run = Callable[[], object]


def measure() -> Sequence[Figure]:
    """All figures."""
    with prepared() as made:
        split, directory = made.split, made.directory
        return [*_epochs(split), *_whole_trials(split), *_two_at_once(directory)]


def _epochs(split: Split) -> Iterator[Figure]:
    """An epoch against that of keras.fit, against the peak, and without some of its parts."""
    runs: dict[str, Run] = {"peak": _peak()}
    for batch in BATCHES:
        runs[f"ours {batch}"] = _our_epochs(split, batch, "adam")
        runs[f"keras {batch}"] = _keras_epochs(split, batch)
        runs[f"sgd {batch}"] = _our_epochs(split, batch, "sgd")
        runs[f"products {batch}"] = _products(split, batch)
    seconds, _ = take_turns(runs, ROUNDS)
    peak = 2 * PEAK_SIZE**3 / seconds["peak"]
    yield Figure(f"float32 matmul of {PEAK_SIZE} × {PEAK_SIZE}", peak / 1e9, "GFLOP/s")
    for batch, bound in BATCHES.items():
        ours = seconds[f"ours {batch}"] / EPOCHS_A_ROUND
        theirs = seconds[f"keras {batch}"] / EPOCHS_A_ROUND
        share = _operations(split) / ours / peak
        yield Figure(f"epoch at batch {batch}", ours * 1000, "ms")
        yield Figure(f"keras.fit / ours, batch {batch}", theirs / ours, at_least=bound)
        yield Figure(
            f"share of the peak, batch {batch}", share, "", at_least=0.5 if batch == max(BATCHES) else None
        )
        sgd, products = (seconds[f"{name} {batch}"] / EPOCHS_A_ROUND for name in ("sgd", "products"))
        yield Figure(f"of the epoch, its products alone, batch {batch}", 100 * products / ours, "%")
        yield Figure(f"of the epoch, adam's moments, batch {batch}", 100 * (ours - sgd) / ours, "%")
        yield Figure(f"of the epoch, all else, batch {batch}", 100 * (sgd - products) / ours, "%")


def _whole_trials(split: Split) -> Iterator[Figure]:
    """27 epochs and the validation rows' probabilities, against the same with keras.fit in a fresh model."""
    begun = time.perf_counter()
    trainer = TensorFlowTrainer(split, HIDDEN, ProgramPool())
    _our_trial(trainer, split)
    first = time.perf_counter() - begun
    _keras_trial(split)
    seconds, _ = take_turns(
        {"ours": lambda: _our_trial(trainer, split), "keras": lambda: _keras_trial(split)}, rounds=3
    )
    yield Figure(f"keras.fit / ours, trial of {TRIAL_EPOCHS} epochs, first", seconds["keras"] / first)
    yield Figure(
        f"keras.fit / ours, trial of {TRIAL_EPOCHS} epochs, later",
        seconds["keras"] / seconds["ours"],
        at_least=4.0,
    )


def _two_at_once(directory: Path) -> Iterator[Figure]:
    """Two trials one after the other, in two threads, and in two processes, with threads as clusters set."""
    with ExitStack() as stack:

        def start(processes: int, slots: int) -> list[Worker]:
            variables = environment(cores(), processes, slots)
            return [stack.enter_context(Worker(directory, slots, variables)) for _ in range(processes)]

        ways = {"one": start(1, 1), "threads": start(1, 2), "processes": start(2, 1)}
        seconds, _ = take_turns({name: lambda w=workers: _go(w) for name, workers in ways.items()}, ROUNDS)
    yield Figure("one at a time / two threads, two trials", 2 * seconds["one"] / seconds["threads"])
    yield Figure("one at a time / two processes, two trials", 2 * seconds["one"] / seconds["processes"])
    # Local work is done in threads by default.
    yield Figure("two processes / two threads", seconds["processes"] / seconds["threads"], at_least=0.95)


class Worker:
    """A process of ``common/tensorflow_worker.py``."""

    def __init__(self, directory: Path, trials: int, variables: Mapping[str, str]) -> None:
        program = Path(__file__).parent / "common" / "tensorflow_worker.py"
        self._process = subprocess.Popen(
            [sys.executable, str(program), str(directory), str(trials)],
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Worker:
        self.answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def go(self) -> None:
        """Let its trials begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        """What it says when they are done."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker process ended with {self._process.wait()}")
        return line


def _go(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.go()
    for worker in workers:
        worker.answer()


def _configuration(batch: int, optimizer: str, epochs: int) -> Configuration:
    return Configuration(
        "tensorflow", "glorot_uniform", optimizer, epochs, learning_rate=0.001, batch_size=batch
    )


def _our_epochs(split: Split, batch: int, optimizer: str) -> Run:
    trainer = TensorFlowTrainer(split, HIDDEN)
    configuration = _configuration(batch, optimizer, EPOCHS_A_ROUND)
    begun = trainer.begin(configuration, 0)
    return lambda: trainer.advance(configuration, 0, begun, EPOCHS_A_ROUND, Deadline())


def _our_trial(trainer: TensorFlowTrainer, split: Split) -> None:
    configuration = _configuration(256, "adam", TRIAL_EPOCHS)
    state: State = trainer.begin(configuration, 0)
    state = trainer.advance(configuration, 0, state, TRIAL_EPOCHS, Deadline())
    trainer.predict(state, split.validation.features)


def _keras_model(split: Split) -> Any:
    model = keras.Sequential(
        [
            keras.Input((split.features,)),
            *(keras.layers.Dense(units, activation="sigmoid") for units in HIDDEN),
            keras.layers.Dense(len(split.classes)),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.001), loss=loss)
    return model


def _keras_epochs(split: Split, batch: int) -> Run:
    model, rows = _keras_model(split), split.train
    return lambda: model.fit(rows.features, rows.labels, batch_size=batch, epochs=EPOCHS_A_ROUND, verbose=0)


def _keras_trial(split: Split) -> None:
    model, rows = _keras_model(split), split.train
    model.fit(rows.features, rows.labels, batch_size=256, epochs=TRIAL_EPOCHS, verbose=0)
    model.predict(split.validation.features, verbose=0)


def _peak() -> Run:
    matrix = tf.random.stateless_normal((PEAK_SIZE, PEAK_SIZE), (1, 2))
    return lambda: tf.linalg.matmul(matrix, matrix).numpy()


def _products(split: Split, batch: int) -> Run:
    """The two large products of each step and nothing else, compiled, as often as in the epochs."""
    features, hidden = split.features, HIDDEN[0]
    steps = EPOCHS_A_ROUND * (len(split.train) // batch)
    X = tf.random.stateless_normal((batch, features), (1, 2))
    W = tf.random.stateless_normal((features, hidden), (3, 4)) / hidden

    @tf.function(jit_compile=True)
    def multiply(X: Any, W: Any) -> Any:
        # What a step gives goes into the next, so that none can be left out.
        def step(number: Any, W: Any) -> tuple[Any, Any]:
            return number + 1, tf.matmul(X, X @ W, transpose_a=True)

        return tf.while_loop(lambda number, _: number < steps, step, (tf.constant(0), W))[1]

    return lambda: multiply(X, W).numpy()


def _operations(split: Split) -> float:
    """Floating-point operations of an epoch's products: forward, to weights, and back to hidden outputs."""
    layers = layer_sizes(split, HIDDEN)
    products = [wide * high for wide, high in itertools.pairwise(layers)]
    return 2.0 * len(split.train) * (2 * sum(products) + sum(products[1:]))


if __name__ == "__main__":
    run(__doc__ or "", measure)

"""What a Spark trial costs: warm and fresh, ours and plain, partitions and blocks, BLAS, company, memory.

All train [300, 600, 2] with l-bfgs on the training rows of the SMS Spam Collection, from the same weights. A
native BLAS is measured where there is one: the system's libblas.so.3, or the file in --blas or NATIVE_BLAS.
--part measures one part alone: on two busy cores, sessions took two minutes and recipe more than four.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from common.figures import Figure, Option, run
from common.sms_spam import sms_spam

from studies.data.split import Split
from studies.space.configuration import Configuration
from workers.spark import session as spark_session
from workers.spark.rows import heap_mib
from workers.spark.settings import DEFAULTS, SparkSettings
from workers.spark.trainer import SparkTrainer
from workers.training.initialisation import initial_weights
from workers.training.network import flatten, parameters
from workers.training.trainer import Deadline, State, Trainer, layer_sizes

HIDDEN = (600,)
SEED = 7
SHORT = Configuration("spark", "spark_uniform", "l-bfgs", epochs=10)
LONG = replace(SHORT, epochs=100)
STEP = Configuration("spark", "spark_uniform", "gd", epochs=1, learning_rate=0.1)
BESIDE = Configuration("tensorflow", "spark_uniform", "adam", epochs=1, learning_rate=1e-4, batch_size=256)
TRIALS = 100
PARTS = ("sessions", "recipe", "shapes", "company", "memory")
PATH = "-Ddev.ludovic.netlib.blas.nativeLibPath="
NO_BLAS = "-Ddev.ludovic.netlib.blas.nativeLib=none"
"""What keeps Spark from the system's library."""

JAVA = SparkSettings(conf=(("spark.driver.extraJavaOptions", NO_BLAS),))

PLAIN = """
import sys, time
import numpy as np
from pyspark.ml.classification import MultilayerPerceptronClassifier
from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession

data = np.load(sys.argv[1])
spark = SparkSession.builder.config("spark.driver.extraJavaOptions", sys.argv[2]).getOrCreate()
rows = [(float(label), Vectors.dense(row)) for row, label in zip(data["X"].tolist(), data["y"])]
frame = spark.createDataFrame(rows, ["label", "features"])
for line in sys.stdin:
    begun = time.perf_counter()
    MultilayerPerceptronClassifier(
        layers=[int(units) for units in data["layers"]],
        maxIter=int(line),
        initialWeights=Vectors.dense(data["weights"]),
    ).fit(frame)
    print(time.perf_counter() - begun, flush=True)
"""
"""The recipe of the question, with our initial weights so that the work is the same. Told iterations line by
line, it answers with seconds."""


def measure(part: str, blas: str) -> Sequence[Figure]:
    """The figures of one part, or all."""
    parts: dict[str, Callable[[Split], list[Figure]]] = {
        "sessions": _sessions,
        "recipe": lambda split: _recipe(split, blas),
        "shapes": _shapes,
        "company": _company,
        "memory": _memory,
    }
    figures = []
    with sms_spam() as split:
        for name in PARTS if part == "all" else (part,):
            figures += parts[name](split)
            spark_session.stop()
    return figures


def _recipe(split: Split, blas: str) -> list[Figure]:
    """The recipe of the question and ours, computing in Java and in a native library where there is one.

    The two take turns, each in a JVM of its own: a machine is never quite idle.
    """
    figures = []
    of_ours: list[dict[int, float]] = []
    native = SparkSettings(native_blas=blas or None)
    for name, settings, options in (
        ("Java", JAVA, NO_BLAS),
        ("native BLAS", native, f"{PATH}{blas}" if blas else ""),
    ):
        with _trainer(split, settings) as trainer, _plain(split, options) as plain:
            trainer.warm()
            if spark_session.start().native_blas != (name != "Java"):
                print("found no native BLAS: give the path of one with --blas", file=sys.stderr)
                return figures
            plain(1)
            theirs, ours = dict.fromkeys((10, 100), float("inf")), dict.fromkeys((10, 100), float("inf"))
            for asked in (10, 10, 10, 100):
                theirs[asked] = min(theirs[asked], plain(asked))
                seconds, state = _trained(trainer, replace(SHORT, epochs=asked))
                ours[asked] = min(ours[asked], seconds)
                print(f"{name}, {asked}: plain {theirs[asked]:.2f} s, ours {seconds:.2f} s", file=sys.stderr)
        spark_session.stop()
        for asked in (10, 100):
            done = len(state.losses)
            what = f"{name}, {asked} iterations" + (f" (ends after {done})" if done < asked else "")
            figures += [
                Figure(f"plain recipe, {what}", theirs[asked], "s"),
                Figure(f"ours, {what}", ours[asked], "s"),
                Figure(f"plain / ours, {what}", theirs[asked] / ours[asked]),
            ]
        of_ours.append(ours)
    java, library = of_ours
    return figures + [
        Figure(f"ours, Java / native BLAS, {asked} iterations", java[asked] / library[asked])
        for asked in (10, 100)
    ]


@contextmanager
def _plain(split: Split, options: str) -> Iterator[Callable[[int], float]]:
    """Gives what says the seconds of a fit of so many iterations of the recipe, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.npz"
        layers = layer_sizes(split, HIDDEN)
        weights = flatten(initial_weights("spark_uniform", layers, SEED))
        np.savez(path, X=split.train.features, y=split.train.labels, layers=layers, weights=weights)
        command = [sys.executable, "-c", PLAIN, str(path), options]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            told, answers = process.stdin, process.stdout

            def seconds(iterations: int) -> float:
                print(iterations, file=told, flush=True)
                return float(answers.readline())

            yield seconds


def _sessions(split: Split) -> list[Figure]:
    fresh = []
    for _ in range(2):
        spark_session.stop()
        with _trainer(split) as trainer:
            fresh.append(_seconds(trainer, SHORT))
    with _trainer(split) as trainer:
        spark_session.stop()
        begun = time.perf_counter()
        trainer.warm()
        warming = time.perf_counter() - begun
        first = _seconds(trainer, SHORT)
        later = [_seconds(trainer, SHORT) for _ in range(5)]
        long = _seconds(trainer, LONG)
        steps = [_seconds(trainer, STEP) for _ in range(5)]
    return [
        Figure("a trial with a fresh session, 10 iterations", median(fresh), "s"),
        Figure("warming up", warming, "s"),
        Figure("first trial after it, 10 iterations", first, "s"),
        Figure("later trials, 10 iterations", median(later), "s"),
        Figure("fresh session / later trial", median(fresh) / median(later), at_least=5.0),
        Figure("later trial, 100 iterations", long, "s"),
        Figure("later trial, 1 step of gd", median(steps), "s"),
    ]


def _shapes(split: Split) -> list[Figure]:
    """What partitions and blockSize do."""
    figures = []
    for partitions in (1, 2, 4, 8):
        # As many threads for all, so that the session stays.
        settings = SparkSettings(master=f"local[{os.cpu_count()}]", partitions=partitions)
        with _trainer(split, settings) as trainer:
            trainer.warm()
            seconds = min(_seconds(trainer, SHORT) for _ in range(2))
        figures.append(Figure(f"{partitions} partitions, 10 iterations", seconds, "s"))
    for block in (32, 128, 512, 2048):
        with _block_size(block), _trainer(split) as trainer:
            trainer.warm()
            seconds = min(_seconds(trainer, SHORT) for _ in range(2))
        figures.append(Figure(f"blockSize {block}, 10 iterations", seconds, "s"))
    return figures


def _company(split: Split) -> list[Figure]:
    """Spark trials at once and threads of the session, with a TensorFlow trial beside them."""
    # Late: the other parts shall not wait for TensorFlow, nor have its memory.
    from workers.tensorflow.trainer import TensorFlowTrainer

    figures = []
    tensorflow = TensorFlowTrainer(split, HIDDEN)
    figures.append(Figure("TensorFlow epoch, alone", _epoch_alone(tensorflow), "ms"))
    for threads in (1, 2):
        with _trainer(split, SparkSettings(master=f"local[{threads}]")) as trainer:
            trainer.warm()
            for at_once in (1, 2):
                spark, epoch = _beside(trainer, tensorflow, at_once)
                where = f"local[{threads}], {at_once} at once, TensorFlow beside"
                figures.append(Figure(f"{where}: a Spark trial", spark, "s"))
                figures.append(Figure(f"{where}: a TensorFlow epoch", epoch, "ms"))
    return figures


def _beside(spark: Trainer, tensorflow: Trainer, at_once: int) -> tuple[float, float]:
    """Seconds a Spark trial of four and ms a TensorFlow epoch meanwhile."""
    ended = threading.Event()
    epochs = 0

    def train() -> None:
        nonlocal epochs
        state = tensorflow.begin(BESIDE, SEED)
        while not ended.is_set():
            state = tensorflow.advance(BESIDE, SEED, state, state.epoch + 1, Deadline())
            epochs += 1

    with ThreadPoolExecutor(at_once) as pool:
        beside = threading.Thread(target=train)
        beside.start()
        begun = time.perf_counter()
        list(pool.map(lambda _: _seconds(spark, SHORT), range(4)))
        seconds = time.perf_counter() - begun
        ended.set()
        beside.join()
    return seconds / 4, 1000 * seconds / max(1, epochs)


def _epoch_alone(tensorflow: Trainer) -> float:
    state = tensorflow.begin(BESIDE, SEED)
    state = tensorflow.advance(BESIDE, SEED, state, 1, Deadline())
    begun = time.perf_counter()
    tensorflow.advance(BESIDE, SEED, state, 21, Deadline())
    return 1000 * (time.perf_counter() - begun) / 20


def _memory(split: Split) -> list[Figure]:
    """Resident memory after one trial and after a hundred."""
    with _trainer(split) as trainer:
        trainer.warm()
        jvm = spark_session.start().process.pid
        before = _resident(os.getpid()), _resident(jvm)
        for number in range(TRIALS):
            _seconds(trainer, STEP if number % 2 else replace(SHORT, epochs=1))
        after = _resident(os.getpid()), _resident(jvm)
    heap = heap_mib(split.train, parameters(layer_sizes(split, HIDDEN)))
    return [
        Figure("Python after 1 trial", before[0], "MiB"),
        Figure(f"Python grew in {TRIALS} trials by", after[0] - before[0], "MiB", at_most=50.0),
        Figure("JVM after 1 trial", before[1], "MiB"),
        Figure(f"JVM after {TRIALS} trials, of {heap} MiB of heap", after[1], "MiB", at_most=heap + 700.0),
    ]


def _seconds(trainer: Trainer, configuration: Configuration) -> float:
    """A whole trial, as its task runs it but for the scores."""
    return _trained(trainer, configuration)[0]


def _trained(trainer: Trainer, configuration: Configuration) -> tuple[float, State]:
    """The seconds, and where it ends."""
    begun = time.perf_counter()
    state = trainer.begin(configuration, SEED)
    state = trainer.advance(configuration, SEED, state, configuration.epochs, Deadline())
    return time.perf_counter() - begun, state


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def _trainer(split: Split, settings: SparkSettings = DEFAULTS) -> Iterator[SparkTrainer]:
    with tempfile.TemporaryDirectory() as name:
        yield SparkTrainer(split, HIDDEN, Path(name), settings)


@contextmanager
def _block_size(size: int) -> Iterator[None]:
    from workers.spark import fit as spark_fit

    before, spark_fit.BLOCK_SIZE = spark_fit.BLOCK_SIZE, size
    try:
        yield
    finally:
        spark_fit.BLOCK_SIZE = before


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        Option("part", "all", "what to measure", ("all", *PARTS)),
        Option("blas", os.environ.get("NATIVE_BLAS", ""), "path of a native BLAS"),
    )

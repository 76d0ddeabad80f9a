"""A worker process of ``benchmarks/tensorflow_trials.py``: trains so many trials at once, at each word.

``python tensorflow_worker.py SPLIT TRIALS``. It prints "ready" when all is compiled; for each line that it
reads then, every trial trains, and it prints the seconds until the last one is done.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from studies.data import open_split
from studies.space.configuration import Configuration
from workers.tensorflow.trainer import TensorFlowTrainer
from workers.training.trainer import Deadline

EPOCHS = 10


def main(directory: str, trials: int) -> None:
    trainer = TensorFlowTrainer(open_split(Path(directory)), (600,))
    configuration = Configuration(
        "tensorflow", "glorot_uniform", "adam", EPOCHS, learning_rate=0.001, batch_size=256
    )

    def train(seed: int) -> None:
        begun = trainer.begin(configuration, seed)
        trainer.advance(configuration, seed, begun, EPOCHS, Deadline())

    with ThreadPoolExecutor(trials) as threads:
        list(threads.map(train, range(trials)))
        print("ready", flush=True)
        for _ in sys.stdin:
            begun = time.perf_counter()
            list(threads.map(train, range(trials)))
            print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

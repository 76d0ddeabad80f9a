"""TensorFlow and Keras, imported once and set up before anything uses them.

Everything here is fixed for the life of the process once TensorFlow has started, which is why no other
module imports ``tensorflow`` by itself. Importing this one costs 4 to 25 seconds.
"""

from __future__ import annotations

import os

# Read while TensorFlow is being imported. Level 3, because TensorFlow logs the lack of a GPU as an error; its
# real errors arrive as exceptions.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Otherwise ~/.keras/keras.json decides.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf

from studies.errors import MachineError
from workers import cpu_threads
from workers.gpus import share_memory
from workers.resources import memory_limit

__all__ = ["DESCRIPTION", "DEVICE", "keras", "tf"]


def _start() -> str:
    """Set the process up and return the device that TensorFlow puts everything on."""
    if keras.backend.backend() != "tensorflow":
        raise MachineError(
            f"Keras runs on '{keras.backend.backend()}' in this process",
            where="environment variable KERAS_BACKEND",
            allowed="tensorflow",
            remedy="unset KERAS_BACKEND, or set it to tensorflow",
        )
    gpus = tf.config.list_physical_devices("GPU")
    share_memory(tf.config, gpus, memory_limit())
    return "GPU:0" if gpus else "CPU"


DEVICE = _start()
"""What this process trains on, as TensorFlow names it: ``CPU`` or ``GPU:0``."""

DESCRIPTION = cpu_threads.describe(DEVICE, os.environ)
"""The device for a trial's record, with the threads that its operations share: ``CPU, 1 thread``."""

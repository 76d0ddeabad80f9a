"""TensorFlow and Keras, imported once and set up before anything uses them.

Everything here is fixed for the life of the process once TensorFlow has started, which is why no other
module imports ``tensorflow`` by itself. Importing this one costs 4 to 25 seconds.
"""

from __future__ import annotations

import os

from studies.errors import MachineError
from workers.machine import cpu_threads
from workers.machine.gpus import share_memory
from workers.machine.resources import memory_limit
from workers.machine.surroundings import KERAS, settle_tensorflow

# Read while TensorFlow is being imported. Level 3, because TensorFlow logs the lack of a GPU as an error; its
# real errors arrive as exceptions.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
settle_tensorflow()

import keras  # noqa: E402 - reads the environment
import tensorflow as tf  # noqa: E402 - reads the environment

__all__ = ["DESCRIPTION", "DEVICE", "keras", "tf"]


def _start() -> str:
    """Set the process up and return the device that TensorFlow puts everything on.

    Raises:
        MachineError: where Keras was imported here before, on another backend.
    """
    if keras.backend.backend() != "tensorflow":
        raise MachineError(
            f"Keras runs on '{keras.backend.backend()}' in this process already",
            where="environment variable KERAS_BACKEND",
            allowed="tensorflow",
            remedy="start this worker with KERAS_BACKEND=tensorflow, or without it",
        )
    # Already so, unless other code imported Keras here before.
    keras.config.set_floatx(KERAS["floatx"])
    keras.config.set_epsilon(KERAS["epsilon"])
    keras.config.set_image_data_format(KERAS["image_data_format"])
    gpus = tf.config.list_physical_devices("GPU")
    share_memory(tf.config, gpus, memory_limit())
    return "GPU:0" if gpus else "CPU"


DEVICE = _start()
"""What this process trains on, as TensorFlow names it: ``CPU`` or ``GPU:0``."""

DESCRIPTION = cpu_threads.describe(DEVICE, os.environ)
"""The device for a trial's record, with the threads that its operations share: ``CPU, 1 thread``."""

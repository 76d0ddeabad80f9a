"""All that is used of TensorFlow and Keras without their makers having promised it: each part with why.

Nothing else in the packages names a private part of them (``tests/test_private_parts.py``).
``tests/workers/tensorflow/test_tensorflow_internals.py`` says what has moved when another version is
installed, and ``docs/moving-versions.md`` what to do then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workers.tensorflow.setup import DEVICE, tf

# The setup comes first: it removes variables that TensorFlow and Keras read while they are imported.
# isort: split
from tensorflow.core.framework.resource_handle_pb2 import ResourceHandleProto
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.types_pb2 import DT_RESOURCE
from tensorflow.python.client import pywrap_tf_session

_NAME = "xla_device_compiler"
_TYPE = b"N10tensorflow14DeviceCompilerIN3xla15LocalExecutableENS1_11LocalClientEEE"
"""``typeid(DeviceCompiler<xla::LocalExecutable, xla::LocalClient>).name()``, as GCC and Clang have it."""

_SWITCH = threading.RLock()


def destroy_machine_code() -> bool:
    """Free the machine code of all functions of the device, while none of them runs.

    TensorFlow keeps it for as long as the process lives, in one resource of the device, and takes nothing out
    of it (``CompileToLocalExecutable`` in tensorflow/compiler/jit/kernels/xla_ops.cc). The resource can be
    destroyed as any other, but no function gives its handle: it is made here of the names of the resource and
    of its type in C++.

    Returns:
        Whether there was any.
    """
    try:
        tf.raw_ops.DestroyResourceOp(resource=_compiler(), ignore_lookup_error=False)
    except (tf.errors.NotFoundError, tf.errors.InvalidArgumentError):
        return False
    return True


@contextmanager
def without_stack_traces() -> Iterator[None]:
    """Context in which operations are made without a note of where; one thread at a time is in it.

    TensorFlow shows the note in errors, and has no switch for it. It keeps a copy of the graph of each
    function that was compiled (``BackwardsConstAnalysis`` in tensorflow/compiler/tf2xla/const_analysis.cc
    instantiates functions and doesn't release them), and nearly all of that is these notes.
    """
    with _SWITCH:
        note = pywrap_tf_session.TF_SetOpStackTrace
        pywrap_tf_session.TF_SetOpStackTrace = lambda *_: None
        try:
            yield
        finally:
            pywrap_tf_session.TF_SetOpStackTrace = note


def without_replicas(optimizer: Any) -> None:
    """Let a Keras optimizer sum no gradients among replicas, where there is one.

    What Keras calls for it has a custom gradient, which TensorFlow keeps for ever, and the traced graph with
    it. Keras has no switch for it.
    """
    optimizer._all_reduce_sum_gradients = lambda pairs: pairs


def _compiler() -> Any:
    """The device's compiler as a tensor."""
    handle = ResourceHandleProto(
        device=f"/job:localhost/replica:0/task:0/device:{DEVICE if ':' in DEVICE else f'{DEVICE}:0'}",
        container="localhost",
        name=_NAME,
        hash_code=_hash(_TYPE),
        maybe_type_name=_TYPE.decode(),
    )
    tensor = TensorProto(dtype=DT_RESOURCE, resource_handle_val=[handle])
    return tf.raw_ops.ParseTensor(serialized=tensor.SerializeToString(), out_type=tf.resource)


def _hash(text: bytes, seed: int = 0xDECAFCAFFE) -> int:
    """``tsl::Hash64``, which TensorFlow tells types apart by: Austin Appleby's MurmurHash64A."""
    factor, mask = 0xC6A4A7935BD1E995, 2**64 - 1
    hashed = (seed ^ len(text) * factor) & mask
    whole = len(text) // 8 * 8
    for place in range(0, whole, 8):
        part = int.from_bytes(text[place : place + 8], "little") * factor & mask
        hashed = (hashed ^ (part ^ part >> 47) * factor & mask) * factor & mask
    if text[whole:]:
        hashed = (hashed ^ int.from_bytes(text[whole:], "little")) * factor & mask
    hashed = (hashed ^ hashed >> 47) * factor & mask
    return hashed ^ hashed >> 47

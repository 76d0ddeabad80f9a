"""What keeps TensorFlow's memory bounded, however many functions a process traces and compiles.

TensorFlow 2.21 keeps two things for as long as the process lives:

- The machine code of all functions of a device, in one resource of that device, and takes nothing out of it
  (``CompileToLocalExecutable`` in tensorflow/compiler/jit/kernels/xla_ops.cc). But the resource can be
  destroyed as any other. The next function that runs makes a new one, and what is still wanted is compiled
  anew when it is called next. Kernels hold bare pointers to the code that they run, so nothing may run
  meanwhile: every call of a compiled function is made within :func:`running`.
- A copy of the graph of each function that was compiled (``BackwardsConstAnalysis`` in
  tensorflow/compiler/tf2xla/const_analysis.cc instantiates functions and doesn't release them). Nearly all of
  it is text: for each operation the Python frames that made it. See :func:`without_stack_traces`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tensorflow.core.framework.resource_handle_pb2 import ResourceHandleProto
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.types_pb2 import DT_RESOURCE
from tensorflow.python.client import pywrap_tf_session

from workers.tensorflow.setup import DEVICE, tf

_NAME = "xla_device_compiler"
_TYPE = b"N10tensorflow14DeviceCompilerIN3xla15LocalExecutableENS1_11LocalClientEEE"
"""``typeid(DeviceCompiler<xla::LocalExecutable, xla::LocalClient>).name()``, as GCC and Clang have it."""


class _Turns:
    """Any number that run, or one that destroys; who wants to destroy lets nobody new in."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._destroying = False

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._destroying)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._destroying)
            self._destroying = True
            self._changed.wait_for(lambda: self._running == 0)
        try:
            yield
        finally:
            with self._changed:
                self._destroying = False
                self._changed.notify_all()


_SWITCH = threading.RLock()
_TURNS = _Turns()

running = _TURNS.running
"""Context in which compiled functions may be called. Not to be entered twice by one thread."""


def release() -> bool:
    """Free the machine code of all functions in this process, once none of them runs.

    Returns:
        Whether there was any.
    """
    with _TURNS.alone():
        try:
            tf.raw_ops.DestroyResourceOp(resource=_handle(), ignore_lookup_error=False)
        except tf.errors.NotFoundError:
            return False
    return True


@contextmanager
def without_stack_traces() -> Iterator[None]:
    """Context in which operations are made without a note of where; one thread at a time is in it.

    TensorFlow shows the note in errors, and has no switch for it.
    """
    with _SWITCH:
        note = pywrap_tf_session.TF_SetOpStackTrace
        pywrap_tf_session.TF_SetOpStackTrace = lambda *_: None
        try:
            yield
        finally:
            pywrap_tf_session.TF_SetOpStackTrace = note


def _handle() -> object:
    """The device's compiler as a tensor. TensorFlow has no function that gives it."""
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

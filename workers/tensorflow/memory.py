"""What keeps TensorFlow's memory bounded, however many functions a process traces and compiles.

TensorFlow 2.21 keeps the machine code of all functions for as long as the process lives. It can be freed all
at once, and the next function that runs, and what is still wanted, is compiled again when it is called next.
Kernels hold bare pointers to the code that they run, so nothing may run meanwhile: every call of a compiled
function is made within :func:`running`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from workers.machine.wear import can_be_replaced, wear_out
from workers.tensorflow.internals import destroy_machine_code
from workers.tensorflow.setup import tf

_LOG = logging.getLogger("search.workers")


class _Turns:
    """Any number that run, or one that destroys; who wants to destroy lets nobody new in.

    Attributes:
        ran: whether anything has, since it was last set to false.
    """

    def __init__(self) -> None:
        self.ran = False
        self._changed = threading.Condition()
        self._running = 0
        self._destroying = False

    @contextmanager
    def running(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._destroying)
            self._running += 1
            self.ran = True
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


_TURNS = _Turns()

running = _TURNS.running
"""Context in which compiled functions may be called. Not to be entered twice by one thread."""


def make_room() -> None:
    """Have the machine code of all functions freed: with the whole process where trials run in processes of
    their own, which needs nothing of TensorFlow's inside, and else by :func:`release`.
    """
    if can_be_replaced():
        wear_out()
    else:
        release()


def release() -> bool:
    """Free the machine code of all functions in this process, once none of them runs.

    Returns:
        Whether there was any.
    """
    with _TURNS.alone():
        freed = destroy_machine_code()
        if not freed and _TURNS.ran:
            _note_that_nothing_is_freed()
        _TURNS.ran = False
    return freed


@cache
def _note_that_nothing_is_freed() -> None:
    """Once a process."""
    _LOG.warning(
        "the machine code of compiled functions can't be freed: TensorFlow %s keeps it elsewhere. This "
        'process grows with each new shape of trial; cluster.kind = "processes" would replace it.',
        tf.__version__,
    )

"""Python's cycle collector, and where it is in the way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Nothing is collected within it, for work that makes many objects and no cycles.

    While objects get many, Python looks through all of them for cycles again and again: half of the time
    that it takes to read ten thousand trials.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

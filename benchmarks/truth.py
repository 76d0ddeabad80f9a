"""Every statistical claim of a report, held to simulations whose truth is known.

Each part runs the product's own functions on networks, games or functions whose true values are known, and
says how often an interval holds the truth, how often a true null is rejected, and how often a real difference
is seen. Every share comes with its Monte Carlo standard error. ``--part`` picks one; ``--repetitions``
multiplies the number of simulated studies (1 keeps every part under three minutes on two cores).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

import known_truth
from common.figures import Figure, Option, run

PARTS = tuple(sorted(part.name for part in pkgutil.iter_modules(known_truth.__path__)))
"""Each is a module of ``known_truth`` with ``measure(repetitions: int) -> Sequence[Figure]``."""


def measure(part: str, repetitions: int) -> Sequence[Figure]:
    chosen = PARTS if part == "all" else (part,)
    return [
        figure
        for name in chosen
        for figure in importlib.import_module(f"known_truth.{name}").measure(repetitions)
    ]


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        Option("part", "all", "which claims", ("all", *PARTS)),
        Option("repetitions", 1, "how many times as many simulated studies"),
    )

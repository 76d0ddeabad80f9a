"""Every statistical claim of a report, held to simulations whose truth is known.

Each part runs the product's own functions on networks, games or functions whose true values are known, and
says how often an interval holds the truth, how often a true null is rejected, and how often a real difference
is seen. Every share comes with its Monte Carlo standard error. ``--part`` picks one; ``--repetitions``
multiplies the number of simulated studies (1 keeps every part under three minutes on two cores).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from _figures import Figure, Option, run

PARTS = tuple(sorted(path.stem.removeprefix("_truth_") for path in Path(__file__).parent.glob("_truth_*.py")))
"""Each is a module ``_truth_PART.py`` with ``measure(repetitions: int) -> Sequence[Figure]``."""


def measure(part: str, repetitions: int) -> Sequence[Figure]:
    chosen = PARTS if part == "all" else (part,)
    return [
        figure for name in chosen for figure in importlib.import_module(f"_truth_{name}").measure(repetitions)
    ]


if __name__ == "__main__":
    run(
        __doc__ or "",
        measure,
        Option("part", "all", "which claims", ("all", *PARTS)),
        Option("repetitions", 1, "how many times as many simulated studies"),
    )

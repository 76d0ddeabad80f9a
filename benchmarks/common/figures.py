"""How a benchmark says what it measured: a table of figure, bound and verdict, or JSON.

Every benchmark is ``benchmarks/NAME.py [--json] [--check]``. With ``--check`` it exits 1 where a figure
misses its bound, and that figure and its bound are the last line.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from rich.console import Console
from rich.table import Table

Result = TypeVar("Result")


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        name: what was measured.
        value: the measure.
        unit: of the value; ``x`` for a ratio within this run.
        at_most, at_least: the bound, where there is one.
        error: Monte Carlo standard error of the value, where it was simulated.
    """

    name: str
    value: float
    unit: str = "x"
    at_most: float | None = None
    at_least: float | None = None
    error: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the figure is within its bound."""
        above = self.at_most is not None and self.value > self.at_most
        below = self.at_least is not None and self.value < self.at_least
        return not (above or below)

    @property
    def bound(self) -> str:
        """The bound in words; empty where there is none."""
        if self.at_most is not None:
            return f"at most {self.at_most:g} {self.unit}"
        return f"at least {self.at_least:g} {self.unit}" if self.at_least is not None else ""

    @property
    def verdict(self) -> str:
        """``kept``, ``missed``, or nothing where there is no bound."""
        return ("kept" if self.kept else "missed") if self.bound else ""


@dataclass(frozen=True)
class Option:
    """A value on a benchmark's command line, given to what measures by its name; one of ``choices`` where
    there are any."""

    name: str
    default: int | str
    help: str
    choices: tuple[str, ...] | None = None


def run(description: str, measure: Callable[..., Sequence[Figure]], *options: Option) -> None:
    """The whole command line of a benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--check", action="store_true", help="exit 1 where a figure misses its bound")
    for option in options:
        what = f"{option.help} ({option.default})" if option.default != "" else option.help
        parser.add_argument(
            f"--{option.name}",
            type=type(option.default),
            default=option.default,
            choices=option.choices,
            help=what,
        )
    arguments = parser.parse_args()
    figures = measure(**{option.name: getattr(arguments, option.name) for option in options})
    if arguments.json:
        print(json.dumps([{**asdict(figure), "verdict": figure.verdict} for figure in figures], indent=2))
    else:
        _print_table(figures)
    missed = [figure for figure in figures if not figure.kept]
    if arguments.check and missed:
        print(f"missed: {missed[0].name}: {missed[0].value:.4g} {missed[0].unit}, {missed[0].bound}")
        sys.exit(1)


def share(
    name: str, hits: int, of: int, *, at_most: float | None = None, at_least: float | None = None
) -> Figure:
    """How often something happened in simulated studies, in percent, with its Monte Carlo standard error.

    The error is that of a binomial share with half a study of each kind added, so that 0 of 200 is not
    without error.
    """
    smoothed = (hits + 0.5) / (of + 1)
    error = 100.0 * math.sqrt(smoothed * (1.0 - smoothed) / of)
    return Figure(name, 100.0 * hits / of, "%", at_most=at_most, at_least=at_least, error=error)


def take_turns(
    runs: Mapping[str, Callable[[], Result]], rounds: int
) -> tuple[dict[str, float], dict[str, Result]]:
    """Compare what does the same work: a machine is never quite idle, and so all take turns.

    Returns:
        By name: the least seconds of a run, and what the first run gave, whose seconds don't count.
    """
    results = {name: go() for name, go in runs.items()}
    seconds = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, go in runs.items():
            begun = time.perf_counter()
            go()
            seconds[name] = min(seconds[name], time.perf_counter() - begun)
    return seconds, results


def _print_table(figures: Sequence[Figure]) -> None:
    table = Table("figure", "value", "bound", "verdict", box=None)
    table.columns[1].justify = "right"
    for figure in figures:
        error = "" if figure.error is None else f" ±{figure.error:.2g}"
        table.add_row(figure.name, f"{figure.value:.3g}{error} {figure.unit}", figure.bound, figure.verdict)
    Console(width=None if sys.stdout.isatty() else 100, highlight=False).print(table)

"""Draws configurations at random; an Optuna study of 10,000 open trials would take a minute."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any


class Drawn:
    """Draws from a space, and keeps what it drew, by Optuna's names."""

    def __init__(self, generator: random.Random) -> None:
        self._generator = generator
        self.params: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        return self.params.setdefault(name, self._generator.choice(choices))

    def suggest_float(self, name: str, low: float, high: float, **_: Any) -> float:
        """A number, evenly on a logarithmic axis."""
        value = math.exp(self._generator.uniform(math.log(low), math.log(high)))
        return self.params.setdefault(name, value)

    def suggest_int(self, name: str, low: int, high: int, **_: Any) -> int:
        """A whole number."""
        return self.params.setdefault(name, self._generator.randint(low, high))

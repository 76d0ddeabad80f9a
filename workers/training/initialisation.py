"""Initial weights, sampled once in NumPy so that every framework starts from the same numbers.

Each layer has a stream of its own, spawned from the seed: its numbers depend on nothing but the scheme, the
seed, its place and its own two sizes, in whatever thread or process they are sampled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray

from studies.errors import StudyFileError, nearest
from workers.training.trainer import Weights

Sample = Callable[[Generator, int, int], NDArray[np.float64]]
"""(generator, fan_in, fan_out) → one layer's weights (fan_in, fan_out) or biases (fan_out,)."""

TRUNCATED_AT = 2.0
"""Standard deviations beyond which the truncated normal distributions are sampled again, as in Keras."""

TRUNCATED_STDDEV = 0.87962566103423978
"""Standard deviation of a unit normal truncated at ±2: sqrt(1 - 4 φ(2) / (2 Φ(2) - 1))."""

ORTHOGONAL_GRID = 2.0**20
"""Orthogonal weights are multiples of one over this, which single precision holds exactly too."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one layer's weights and then its biases are sampled, from one generator."""

    weights: Sample
    biases: Sample


def initial_weights(
    scheme: str, layers: Sequence[int], seed: int, biases: float | str | None = None
) -> Weights:
    """The weights before the first epoch, float64.

    Args:
        scheme: a name in :data:`SCHEMES`.
        layers: (features, *hidden, classes).
        seed: 0 or above.
        biases: one number that all biases are set to, or the name of another scheme, whose biases for this
            seed they become; ``None`` leaves them to the scheme. The weights are the same either way.

    Raises:
        StudyFileError: where the scheme is not known.
        ValueError: where there are fewer than two layers, one of them is empty, or the seed is negative.
    """
    named = _scheme(scheme)
    if len(layers) < 2 or min(layers) < 1:
        raise ValueError(f"layers must be two or more sizes of 1 or above, found {tuple(layers)}")
    streams = SeedSequence(seed).spawn(len(layers) - 1)
    weights: list[NDArray[np.float64]] = []
    for stream, (fan_in, fan_out) in zip(streams, pairwise(layers), strict=True):
        generator = default_rng(stream)
        weights.append(named.weights(generator, fan_in, fan_out))
        if biases is None:
            weights.append(named.biases(generator, fan_in, fan_out))
        elif isinstance(biases, str):
            weights.append(_biases_of(_scheme(biases), default_rng(stream), fan_in, fan_out))
        else:
            weights.append(np.full(fan_out, float(biases)))
    return tuple(weights)


def constant_biases(scheme: str) -> float | None:
    """The one number that a scheme sets all biases to; ``None`` where it samples them."""
    sample_biases = _scheme(scheme).biases
    return 0.0 if sample_biases is _zeros else 1.0 if sample_biases is _ones else None


def _biases_of(scheme: Scheme, generator: Generator, fan_in: int, fan_out: int) -> NDArray[np.float64]:
    """The scheme's own biases: it samples the weights from this generator first, and then the biases."""
    scheme.weights(generator, fan_in, fan_out)
    return scheme.biases(generator, fan_in, fan_out)


def _scheme(name: str) -> Scheme:
    scheme = SCHEMES.get(name)
    if scheme is None:
        raise _unknown_scheme(name)
    return scheme


def _glorot_limit(fan_in: int, fan_out: int) -> float:
    return math.sqrt(6.0 / (fan_in + fan_out))


def _bottou_limit(fan_in: int, _fan_out: int) -> float:
    return 2.4 / math.sqrt(fan_in)


def _uniform(limit: Callable[[int, int], float]) -> Sample:
    """Uniform in ±``limit(fan_in, fan_out)``."""

    def sample(generator: Generator, fan_in: int, fan_out: int) -> NDArray[np.float64]:
        bound = limit(fan_in, fan_out)
        return generator.uniform(-bound, bound, (fan_in, fan_out))

    return sample


def _normal(variance: Callable[[int, int], float]) -> Sample:
    """Normal truncated at two standard deviations, widened so that ``variance(fan_in, fan_out)`` is left.

    As Keras's ``VarianceScaling`` does it, so that the variance is the one that the papers ask for.
    """

    def sample(generator: Generator, fan_in: int, fan_out: int) -> NDArray[np.float64]:
        stddev = math.sqrt(variance(fan_in, fan_out)) / TRUNCATED_STDDEV
        return stddev * _truncated_unit_normal(generator, fan_in, fan_out)

    return sample


def _narrow_normal(generator: Generator, fan_in: int, fan_out: int) -> NDArray[np.float64]:
    return 0.01 * _truncated_unit_normal(generator, fan_in, fan_out)


def _truncated_unit_normal(generator: Generator, fan_in: int, fan_out: int) -> NDArray[np.float64]:
    values = generator.standard_normal(fan_in * fan_out)
    outside = np.flatnonzero(np.abs(values) > TRUNCATED_AT)
    while outside.size:
        values[outside] = generator.standard_normal(outside.size)
        outside = outside[np.abs(values[outside]) > TRUNCATED_AT]
    return values.reshape(fan_in, fan_out)


def _orthogonal(generator: Generator, fan_in: int, fan_out: int) -> NDArray[np.float64]:
    """Orthonormal columns, or rows where there are fewer of them, to within 1e-6 an element."""
    long, short = max(fan_in, fan_out), min(fan_in, fan_out)
    q, r = np.linalg.qr(generator.standard_normal((long, short)))
    # QR fixes the signs by a convention of LAPACK's; without this the matrices aren't uniformly distributed.
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)
    # The last bits of QR change with the number of BLAS threads, and a worker process has another number
    # of them than its driver. Rounded so, 300 × 600 matrices differ in about one sample of 30,000.
    rounded = np.rint(q * ORTHOGONAL_GRID) / ORTHOGONAL_GRID
    return np.ascontiguousarray(rounded if fan_in >= fan_out else rounded.T)


def _zeros(_generator: Generator, _fan_in: int, fan_out: int) -> NDArray[np.float64]:
    return np.zeros(fan_out)


def _ones(_generator: Generator, _fan_in: int, fan_out: int) -> NDArray[np.float64]:
    return np.ones(fan_out)


def _bottou_biases(generator: Generator, fan_in: int, fan_out: int) -> NDArray[np.float64]:
    bound = _bottou_limit(fan_in, fan_out)
    return generator.uniform(-bound, bound, fan_out)


def _unknown_scheme(scheme: str) -> StudyFileError:
    return StudyFileError(
        f"found the unknown initialisation '{scheme}'",
        where="space.initialisation",
        allowed=", ".join(SCHEMES),
        remedy=nearest(scheme, SCHEMES),
    )


SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        # X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
        # networks", AISTATS 2010, equation 16; the normal one keeps that variance (equation 12).
        "glorot_uniform": Scheme(_uniform(_glorot_limit), _zeros),
        "glorot_normal": Scheme(_normal(lambda fan_in, fan_out: 2.0 / (fan_in + fan_out)), _zeros),
        # K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV 2015, equation 10.
        "he_uniform": Scheme(_uniform(lambda fan_in, _: math.sqrt(6.0 / fan_in)), _zeros),
        "he_normal": Scheme(_normal(lambda fan_in, _: 2.0 / fan_in), _zeros),
        # Y. LeCun, L. Bottou, G. Orr and K.-R. Müller, "Efficient BackProp", 1998, equation 16.
        "lecun_normal": Scheme(_normal(lambda fan_in, _: 1.0 / fan_in), _zeros),
        # A. Saxe, J. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of learning in
        # deep linear neural networks", ICLR 2014.
        "orthogonal": Scheme(_orthogonal, _zeros),
        # stddev 0.01 before truncation, as tf.truncated_normal takes it: the fix that the question was given.
        "truncated_normal": Scheme(_narrow_normal, _zeros),
        # MLlib's AffineLayerModel.randomWeights, after L. Bottou, "Reconnaissance de la parole par reseaux
        # multi-couches", 1988: ±a/sqrt(fan_in), a near 2.38, where a sigmoid curves most.
        "spark_uniform": Scheme(_uniform(_bottou_limit), _bottou_biases),
        # The network of the question: glorot_uniform with constant biases of 1.
        "seed_uniform": Scheme(_uniform(_glorot_limit), _ones),
    }
)
"""The schemes by name."""

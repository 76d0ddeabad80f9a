from __future__ import annotations

import numpy as np

from search.importance.ped_anova import Grid
from search.importance.ped_shares import corrected, shares_of
from studies.space.numbers import Floats

SIZES = (2, 3, 5, 5, 50, 50)


def study(trials: int, seed: int) -> tuple[dict[str, Grid], Floats]:
    generator = np.random.default_rng(seed)
    grids = {
        f"x{axis}": Grid(generator.integers(0, cells, trials), cells, cells == 50)
        for axis, cells in enumerate(SIZES)
    }
    return grids, generator.normal(size=trials)


def test_pure_noise_has_a_significant_parameter_in_about_one_study_of_twenty() -> None:
    named, marked = 0, 0
    for seed in range(40):
        shares = shares_of(*study(40, seed))
        named += any(share.significant for share in shares)
        marked += any(not share.by_chance for share in shares)
    # Parameter by parameter, one of six passes in a quarter of the studies.
    assert marked > 4
    assert named <= 6


def test_one_parameter_among_noise_is_significant_alone() -> None:
    found: list[str] = []
    for seed in range(10):
        grids, noise = study(60, seed)
        found += [
            share.axis for share in shares_of(grids, noise + grids["x4"].cell / 12) if share.significant
        ]
    assert found.count("x4") == 10
    assert len(found) <= 12


def test_a_measure_above_all_shuffles_has_the_smallest_probability_and_the_mean_one_a_large_one() -> None:
    shuffled = np.random.default_rng(0).random((3, 199))
    likely = corrected(np.array([2.0, 0.5, 0.0]), shuffled)
    assert likely[0] == 1 / 200
    assert likely[1] > 0.5
    assert likely[2] == 1.0

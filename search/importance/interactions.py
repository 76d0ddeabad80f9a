"""Whether two choices interact: judged against refits on data in which no two do.

A forest finds interactions in a purely additive function too, because it smooths. So the strongest of all
pairs is compared with the strongest pair of refits on additive data: the scores of an additive fit, to which
its residuals are added in random order (J. Friedman and B. Popescu, "Predictive learning via rule ensembles",
Annals of Applied Statistics 2, 2008, section 8.3). An interaction is claimed where it is above all of
:data:`REFITS` refits, which chance does in one study of twenty, whatever the number of pairs.

The refits are smaller than the forest that the shares are of, and where one of the first few is above the
interaction, which is soon where there is none, there are no more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search.importance.additive import Basis
from search.importance.fanova import Fits, at_most, covariances, halves_of
from studies.space.numbers import Branches, Floats

REFITS = 19
"""Refits on additive data; above all of them is one in twenty."""

BATCHES = (3, 16)
"""In which they are made, so that most studies without an interaction need the first few only."""

SPLITS = 8
"""Splits of the trials into halves, of each refit and of the scores themselves."""

MOST_TRIALS, MOST_ROWS = 1000, 250
"""Trials that are looked at, and that a tree draws, at most."""


def strongest_interaction(
    table: Floats,
    scores: Floats,
    categories: Sequence[int],
    branches: Branches,
    pairs: Sequence[tuple[int, int]],
) -> tuple[int, int] | None:
    """The pair of axes that interact most; ``None`` where additive data show as much.

    Args:
        table: (trials, axes) as :func:`studies.space.numbers.table_of` makes it.
        scores: (trials,) not all equal.
        categories: (axes,) how many each has, absence counted; 0 for an axis of numbers.
        branches: the space that the trials are of.
        pairs: those to look at.
    """
    if not pairs:
        return None
    generator = np.random.default_rng(0)  # fixed, so that a report that is printed twice says the same
    some = np.sort(generator.permutation(len(scores))[:MOST_TRIALS])
    table, scores = table[some], (scores[some] - scores[some].mean()) / (scores[some].std() or 1.0)
    members = halves_of(np.ones((SPLITS, len(some)), dtype=bool), generator)
    rows = at_most(members, MOST_ROWS, generator)

    def strengths(studies: Floats) -> Floats:
        """(studies, pairs) of scores (studies, trials)."""
        repeated = np.tile(members, (len(studies), 1)), np.tile(rows, (len(studies), 1))
        of_scores = np.repeat(studies, 2 * SPLITS, axis=0)
        fits = Fits(table, of_scores, repeated, categories, branches)
        strengths = [
            covariances(*fits.beyond(pair)).reshape(len(studies), SPLITS).mean(axis=1) for pair in pairs
        ]
        return np.stack(strengths, axis=1)

    basis = Basis(branches)
    functions = basis.of(table)
    penalty, freedom = basis.penalty(functions, scores)
    everyone = np.ones((1, len(some)), dtype=bool)
    additive = functions @ basis.fit(functions, scores, everyone, penalty)[0]
    # A fit takes a part of the noise with it: what is left over is stretched to what there was.
    residuals = (scores - additive) * np.sqrt(len(some) / max(freedom, 1.0))
    seen = strengths(scores[None, :])[0]
    for refits in BATCHES:
        studies = additive + np.stack([generator.permutation(residuals) for _ in range(refits)])
        if (strengths(studies).max(axis=1) >= seen.max()).any():
            return None
    return pairs[int(np.argmax(seen))]

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.data.labels import Labels
from studies.data.splitting import part_sizes, stratified_split, thinned
from studies.errors import DataError

shares = st.tuples(st.floats(0.01, 0.98), st.floats(0.01, 0.98)).filter(lambda pair: sum(pair) < 0.99)
counts = st.lists(st.integers(3, 200), min_size=2, max_size=5)


def labels_of(counts: list[int]) -> Labels:
    indices = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    return Labels(tuple(str(index) for index in range(len(counts))), indices.astype(np.int64), 0)


@given(counts, shares, st.integers(0, 2**31 - 1))
def test_parts_are_disjoint_complete_in_the_sources_order_and_hold_every_class(
    counts: list[int], shares: tuple[float, float], seed: int
) -> None:
    labels = labels_of(counts)
    parts = stratified_split(labels, *shares, seed, "f.csv")
    assert sorted(np.concatenate(parts).tolist()) == list(range(sum(counts)))
    for part in parts:
        assert (np.diff(part) > 0).all()
        assert set(labels.indices[part]) == set(range(len(counts)))
    for index, rows in enumerate(counts):
        dealt = [int((labels.indices[part] == index).sum()) for part in parts]
        assert dealt == part_sizes(rows, (1 - sum(shares), *shares))


@given(counts, shares, st.integers(0, 2**31 - 1))
def test_the_same_seed_gives_the_same_rows(counts: list[int], shares: tuple[float, float], seed: int) -> None:
    first = stratified_split(labels_of(counts), *shares, seed, "f.csv")
    again = stratified_split(labels_of(counts), *shares, seed, "f.csv")
    assert all((one == other).all() for one, other in zip(first, again, strict=True))


def test_another_seed_gives_other_rows() -> None:
    labels = labels_of([50, 50])
    assert (
        stratified_split(labels, 0.2, 0.2, 1, "f")[2].tolist()
        != stratified_split(labels, 0.2, 0.2, 2, "f")[2].tolist()
    )


@given(st.integers(3, 10_000), shares)
def test_sizes_sum_to_the_rows_and_lie_within_one_of_the_exact_share(
    rows: int, pair: tuple[float, float]
) -> None:
    parts = (1 - sum(pair), *pair)
    sizes = part_sizes(rows, parts)
    assert sum(sizes) == rows
    assert min(sizes) >= 1
    # A part with less than one row still gets one, which another part gives.
    bound = 1 if min(parts) * rows >= 1 else 2
    assert all(abs(size - rows * share) < bound + 1e-6 for size, share in zip(sizes, parts, strict=True))


@pytest.mark.parametrize(
    ("rows", "shares", "sizes"),
    [
        (100, (0.64, 0.16, 0.20), [64, 16, 20]),
        (642, (0.64, 0.16, 0.20), [411, 103, 128]),  # 410.88, 102.72, 128.4
        (15, (0.6, 0.2, 0.2), [9, 3, 3]),
        (4, (0.5, 0.25, 0.25), [2, 1, 1]),
        (10, (0.98, 0.01, 0.01), [8, 1, 1]),
    ],
)
def test_sizes_of_known_cases(rows: int, shares: tuple[float, ...], sizes: list[int]) -> None:
    assert part_sizes(rows, shares) == sizes


def test_a_class_too_small_for_three_parts_is_named_with_its_rows() -> None:
    with pytest.raises(DataError) as caught:
        stratified_split(Labels(("ham", "spam"), np.array([0] * 9 + [1] * 2), 1), 0.2, 0.2, 0, "f.csv")
    assert caught.value.problem == "class 'spam' has only 2 rows"
    assert "at least 3 rows" in caught.value.allowed


def split_of(positives: int, others: int) -> tuple[Labels, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    indices = np.random.default_rng(2).permutation(np.repeat([0, 1], [others, positives])).astype(np.int64)
    labels = Labels(("ham", "spam"), indices, 1)
    return labels, stratified_split(labels, 0.2, 0.2, 7, "f.csv")


@given(st.floats(0.05, 0.9), st.integers(0, 2**31 - 1))
def test_thinned_parts_have_the_share_that_was_asked_for_and_keep_the_source_order(
    share: float, seed: int
) -> None:
    labels, parts = split_of(200, 800)
    for whole, part in zip(parts, thinned(parts, labels, share, seed, "f.csv"), strict=True):
        assert set(part) <= set(whole)
        assert (np.diff(part) > 0).all()
        positives = labels.indices[part].sum()
        assert positives / len(part) == pytest.approx(share, abs=0.5 / (len(part) * min(share, 1 - share)))
        kept = 0 if share <= 0.2 else 1  # of the class that is too few nothing is left out
        assert (labels.indices[part] == kept).sum() == (labels.indices[whole] == kept).sum()


def test_a_smaller_share_keeps_a_subset_of_what_a_larger_one_keeps() -> None:
    labels, parts = split_of(200, 800)
    more, less = (thinned(parts, labels, share, 3, "f.csv") for share in (0.1, 0.05))
    for larger, smaller in zip(more, less, strict=True):
        assert set(smaller) < set(larger)


def test_a_share_that_leaves_a_part_without_a_class_is_refused() -> None:
    labels, parts = split_of(200, 800)
    for share, name in ((0.001, "spam"), (0.999, "ham")):
        with pytest.raises(DataError, match=f"leaves no row of '{name}' among"):
            thinned(parts, labels, share, 0, "f.csv")

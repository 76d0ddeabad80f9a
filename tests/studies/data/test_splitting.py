from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.data.labels import Labels
from studies.data.splitting import farthest_from_shares, part_sizes, stratified_split, thinned
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


@st.composite
def repeated_rows(draw: st.DrawFn) -> tuple[Labels, np.ndarray]:
    """Labels, and groups of one to forty rows, some of which hold rows of several classes."""
    classes = draw(st.integers(2, 4))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = generator.choice([1, 1, 1, 2, 3, draw(st.integers(1, 40))], size=draw(st.integers(6, 60)))
    own = generator.integers(classes, size=len(sizes))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    other = generator.random(len(groups)) < draw(st.sampled_from([0.0, 0.1, 0.5]))
    indices = np.where(other, generator.integers(classes, size=len(groups)), own[groups])
    order = generator.permutation(len(groups))
    return Labels(tuple("abcd"[:classes]), indices[order].astype(np.int64), 0), groups[order]


@given(repeated_rows(), shares, st.integers(0, 2**31 - 1))
def test_rows_that_repeat_each_other_are_never_on_two_sides_and_no_part_lacks_a_class(
    rows: tuple[Labels, np.ndarray], shares: tuple[float, float], seed: int
) -> None:
    labels, groups = rows
    try:
        parts = stratified_split(labels, *shares, seed, "f.csv", groups)
    except DataError:
        distinct = [len(np.unique(groups[labels.indices == index])) for index in range(len(labels.classes))]
        pure = sum(distinct) == len(np.unique(groups))
        assert min(distinct) < 3 or not pure, "nothing stood in the way"
        return
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(groups)))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not set(groups[parts[one]]) & set(groups[parts[other]])
    for part in parts:
        assert (np.diff(part) > 0).all()
        assert set(labels.indices[part]) == set(range(len(labels.classes)))
    again = stratified_split(labels, *shares, seed, "f.csv", groups)
    assert all((one == two).all() for one, two in zip(parts, again, strict=True))


@given(counts, shares, st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_without_repeats_the_parts_are_those_of_rows_placed_by_themselves(
    counts: list[int], shares: tuple[float, float], seed: int, numbering: int
) -> None:
    labels = labels_of(counts)
    groups = np.random.default_rng(numbering).permutation(sum(counts))
    alone = stratified_split(labels, *shares, seed, "f.csv")
    together = stratified_split(labels, *shares, seed, "f.csv", groups)
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))


@given(st.integers(0, 2**31 - 1))
def test_classes_keep_their_shares_to_the_row_where_single_rows_can_make_up_for_repeats(seed: int) -> None:
    labels = labels_of([700, 300])
    generator = np.random.default_rng(seed)
    groups = np.arange(1000)
    for index in (0, 1):
        rows = generator.permutation(np.flatnonzero(labels.indices == index))[:100]
        groups[rows] = 1000 + 100 * index + generator.integers(30, size=100)
    _, groups = np.unique(groups, return_inverse=True)
    parts = stratified_split(labels, 0.16, 0.2, seed, "f.csv", groups)
    dealt = [np.bincount(labels.indices[part]).tolist() for part in parts]
    assert np.array(dealt).T.tolist() == [part_sizes(rows, (0.64, 0.16, 0.2)) for rows in (700, 300)]


def test_a_group_is_in_a_part_as_often_as_a_row_is_however_large_it_is() -> None:
    labels = labels_of([400, 200])
    rows = np.flatnonzero(labels.indices == 0)
    groups = np.arange(600)
    for number, start in enumerate(range(0, 200, 10)):
        groups[rows[start : start + (10 if number == 0 else 2)]] = rows[start]
    _, groups = np.unique(groups, return_inverse=True)
    tested = [rows[0] in stratified_split(labels, 0.16, 0.2, seed, "f.csv", groups)[2] for seed in range(400)]
    assert np.mean(tested) == pytest.approx(0.2, abs=0.06)


def test_the_largest_repeats_train_where_they_are_more_than_another_part_should_have() -> None:
    labels = labels_of([100, 100])
    groups = np.arange(200)
    groups[np.flatnonzero(labels.indices == 0)[:50]] = 0
    _, groups = np.unique(groups, return_inverse=True)
    for seed in range(20):
        parts = stratified_split(labels, 0.16, 0.2, seed, "f.csv", groups)
        assert [len(part) for part in parts] == [128, 32, 40]


def test_few_distinct_rows_are_dealt_out_whole_and_what_it_costs_is_found() -> None:
    labels = Labels(("a", "b"), np.tile([0, 0, 0, 1], 80), 1)
    groups = np.repeat(np.arange(8), 40)
    parts = stratified_split(labels, 0.16, 0.2, 3, "f.csv", groups)
    assert sorted(len(np.unique(groups[part])) for part in parts) == [1, 2, 5]
    assert farthest_from_shares(labels, parts, 0.16, 0.2) == (2, 0, 60, 48)


def test_a_class_of_two_distinct_rows_is_refused_with_the_way_out() -> None:
    labels = Labels(("ham", "spam"), np.array([0] * 9 + [1] * 5), 1)
    with pytest.raises(DataError) as caught:
        stratified_split(labels, 0.2, 0.2, 0, "f.csv", np.array([*range(9), 9, 9, 9, 10, 10]))
    assert "row of class 'spam' can be had" in caught.value.problem
    assert "and 2 of its 5 differ" in caught.value.problem
    assert 'repeats = "anywhere" in [data]' in caught.value.remedy

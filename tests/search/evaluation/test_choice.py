"""Who becomes a finalist, and what is left to train."""

from __future__ import annotations

import random
from collections.abc import Collection

import pytest

from search.evaluation.choice import Wanted, choose, finalists_wanted, missing_of, shown, wanted_of
from studies.records.finalists import Finalists
from studies.records.replicas import ReplicaRecord, new_seeds
from studies.records.reports import SegmentReport
from studies.records.trials import TrialRecord
from studies.space.configuration import trial_seed
from tests.search import fakes

GENERATOR = random.Random(1)


def ranked(*frameworks: str) -> list[TrialRecord]:
    """Complete trials of these frameworks, best first, numbered from the worst."""
    count = len(frameworks)
    return [
        fakes.complete(count - place, 0.9 - place / 100, fakes.draw(GENERATOR, framework))
        for place, framework in enumerate(frameworks)
    ]


def places(records: list[TrialRecord], count: int) -> list[int]:
    return [records.index(one) for one in choose(records, count)]


def test_the_best_are_chosen_with_the_best_of_each_framework_among_them() -> None:
    records = ranked("tensorflow", "tensorflow", "tensorflow", "spark", "tensorflow", "spark")
    assert places(records, 1) == [0]
    assert places(records, 2) == [0, 3]
    assert places(records, 3) == [0, 1, 3]
    assert places(records, 5) == [0, 1, 2, 3, 4]
    assert places(records, 50) == [0, 1, 2, 3, 4, 5]
    assert places([], 5) == []
    assert places(records, 0) == []


@pytest.mark.parametrize(
    ("study", "wanted"),
    [
        ({}, 5),
        ({"report": {"finalists": 2}}, 2),
        ({"report": {"finalists": 0}}, 0),
        ({"space": {"framework": "analytic", "optimizer": "sgd"}}, 0),
        ({"space": {"framework": "analytic", "optimizer": "sgd"}, "report": {"finalists": 2}}, 2),
    ],
)
def test_without_a_network_there_are_no_finalists_unless_they_are_asked_for(
    study: dict[str, object], wanted: int
) -> None:
    assert finalists_wanted(fakes.study_file(study)) == wanted


def test_no_seed_of_a_finalist_is_one_of_a_trial_and_all_finalists_have_the_same() -> None:
    file = fakes.study_file({"seed": 7, "report": {"seeds": 3}})
    chosen = ranked("tensorflow", "spark")
    wanted = wanted_of(file, chosen, chosen, 2).finalists
    seeds = [[one.seed for one in several] for several in wanted.values()]
    assert seeds[0] == seeds[1] == list(new_seeds(7, 3))
    assert not set(seeds[0]) & {trial_seed(7, repeat) for repeat in range(10_000)}
    assert all(0 <= seed < 2**31 for seed in new_seeds(2**31 - 1, 50))
    assert [one.configuration for one, *_ in wanted.values()] == [one.configuration for one in chosen]


def test_a_trial_that_is_reported_runs_again_with_its_own_seed() -> None:
    records = ranked("tensorflow", "tensorflow", "spark")
    named = fakes.complete(9, 0.1, fakes.draw(GENERATOR, "tensorflow"), enqueued=True)
    wanted = wanted_of(fakes.study_file(), [*records, named], [*records, named], 0)
    assert wanted.finalists == {}
    assert set(wanted.searched) == {records[0].number, records[2].number, named.number}
    assert [one.number for one in shown([*records, named], records)] == sorted(wanted.searched)
    for record in (records[0], records[2], named):
        one = wanted.searched[record.number]
        assert (one.configuration, one.seed) == (record.configuration, record.seed)


def test_what_is_missing_is_what_the_test_rows_were_not_opened_for() -> None:
    chosen = ranked("tensorflow", "spark")
    wanted = wanted_of(fakes.study_file({"report": {"seeds": 2}}), chosen, chosen, 2)
    networks = [one for several in wanted.finalists.values() for one in several]
    records = {str(place): ReplicaRecord(one, SegmentReport(-1, 9)) for place, one in enumerate(networks)}

    def missing(finalists: Finalists | None, opened: Collection[int] = ()) -> Wanted:
        return missing_of(wanted, finalists, records, opened)

    def evaluated(*keys: str) -> Finalists:
        return Finalists("f1", (), {}, fakes.scores(0.9), keys)

    assert missing(None).all() == wanted.all()
    # Finalists are compared with each other: all of them are missing, or none.
    assert missing(evaluated("0", "1")).finalists == wanted.finalists
    assert missing(evaluated(*records)).finalists == {}
    assert missing(evaluated(*records), set(wanted.searched)).all() == ()

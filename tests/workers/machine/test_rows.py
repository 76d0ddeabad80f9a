"""Copies of the study's rows: fetched once, whole or not at all, and never believed without their digests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.driving.preflight import prepare_data
from studies.errors import DataError, MachineError
from studies.study_file import read_study_file
from workers.machine import rows
from workers.machine.rows import CACHE, FILES, find_rows, is_copy, sees


@pytest.fixture
def there(study_file: Callable[..., Path]) -> Path:
    """The driver's cache directory."""
    return prepare_data(read_study_file(study_file())).directory


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE, str(tmp_path / "copies"))
    return tmp_path / "copies"


class FakeScheduler:
    """Holds metadata as the driver leaves it, in parts of 1,000 bytes."""

    def __init__(self, directory: Path) -> None:
        self.asked = 0
        self.held: dict[tuple[str | int, ...], Any] = {}
        parts = {}
        for name in FILES:
            content = (directory / name).read_bytes()
            pieces = [content[at : at + 1000] for at in range(0, len(content), 1000)]
            parts[name] = len(pieces)
            self.held |= {("me", name, number): piece for number, piece in enumerate(pieces)}
        self.held["index",] = {"gone": None, "me": {"parts": parts}}

    def __call__(self, *keys: str | int) -> Any:
        self.asked += 1
        return self.held.get(keys)


def blind(there: Path, monkeypatch: pytest.MonkeyPatch, scheduler: Any) -> Path:
    """The driver's directory as a machine names it that doesn't have it."""
    monkeypatch.setattr(rows, "_asking_the_scheduler", lambda _hash: scheduler)
    return Path("/nowhere") / there.name


def test_where_the_drivers_directory_is_seen_nobody_is_asked(there: Path) -> None:
    assert sees(there)
    assert find_rows(there) == there


def test_a_directory_of_other_rows_is_not_taken_for_these(there: Path, tmp_path: Path) -> None:
    (tmp_path / "abc").symlink_to(there)
    assert not sees(tmp_path / "abc")


def test_a_copy_is_fetched_once_and_found_by_its_hash(
    there: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = FakeScheduler(there)
    elsewhere = blind(there, monkeypatch, scheduler)
    found = find_rows(elsewhere)
    assert found == cache / there.name
    assert all((found / name).read_bytes() == (there / name).read_bytes() for name in FILES)
    asked = scheduler.asked
    assert find_rows(elsewhere) == found
    assert scheduler.asked == asked + 1  # whether there is anything to have, and no byte of it


def test_a_copy_with_a_byte_changed_is_fetched_anew(
    there: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = blind(there, monkeypatch, FakeScheduler(there))
    file = find_rows(elsewhere) / "train_features.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert not is_copy(cache / there.name)
    assert is_copy(find_rows(elsewhere))


def test_what_arrives_changed_is_refused_and_nothing_is_left(
    there: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = FakeScheduler(there)
    scheduler.held["me", "test_labels.npy", 0] = b"x" * 1000
    with pytest.raises(DataError, match="did not arrive as the driver wrote them"):
        find_rows(blind(there, monkeypatch, scheduler))
    assert list(cache.iterdir()) == []


def test_where_one_driver_takes_its_rows_back_those_of_another_are_fetched(
    there: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = FakeScheduler(there)
    index = scheduler.held["index",]

    def ask(*keys: str | int) -> Any:
        if keys[0] == "ending":  # it has gone since it offered them
            scheduler.held["index",] = index
            return None
        return scheduler(*keys)

    scheduler.held["index",] = {"ending": {"parts": index["me"]["parts"]}, **index}
    assert find_rows(blind(there, monkeypatch, ask)) == cache / there.name
    assert is_copy(cache / there.name)


def test_without_anybody_who_offers_them_the_directory_itself_says_what_is_wrong(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = blind(there, monkeypatch, lambda *_keys: None)
    assert find_rows(elsewhere) == elsewhere


@pytest.mark.usefixtures("cache")
def test_rows_that_are_on_their_way_are_waited_for(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = FakeScheduler(there)
    answers = iter([{"me": {}}, {"me": {}, "gone": None}])
    monkeypatch.setattr(rows.time, "sleep", lambda _seconds: None)

    def ask(*keys: str | int) -> Any:
        return next(answers, None) or scheduler(*keys) if keys == ("index",) else scheduler(*keys)

    assert is_copy(find_rows(blind(there, monkeypatch, ask)))


@pytest.mark.usefixtures("cache")
def test_a_store_is_read_with_what_the_workers_own_environment_says(
    there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "secret-store" / there.name
    store.parent.mkdir()
    store.symlink_to(there)
    offered = {"url": f"file://{tmp_path}/${{STORE}}/{there.name}"}
    elsewhere = blind(there, monkeypatch, lambda *_keys: {"me": offered})
    with pytest.raises(MachineError, match="no variable STORE"):
        find_rows(elsewhere)
    monkeypatch.setenv("STORE", "nothing-of-the-kind")
    with pytest.raises(MachineError) as refused:
        find_rows(elsewhere)
    assert "nothing-of-the-kind" not in str(refused.value)
    monkeypatch.setenv("STORE", "secret-store")
    assert is_copy(find_rows(elsewhere))

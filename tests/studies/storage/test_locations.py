from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from studies.errors import MachineError, StorageError, UserError
from studies.sections.addresses import Hidden, shown_address, without_passwords
from studies.storage.locations import Location, locate
from studies.storage.storage import is_made, open_storage
from tests.hostile import FOLDER, PASSWORD


def in_folder(directory: Path, kind: str) -> Location:
    directory.mkdir()
    return locate(f"{kind}kept", "small", directory)


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
def test_a_folder_is_its_name_whatever_is_in_it(kind: str, tmp_path: Path) -> None:
    location = in_folder(tmp_path / FOLDER, kind)
    storage = open_storage(location)
    optuna.create_study(study_name="small", storage=storage.optuna)
    storage.close()
    assert location.file == tmp_path / FOLDER / "kept"
    assert location.file.is_file()
    assert sorted(each.name for each in tmp_path.iterdir()) == [FOLDER]
    assert is_made(location)
    assert [
        study.study_name for study in open_storage(location, reads_only=True).optuna.get_all_studies()
    ] == ["small"]


@given(name=st.text(st.characters(exclude_characters="/\x00$", exclude_categories=("Cs",)), min_size=1))
def test_sqlalchemy_reads_every_name_of_a_file_back(name: str) -> None:
    path = Path("/somewhere") / name / "kept.db"
    location = locate(None, "kept", path.parent)
    assert location.file == path
    assert make_url(location.url).database == str(path)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite://:memory:", "journal::memory:"])
def test_a_study_in_memory_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"in memory would be gone .*\n.*allowed: sqlite:///FILE"):
        locate(url, "small", tmp_path)


@pytest.mark.parametrize("url", ["sqlite:///x.db?timeout=30", "sqlite:///file:x.db?mode=ro&uri=true"])
def test_options_behind_a_files_name_are_refused_and_not_made_part_of_it(url: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="a file's name as it is, without options"):
        locate(url, "small", tmp_path)


@pytest.mark.parametrize("kind", ["sqlite:///", "journal:"])
def test_a_tilde_is_the_home(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert locate(f"{kind}~/kept", "small", tmp_path).file == Path("/home/ann/kept")
    with pytest.raises(StorageError, match="no user '~nobody-of-this-name'"):
        locate(f"{kind}~nobody-of-this-name/kept", "small", tmp_path)


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("postgresql://me:${PW}@db.example:5432/studies", {"PW": PASSWORD}),
        ("postgresql://${WHO}:${PW}@${AT}:${PORT}/${DB}",
         {"WHO": "me", "PW": PASSWORD, "AT": "db.example", "PORT": "5432", "DB": "studies"}),
        ("postgresql://me:s3cret%40%2F%3A%23%3F%25%20%26w%7Bx%7D%27%22@db.example:5432/studies", {}),
        ("${DATABASE_URL}",
         {"DATABASE_URL": "postgresql://me:s3cret%40%2F%3A%23%3F%25%20%26w%7Bx%7D%27%22@db.example:5432/studies"}),
    ],
)  # fmt: skip
def test_a_value_is_one_part_of_an_address_whatever_is_in_it(
    template: str, values: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    location = locate(template, "small", tmp_path)
    url = make_url(location.url)
    parts = (url.drivername, url.username, url.password, url.host, url.port, url.database)
    assert parts == ("postgresql+psycopg", "me", PASSWORD, "db.example", 5432, "studies")
    said = location.hidden.out_of(f'no host "db.example" for me with {PASSWORD}, or {PASSWORD!r}')
    for text in (location.shown, repr(location), repr(location.hidden), said):
        assert "s3cret" not in text
        for value in values.values():
            assert value not in text


def test_of_a_whole_address_from_the_environment_no_part_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB", "postgresql://me:pw@db.example:5432/studies?sslmode=require")
    location = locate("${DB}", "small", tmp_path)
    assert location.shown == "${DB}"
    assert location.hidden.out_of('at "db.example", port 5432: user "me", studies: message') == (
        'at "${DB}", port ${DB}: user "${DB}", ${DB}: message'
    )
    monkeypatch.setenv("DB", "mysql://me:pw@db.example/studies")
    with pytest.raises(StorageError, match=r"no address of '\$\{DB\}' that can be used") as refused:
        locate("${DB}", "small", tmp_path)
    assert "example" not in str(refused.value)


def test_a_file_from_the_environment_is_found_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", str(tmp_path / "a%20b?"))
    location = locate("sqlite:///${PLACE}/kept.db", "small", Path("/"))
    assert (location.file, location.shown) == (tmp_path / "a%20b?" / "kept.db", "sqlite:///${PLACE}/kept.db")
    with pytest.raises(UserError) as refused, location.lock():
        pass
    assert "a%20b?" not in str(refused.value)
    with pytest.raises(MachineError, match="no variable NO_SUCH_PLACE"):
        locate("sqlite:///${NO_SUCH_PLACE}/kept.db", "small", Path("/"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:p@ss/w0rd@db.example/studies",
        "postgresql://me@tenant:pazz@db.example/studies",
        "postgresql://me:pazz@db.example/studies?options=a@b",
    ],
)
def test_an_at_sign_that_is_not_encoded_is_refused_and_nothing_behind_it_shown(
    url: str, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match=r"can't be parsed\n.*\n.*write an @ .* as %40") as refused:
        locate(url, "small", tmp_path)
    assert "w0rd" not in str(refused.value)
    assert "pazz" not in str(refused.value)


@pytest.mark.parametrize("port", ["abc", "0", "70000", "${PORT}", "5432,other:5433"])
def test_a_port_is_a_number(port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "s3cret")
    with pytest.raises(StorageError, match="the port is no number from 1 to 65535") as refused:
        locate(f"postgresql://db.example:{port}/studies", "small", tmp_path)
    assert "s3cret" not in str(refused.value)


@given(value=st.text(min_size=1), around=st.text())
def test_a_hidden_value_is_not_seen_as_a_word_of_its_own(value: str, around: str) -> None:
    hidden = Hidden(((value, "\N{BLACK SQUARE}"),))
    text = f'{around.replace(value, "")} "{value}" {value!r}'
    found = hidden.out_of(text)
    assert f'"{value}"' not in found or value == "\N{BLACK SQUARE}"


def test_a_short_value_leaves_other_words_alone() -> None:
    hidden = Hidden((("a", "${PW}"),))
    assert hidden.out_of("a bad password a, a.") == "${PW} bad password ${PW}, ${PW}."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:p@ss'w@rd@db/x", "postgresql://me:***@db/x"),
        ("postgresql://me@tenant:pw@db/x", "postgresql://me@tenant:***@db/x"),
        ("postgresql://db/x?user=me&password=pw&sslmode=require",
         "postgresql://db/x?user=me&password=***&sslmode=require"),
        ("postgresql://me:${PW}@db/x", "postgresql://me:${PW}@db/x"),
        ("postgresql://me:${PW}tail@db/x", "postgresql://me:***@db/x"),
        ("tcp://db.example:8786", "tcp://db.example:8786"),
        ("s3://bucket/a@b:c", "s3://bucket/a@b:c"),
    ],
)  # fmt: skip
def test_an_address_is_shown_without_its_password(text: str, shown: str) -> None:
    assert shown_address(text) == shown
    assert without_passwords(f'url = "{text}"  # do not') == f'url = "{shown}"  # do not'
    if "'" not in text:
        assert without_passwords(f"# don't {text} ") == f"# don't {shown} "


def test_every_value_of_the_environment_can_be_a_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @given(value=st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), min_size=1))
    def law(value: str) -> Any:
        monkeypatch.setenv("PW", value)
        found = make_url(locate("postgresql://me:${PW}@db.example/studies", "small", tmp_path).url)
        assert (found.password, found.host, found.database) == (value, "db.example", "studies")

    law()

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from search.dashboard.server import changes_at_most_a_note, guarded, is_this_machine


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:40123", "[::1]:8080", "[::1]"])
def test_requests_that_name_this_machine_are_answered(host: str) -> None:
    assert is_this_machine(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.x"]
)
def test_requests_under_another_name_are_not(host: str) -> None:
    assert not is_this_machine(host)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/studies/1", True),
        ("GET", "/artifacts/1/3/2-1", True),
        ("PUT", "/api/studies/1/note", True),
        ("PUT", "/api/studies/1/4/note", True),
        ("DELETE", "/api/studies/1", False),
        ("POST", "/api/studies", False),
        ("POST", "/api/trials/4/tell", False),
        ("POST", "/api/trials/4/user-attrs", False),
        ("PUT", "/api/studies/1/preference_feedback_component", False),
        ("DELETE", "/api/artifacts/1/4/2-1", False),
    ],
)
def test_notes_are_all_that_may_be_changed(method: str, path: str, allowed: bool) -> None:
    assert changes_at_most_a_note(method, path) is allowed


def asked(method: str, host: str) -> tuple[str, dict[str, str]]:
    """Status and headers that an application which lets everybody read is answered with."""
    answers: list[tuple[str, list[tuple[str, str]]]] = []

    def app(_environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "text/csv"), ("Access-Control-Allow-Origin", "*")])
        return [b""]

    environ = {"REQUEST_METHOD": method, "PATH_INFO": "/api/studies/1", "HTTP_HOST": host}
    list(guarded(app)(environ, lambda status, headers: answers.append((status, headers))))
    status, headers = answers[0]
    return status, dict(headers)


def test_no_other_page_may_read_an_answer() -> None:
    assert asked("GET", "localhost:1") == ("200 OK", {"Content-Type": "text/csv"})


def test_what_is_refused_never_reaches_the_dashboard() -> None:
    assert asked("DELETE", "localhost:1")[0] == "403 Forbidden"
    assert asked("GET", "evil.example")[0] == "403 Forbidden"

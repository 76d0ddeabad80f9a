"""Whatever a label or a message holds, every rendering shows it as text, and a terminal obeys none of it."""

from __future__ import annotations

import io
import re
import unicodedata
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import RenderableType
from rich.table import Table

from search.commands.check import Plan, render_plan
from search.dashboard.artefacts import as_cell
from search.dashboard.view import study_attributes
from search.driving.display import LineDisplay
from search.output.markdown_text import code, plain
from search.output.tables import indented
from search.output.terminal import Console, Text
from search.reporting.markdown import markdown_of
from search.reporting.page.page import page
from search.reporting.report import StudyReport
from search.reporting.terminal import render_report
from search.words import class_names, short
from studies.data.facts import DataFacts
from studies.records.ranking import FailedTrials
from tests.search import fakes
from tests.search.reporting.finalist_fakes import with_finalists
from tests.search.reporting.page.test_page import NOW

HOSTILE = (
    "[/INST]",
    "[other]",
    "[red]x[/red]",
    "\x1b[31mred",
    "a\0b",
    "\x07\x08\x7f\x9b31m",
    "x\u202egnp.exe",
    "two\nlines\rand\ta tab",
    "|`*_<script>alert(1)</script>",
    "[x](https://example.org)",
    ":smile:",
    "\ud800",
)

TEXTS = st.text(min_size=1, max_size=30) | st.sampled_from(HOSTILE)


@cache
def whole() -> StudyReport:
    return with_finalists(fakes.report_of(fakes.trials(20)))


def report_with(positive: str, other: str, message: str) -> StudyReport:
    report = whole()
    facts = replace(report.facts, classes=(other, positive), positive=positive, notes=(message,))
    baselines = tuple(
        replace(one, says=name) for one, name in zip(report.baselines, (positive, other), strict=True)
    )
    failure = FailedTrials("bug", (7,), message)
    return replace(report, facts=facts, baselines=baselines, failures=(failure,), ended=message)


def printed(what: RenderableType, width: int = 100) -> str:
    console = Console(io.StringIO(), width=width)
    console.print(what)
    return console.file.getvalue()  # type: ignore[attr-defined]


def assert_harmless(text: str) -> None:
    found = {letter for letter in text if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")} - {"\n"}
    found |= set(text) & set("\u061c\u200b\u200e\u200f\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
    assert not found, found


@settings(max_examples=12, deadline=None)
@given(TEXTS, TEXTS, TEXTS, st.sampled_from([40, 80, 100]))
@example("[/INST]", "[other]", "[v2]", 80)
@example("\x1b[31mspam", "\x1b[32mspam", "a\x1bb\nc\x07", 100)
def test_a_report_of_any_names_is_printed_and_nothing_in_it_is_obeyed(
    positive: str, other: str, message: str, width: int
) -> None:
    if positive == other:
        return
    report = report_with(positive, other, message)
    console = Console(io.StringIO(), width=width)
    render_report(report, console)
    assert_harmless(console.file.getvalue())  # type: ignore[attr-defined]
    assert_harmless(markdown_of(report))
    assert_harmless(page(report, NOW))
    shown = study_attributes({}, report.facts, "f1", None)
    assert_harmless("".join(map(str, shown.values())))


@pytest.mark.parametrize("name", HOSTILE[:-1])
def test_names_that_look_like_markup_are_printed_whole(name: str) -> None:
    visible = str(Text(" ".join(name.split())))
    one = " ".join(name.split())
    for text in (printed(indented(one, "bold")), printed(_table_of(one))):
        assert visible in text
    display = io.StringIO()
    LineDisplay(Console(display)).note(name)
    assert str(Text(name)) in display.getvalue()
    assert_harmless(display.getvalue())


def _table_of(name: str) -> Table:
    """Cells as plain strings, which this program's code should not give."""
    table = Table("head", box=None)
    table.add_row(name)
    return table


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=6, unique=True), st.sampled_from([60, 100]))
@example(["[/INST]", "[other]"], 100)
def test_a_plan_of_any_names_is_printed(names: list[str], width: int) -> None:
    text = plan_of(tuple(names), width)
    assert_harmless(text)
    assert max(map(len, text.splitlines())) <= width


def plan_of(classes: tuple[str, ...], width: int = 100) -> str:
    counts = tuple(range(3, 3 + len(classes)))
    facts = DataFacts(classes, classes[0], 2, {"train": counts, "validation": counts, "test": counts})
    axes, limits = {"learning_rate": "0.1 to 1"}, ("after 60 trials",)
    plan = Plan("s", "f1", facts, 3, axes, 0, "tpe", limits, 2, "threads", "", "x", 0, ())
    console = Console(io.StringIO(), width=width)
    render_plan(plan, console)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_a_hundred_and_fifty_classes_have_a_row_each_as_far_as_that_is_read() -> None:
    text = plan_of(tuple(f"class {number}" for number in range(150)))
    assert re.search(r"class 0 +3 +3 +3\n", text)  # the positive one
    assert re.search(r"class 149 +152 +152 +152\n", text)
    total = sum(range(3, 153))
    assert re.search(rf"all +{total:,} +{total:,} +{total:,}\n", text)
    assert re.search(rf"138 more +{total - 3 - sum(range(142, 153)):,} ", text)


def test_a_study_of_two_classes_keeps_a_column_for_each() -> None:
    assert re.search(r"rows +ham +spam +all +always-positive F1\n", plan_of(("ham", "spam")))


@given(st.lists(TEXTS, min_size=1, max_size=8, unique=True), st.integers(6, 24))
def test_no_two_classes_have_the_same_short_name(names: list[str], length: int) -> None:
    assert len(set(class_names(tuple(names), length).values())) == len(names)
    for name in names:
        assert_harmless(short(name, length, names))


def test_classes_that_begin_alike_are_told_apart_by_their_ends() -> None:
    classes = ("customer has churned", "customer has stayed")
    assert [short(name, among=classes) for name in classes] == ["..as churned", "..has stayed"]
    assert short("customer has churned", among=("customer has churned", "other")) == "customer h.."
    same_ends = ("aaaaaaaaaaaaaaaaaaaa-one-aaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaa-two-aaaaaaaaaaaaaaaaaa")
    one, two = (short(name, among=same_ends) for name in same_ends)
    assert one != two


class Cells(HTMLParser):
    """The text of a page."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(markup)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("long", [("customer has churned", "customer has stayed")])
def test_long_names_stay_two_in_every_rendering(long: tuple[str, str]) -> None:
    report = report_with(*long, "a note")
    console = Console(io.StringIO(), width=100)
    render_report(report, console)
    for text in (
        console.file.getvalue(),  # type: ignore[attr-defined]
        markdown_of(report),
        Cells(page(report, NOW)).text,
    ):
        assert "customer h.." not in text
        assert "churned" in text
        assert "stayed" in text


@given(TEXTS)
def test_markdown_takes_no_name_for_markup(text: str) -> None:
    assert not re.search(r"(?<!\\)(\\\\)*[`*_<>\[\]|{}#~]", plain(text))
    assert "\n" not in plain(text)
    fence = re.match("`+", code(text))
    assert fence is not None
    inside = code(text)[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall("`+", inside)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-1", "-1"),
        ("+1.5", "+1.5"),
        ("-cmd", "'-cmd"),
        ("a=", "a="),
    ],
)
def test_a_table_for_a_spreadsheet_holds_no_formula(text: str, cell: str) -> None:
    assert as_cell(text) == cell

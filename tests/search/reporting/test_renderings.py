"""Every fact of every section is in every rendering that has the section, in the same words."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import cache
from typing import Any

import pytest

from search.exporting.card import model_card
from search.importance import measures
from search.reporting import contents
from search.reporting.contents import SECTIONS, Entry, Rendering, sections_of
from search.reporting.html import Html, tag
from search.reporting.plain import plain_report
from search.reporting.report import FinalistsDue, StudyReport
from search.reporting.section import (
    Between,
    Chart,
    Column,
    Number,
    Points,
    Section,
    Share,
    Span,
    Table,
    Words,
    in_figures,
)
from search.words import VERDICTS
from studies.data.facts import DataFacts
from studies.records.explanations import Change, KeptExplanation
from studies.records.finalists import Difference, Finalists, Interval
from tests.search import fakes
from tests.search.exporting.models import model_of_numbers, model_of_texts
from tests.search.reporting.finalist_fakes import with_finalists
from tests.search.reporting.page.test_page import timed
from tests.search.reporting.page.test_page import whole as both_frameworks
from tests.search.reporting.renderings import (
    flat,
    from_markdown,
    in_markdown,
    in_terminal,
    on_page,
    texts_of,
)

HOSTILE = "[red]<b>`|*_</script> x"

RENDERINGS: dict[Rendering, Callable[[StudyReport], str]] = {
    "terminal": in_terminal,
    "markdown": in_markdown,
    "page": on_page,
}


def explanation(start: str = "spark", end: str = "tensorflow") -> KeptExplanation:
    path = (
        Change("learning rate 0.1 → 0.01", 0.21, 0.15, 0.27, "more", 0.5, 0.71, "training"),
        Change("initial weights", -0.01, -0.05, 0.03, "within noise", 0.71, 0.7, "training"),
    )
    shares = tuple(replace(step, before=0.0, after=0.0) for step in path)
    sentences = ("Learning rate raises the score by 0.210.", "No significant difference: initial weights.")
    traps = (("saturation", "9 of 10 units are saturated"),)
    return KeptExplanation(start, end, ("F1", "F1"), (0.5, 0.7), 5, path, shares, sentences, traps, orders=24)


def verdicts(report: StudyReport) -> StudyReport:
    """With finalists of every verdict, a significant logistic regression, and failed trainings."""
    report = with_finalists(report)
    found = report.finalists
    assert found is not None
    ones = [replace(found.finalists[0], failed=("timeout", "timeout")), *found.finalists[1:]]
    ones[3] = replace(ones[3], verdict="equivalent", luck_of_seeds=Interval(-0.01, 0.02))
    beaten = Difference(0.2, 0.1, 0.3, 1e-5)
    return replace(report, finalists=replace(found, finalists=tuple(ones), over_logistic=beaten, margin=0.01))


def hostile() -> StudyReport:
    facts = DataFacts(("ham", HOSTILE), HOSTILE, 300, fakes.FACTS.counts, (f"note {HOSTILE}",))
    generator = random.Random(1)
    records = [*timed(fakes.trials(30)), fakes.failed(30, "bug", f"error {HOSTILE}", fakes.draw(generator))]
    report = with_finalists(fakes.report_of(records, facts=facts, ended=f"ended {HOSTILE}"))
    named = replace(report, name=f"name {HOSTILE}", differences=(f"key {HOSTILE}",))
    return replace(named, explanations=(explanation(HOSTILE),))


def many_classes() -> StudyReport:
    facts = fakes.FACTS
    counts = {name: (5, *of_rows) for name, of_rows in facts.counts.items()}
    facts = replace(facts, classes=("a", "b", "spam"), counts=counts)
    matrix = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    records = []
    for record in fakes.trials(12):
        assert record.report is not None
        scores = {name: replace(one, confusion=matrix) for name, one in record.report.scores.items()}
        records.append(replace(record, report=replace(record.report, scores=scores)))
    return fakes.report_of(records, facts=facts)


def very_skewed() -> StudyReport:
    counts = {"train": (2650, 21), "validation": (663, 5), "test": (829, 6)}
    facts = DataFacts(("well", "sick"), "sick", 7, counts)
    generator = random.Random(2)
    records = [fakes.complete(n, 0.0, fakes.draw(generator)) for n in range(12)]
    return fakes.report_of(records, facts=facts)


def unfinished() -> StudyReport:
    generator = random.Random(1)
    records = [*timed(fakes.trials(25)), fakes.running(25, fakes.draw(generator))]
    return replace(fakes.report_of(records, ended=""), finalists_due=FinalistsDue(10, 3))


def nothing_complete() -> StudyReport:
    generator = random.Random(1)
    configuration = fakes.draw(generator)
    scores: list[dict[int, float]] = [{1: 0.9}, {1: 0.5, 3: 0.61}]
    pruned = [
        replace(fakes.running(n, configuration), state="pruned", rung_scores=s) for n, s in enumerate(scores)
    ]
    return fakes.report_of([*pruned, fakes.failed(2, "timeout", "too slow", configuration)])


def enqueued_and_repeated() -> StudyReport:
    records = fakes.trials(14)
    first = records[0].configuration
    assert first is not None
    again = [fakes.complete(14 + n, 0.95 - n / 50, first) for n in range(3)]
    return fakes.report_of([replace(records[0], enqueued=True), *records[1:], *again])


REPORTS: dict[str, Callable[[], StudyReport]] = {
    "finished": lambda: verdicts(both_frameworks()),
    "no finalists": both_frameworks,
    "explained": lambda: replace(both_frameworks(), explanations=(explanation(), explanation("a", "b"))),
    "unfinished": unfinished,
    "nothing complete": nothing_complete,
    "empty": lambda: fakes.report_of([], ended=""),
    "one trial": lambda: fakes.report_of(timed(fakes.trials(1))),
    "enqueued and repeated": enqueued_and_repeated,
    "very skewed": very_skewed,
    "many classes": many_classes,
    "one framework": lambda: fakes.report_of(
        [fakes.complete(n, 0.5 + n / 100, fakes.draw(random.Random(n), "spark")) for n in range(15)]
    ),
    "hostile": hostile,
}

EVERY_REPORT = pytest.mark.parametrize("kind", list(REPORTS))


@cache
def report_of(kind: str) -> StudyReport:
    return REPORTS[kind]()


@EVERY_REPORT
@pytest.mark.parametrize("rendering", list(RENDERINGS))
def test_every_sentence_and_cell_of_every_section_is_in_every_rendering(
    kind: str, rendering: Rendering
) -> None:
    report = report_of(kind)
    shown = RENDERINGS[rendering](report)
    sections = list(sections_of(report, rendering))
    assert sections[0].title == report.name
    for section in sections:
        for text in texts_of(section):
            assert text in shown, (section.key, text)


@EVERY_REPORT
def test_a_section_is_the_same_whoever_draws_it_and_in_json(kind: str) -> None:
    report = report_of(kind)
    plain = {one["key"]: one for one in plain_report(report)["sections"]}
    for entry in SECTIONS:
        section = entry.section(report)
        if section is None or "json" not in entry.where:
            continue
        blocks = plain[section.key]["blocks"]
        assert plain[section.key]["title"] == section.title
        sentences = [b["text"] for b in blocks if set(b) == {"text"}]
        figures = list(in_figures(section.blocks))
        assert [b.text for b in figures if isinstance(b, Words)] == [
            text for text in sentences if text in {b.text for b in figures if isinstance(b, Words)}
        ]
        tables = [block for block in figures if isinstance(block, Table)]
        for table, values in zip(tables, (b for b in blocks if "columns" in b), strict=True):
            assert values["notes"] == list(table.notes)
            for column, cells in zip(table.columns, values["columns"], strict=True):
                assert len(cells["cells"]) == len(column.cells)
                for cell, value in zip(column.cells, cells["cells"], strict=True):
                    if isinstance(cell, Number):
                        assert value is None or value == pytest.approx(cell.value)
                    elif isinstance(cell, str | int | None):
                        assert value == cell


@pytest.mark.parametrize("kind", ["finished", "no finalists", "one framework", "many classes", "hostile"])
def test_a_card_has_every_fact_of_its_sections(kind: str) -> None:
    report = report_of(kind)
    report = report if report.finalists else replace(report, finalists_due=None)
    model = model_of_numbers(classes=len(report.facts.classes))
    best = report.best
    assert best is not None
    card = from_markdown(model_card(report, best, model, ()))
    keys = []
    for section in sections_of(report, "card"):
        keys.append(section.key)
        for text in texts_of(section):
            assert text in card, (section.key, text)
    assert keys == (["finalists", "data"] if report.finalists else ["data"])


def test_every_section_is_proven_by_one_of_these_reports() -> None:
    keys = {section.key for kind in REPORTS for section in sections_of(report_of(kind), "page")}
    keys |= {section.key for kind in REPORTS for section in sections_of(report_of(kind), "terminal")}
    assert len(keys) == len(SECTIONS)
    found = {one.verdict for kind in REPORTS if (f := report_of(kind).finalists) for one in f.finalists}
    assert found == {"best", "tied", "worse", "equivalent"} | {"better"} & found


def curious(report: StudyReport) -> Section:
    """A section that somebody adds: a module with a function, and a row in the table."""
    table = Table(
        [
            Column("name", ["first", "second"]),
            Column("figure", [Number(0.12345), None]),
            Column("part", [Share(0.5, 0.25, 0.75, True), Share(1.0, 0.9, 1.0)]),
            Column("from", [Span(0.0, 0.5), Span(0.5, 0.2)]),
            Column("between", [Between(-0.1, 0.2, "+.2f"), Between(0.5, 0.5)]),
        ],
        notes=(f"a note on {report.name}",),
    )
    chart = Chart(lambda: tag("svg", Html("<title>drawn</title>")), "A drawing", "how to read it", table)
    return Section("curious", "Curious", "A curious section", (Words("One sentence."), Points(("a",)), chart))


def test_a_section_that_is_added_is_one_function_and_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    before = report_of("no finalists")
    assert not any("A curious section" in draw(before) for draw in RENDERINGS.values())
    monkeypatch.setattr(contents, "SECTIONS", (*SECTIONS, Entry(curious)))
    for name, draw in RENDERINGS.items():
        shown = draw(before)
        for text in texts_of(curious(before)):
            assert text in shown, (name, text)
        assert ("drawn" in shown) == (name == "page")
    (plain,) = [one for one in plain_report(before)["sections"] if one["key"] == "curious"]
    table = plain["blocks"][2]
    assert [column["cells"] for column in table["columns"]] == [
        ["first", "second"], [0.12345, None], [[0.5, 0.25, 0.75], [1.0, 0.9, 1.0]],
        [[0.0, 0.5], [0.5, 0.2]], [[-0.1, 0.2], [0.5, 0.5]],
    ]  # fmt: skip
    monkeypatch.setattr(contents, "SECTIONS", (*SECTIONS, Entry(curious, frozenset({"page"}))))
    assert "A curious section" in on_page(before)
    assert "A curious section" not in in_terminal(before)


def test_a_measure_of_importance_that_is_added_is_one_function_and_one_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def parts(basis: measures.Basis) -> dict[str, measures.Part]:
        """How many values each choice was tried with, of as many trials."""
        tried = {
            name: len({params.get(axis.name) for params in basis.params}) / len(basis.params)
            for name, axis in zip(basis.names, basis.axes, strict=True)
        }
        return {name: measures.Part(share, share / 2, share) for name, share in tried.items()}

    added = measures.Measure("variety", "how many values a choice was tried with.", parts)
    monkeypatch.setattr(measures, "MEASURES", (*measures.MEASURES, added))
    report = fakes.report_of(fakes.trials(60))
    variety = report.importance.overall.parts["variety"]
    assert variety.keys() == {share.axis for share in report.importance.overall.shares}
    for name, draw in RENDERINGS.items():
        shown = draw(report)
        assert "variety: how many values a choice was tried with." in shown, name
        for part in variety.values():
            assert f"{part.share:.0%}" in shown, name


KEYS = {
    "name", "metric", "differences", "data", "ended", "running", "caveats", "best", "furthest",
    "best_by_framework", "ranked", "chosen", "trials", "baselines", "importance", "failures", "finalists",
    "explanations", "finalists_due", "test_openings", "tested_on_the_way", "storage", "dashboard",
    "provenance",
}  # fmt: skip
"""What programs have read of a report since before it had sections."""


@EVERY_REPORT
def test_programs_find_the_keys_that_they_know_with_the_values_of_the_records(kind: str) -> None:
    report = report_of(kind)
    values = plain_report(report)
    assert set(values) == KEYS | {"sections"}
    assert {key: values[key] for key in KEYS} == report.to_dict()
    best = report.best
    assert values["best"] == (None if best is None else best.number)
    if report.finalists is not None:
        assert set(values["finalists"]) == {field.name for field in fields(Finalists)}
        (first, *_) = values["finalists"]["finalists"]
        assert first["test"] == list(report.finalists.finalists[0].test)
        assert first["verdict"] == "best"


WORDS = re.compile(
    r"\b(told|said|says|anew|drawn|not told apart|when found|stopped early|winner|as good as?|owes)\b"
)
"""Words of earlier reports for predicted, retrained, sampled and pruned, or that claim more than a test."""


def own_words(report: StudyReport) -> Iterator[str]:
    for entry in SECTIONS:
        section = entry.section(report)
        if section is not None and section.key not in ("words", "explained"):
            yield from texts_of(section)


@EVERY_REPORT
def test_reports_use_the_words_of_the_field(kind: str) -> None:
    for text in own_words(report_of(kind)):
        assert not WORDS.search(text), text


def test_a_tie_claims_no_more_than_the_test_does() -> None:
    report = verdicts(both_frameworks())
    assert report.finalists is not None
    ones = report.finalists.finalists
    tied = next(one.trial for one in ones if one.verdict == "tied")
    equal = next(one.trial for one in ones if one.verdict == "equivalent")
    for draw in RENDERINGS.values():
        shown = draw(report)
        assert (
            f"Trial {tied} is not significantly different from trial {ones[0].trial}, but could be" in shown
        )
        assert VERDICTS["tied"] == "no significant difference"
        assert (
            f"Trial {equal} is equivalent to trial {ones[0].trial}: the difference is significantly less"
            in shown
        )
        assert "as good" not in shown


def test_of_equal_scores_none_is_called_the_searchs_best() -> None:
    generator = random.Random(2)
    records = [fakes.complete(n, 0.9, fakes.draw(generator)) for n in range(4)]
    report = with_finalists(fakes.report_of(records))
    assert report.finalists is not None
    first = report.finalists.winner.trial
    for draw in RENDERINGS.values():
        shown = draw(report)
        assert f"Trial {first} is one of 4 with the highest validation score in the search, 0.900." in shown
        assert "had the highest" not in shown
        assert "One of 4 equal configurations" in shown


def test_pruned_stopped_early_and_interrupted_are_three_things() -> None:
    generator = random.Random(1)
    records = fakes.trials(12)
    result = records[3].report
    assert result is not None
    note = "stopped early after epoch 9; the scores are those of epoch 6, the best on the validation rows"
    records[3] = replace(records[3], report=replace(result, notes=(note,)))
    pruned = replace(fakes.running(12, fakes.draw(generator)), state="pruned", rung_scores={1: 0.1, 3: 0.2})
    left = fakes.running(13, fakes.draw(generator))
    report = fakes.report_of([*records, pruned, left], ended="interrupted")
    for draw in RENDERINGS.values():
        shown = draw(report)
        assert "13 of 60 trials finished, 1 pruned, 1 stopped early" in shown
        assert "Pruned, by the epochs that they were trained for: 1 after 3." in shown
        assert "Ended: interrupted. 1 unfinished trial: the next launch resumes it." in shown


def test_text_from_outside_stays_text_in_every_rendering() -> None:
    report = report_of("hostile")
    for name, draw in RENDERINGS.items():
        shown = draw(report)
        for text in (
            f"name {HOSTILE}",
            f"note {HOSTILE}",
            f"error {HOSTILE}",
            f"ended {HOSTILE}",
            f"key {HOSTILE}",
        ):
            assert flat(text) in shown, (name, text)


def test_a_card_of_texts_says_what_it_takes() -> None:
    report = report_of("finished")
    best = report.best
    assert best is not None
    card = from_markdown(model_card(report, best, model_of_texts(), ("a note",)))
    assert "5 words are known" in card
    assert "- a note" in card


def test_json_is_made_of_plain_values() -> None:
    def check(value: Any) -> None:
        if isinstance(value, dict):
            assert all(isinstance(key, str) for key in value)
            for each in value.values():
                check(each)
        elif isinstance(value, list):
            for each in value:
                check(each)
        else:
            assert value is None or isinstance(value, str | int | float | bool), value

    check(plain_report(report_of("explained"))["sections"])

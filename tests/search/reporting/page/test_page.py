"""The page as a browser's parser reads it, for studies of every kind."""

from __future__ import annotations

import functools
import json
import random
import re
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser

import pytest

from search.reporting.contents import SECTIONS
from search.reporting.page.page import page
from search.reporting.report import FinalistsDue, StudyReport
from search.reporting.section import in_figures
from search.reporting.sections.mattered import mattered
from search.reporting.words import as_toml
from studies.data.facts import DataFacts
from studies.records.reports import CurvePoint
from studies.records.trials import TrialRecord
from tests.search import fakes
from tests.search.reporting.finalist_fakes import OPENING, with_finalists

NOW = datetime(2026, 11, 24, 15, 30)

VOID = frozenset({"br", "hr", "meta"})


class Page(HTMLParser):
    """Elements, ids, links and the text of a page; refuses what is closed in another order than opened."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.elements if found == name]

    @property
    def words(self) -> str:
        """What is read, without styles and scripts."""
        return " ".join(text for where, text in self.texts if where not in ("style", "script"))


def read(report: StudyReport) -> Page:
    return Page(page(report, NOW))


def timed(records: list[TrialRecord]) -> list[TrialRecord]:
    """The same trials with moments, two at a time, and curves."""
    begin = datetime(2026, 11, 24, 15, 0)
    made = []
    for record in records:
        started = begin + timedelta(seconds=1.6 * record.number)
        curve = tuple(CurvePoint(e, 1 / e, (record.value or 0) * (1 - 1 / (3 * e))) for e in (1, 3, 9, 27))
        result = replace(record.report, curve=curve) if record.report else None
        done = started + timedelta(seconds=3.2)
        made.append(replace(record, started=started, completed=done, report=result))
    return made


@functools.cache
def whole() -> StudyReport:
    """Both frameworks, complete, failed and pruned trials, one named beforehand."""
    generator = random.Random(3)
    records = timed(fakes.trials(60))
    records[0] = replace(records[0], enqueued=True)
    for number in (7, 20):
        records[number] = fakes.failed(number, "diverged", "loss is NaN <b>&</b>", fakes.draw(generator))
    for number in range(30, 40):
        scores = {1: 0.1, 3: 0.2 + number / 1000}
        records[number] = replace(records[number], state="pruned", value=None, rung_scores=scores)
    return fakes.report_of(records)


def test_it_needs_nothing_else_and_is_sound() -> None:
    found = read(whole())
    for name, attributes in found.elements:
        assert name not in ("link", "img", "iframe", "base", "object")
        assert not set(attributes) & {"src", "srcset", "action", "data", "onclick", "onload"}
        link = attributes.get("href")
        assert link is None or link.startswith("#")
    style = next(text for where, text in found.texts if where == "style")
    assert "url(" not in style
    assert "@import" not in style


def test_every_section_is_there_once_and_reached_from_the_list() -> None:
    found = read(whole())
    ids = [attributes["id"] for attributes in found.all("section")]
    assert [attributes["href"] for attributes in found.all("a")] == [f"#{name}" for name in ids]
    assert ids == [
        "answer", "finalists", "enqueued", "best", "history", "curves", "mattered", "choices", "frameworks",
        "mistakes", "failures", "time", "data", "again", "words",
    ]  # fmt: skip
    drawn = [entry for entry in SECTIONS if "page" in entry.where]
    assert len(ids) == len(drawn) - 2  # the head, and nothing was explained
    assert 'id="finalists"' in page(with_finalists(whole()), NOW)


def test_the_answer_comes_first_with_its_worth_and_as_text_to_paste() -> None:
    report = whole()
    best = report.best
    assert best is not None
    assert best.configuration is not None
    found = read(report)
    first = page(report, NOW).split("<section")[1]
    assert f"{report.score(best) - 0.01:.3f}" in first  # what the fakes say of the test rows
    assert "95% confidence interval of this network's score, over the test rows" in found.words
    assert as_toml(best.configuration) in found.words


def test_every_trial_with_a_score_is_a_dot_of_the_history_and_can_be_asked_for() -> None:
    report = whole()
    found = read(report)
    texts = json.loads(next(text for where, text in found.texts if text.startswith('{"0"')))
    assert set(map(int, texts)) == {record.number for record in report.records}
    assert texts["7"][0] == "failed"
    shown: Counter[str] = Counter()
    for attributes in found.all("path"):
        if "dots" in (attributes.get("class") or ""):
            names = (attributes["data-t"] or "").split()
            assert (attributes["d"] or "").count("h0") == len(names)
            shown.update(names)
    assert {int(name) for name in shown} == {record.number for record, _ in report.scored}


def test_finalists_take_the_answer_and_say_who_differs() -> None:
    report = with_finalists(whole())
    assert report.finalists is not None
    best = report.finalists.finalists[0]
    found = read(report)
    sections = dict(re.findall(r'<section id="(\w+)">(.*?)</section>', page(report, NOW), re.DOTALL))
    assert f"<strong>{best.test_mean:.3f}</strong>" in sections["answer"]
    assert "mean of 5 trainings" in sections["answer"]
    assert "logistic regression" in sections["answer"]
    assert "3 of 4 others differ significantly from the best" in sections["finalists"]
    for one in report.finalists.finalists:
        assert f"{one.interval.low:.3f} to {one.interval.high:.3f}" in sections["finalists"]
    assert f"was optimistic by {best.found - best.test_mean:.3f}: " in sections["finalists"]
    assert "significantly better on the test rows than trial" in sections["finalists"]
    assert "no significant difference" in sections["finalists"]
    assert "could be up to 0.022 worse" in sections["finalists"]
    assert "5 trainings together" in sections["mistakes"]
    assert "The best misses 10 of 128 spam on average" in sections["mistakes"]
    opened = "opened once, 2026-11-24 15:31 UTC for the 10 retrained networks of trials 3, 4."
    assert opened in found.words
    assert "trial 99: every new training failed: diverged" in found.words


def test_a_second_opening_of_the_test_rows_is_told() -> None:
    report = with_finalists(whole())
    later = replace(OPENING, at="2026-11-25T08:00:00+00:00", trials=(9,))
    assert "Test rows: opened 2 times" in read(replace(report, openings=(OPENING, later))).words


def test_finalists_that_are_missing_are_told_before_and_beside_those_there_are() -> None:
    due = FinalistsDue(trainings=10, done=3)
    said = "3 of 10 trainings finished; the next launch runs the others"
    assert said in read(replace(whole(), finalists_due=due)).words
    beside = read(replace(with_finalists(whole()), finalists_due=due)).words
    assert f"Other trials are the best now: of their finalists, {said}" in beside


def test_names_out_of_the_data_are_shown_and_never_taken_for_markup() -> None:
    hostile = '</script><script>alert("1")</script>'
    facts = DataFacts(("ham", hostile), hostile, 300, fakes.FACTS.counts, (f"note {hostile}",))
    generator = random.Random(1)
    records = [*fakes.trials(12), fakes.failed(12, "bug", hostile, fakes.draw(generator))]
    found = read(fakes.report_of(records, facts=facts))
    assert len(found.all("script")) == 2
    assert f"note {hostile}" in found.words


def test_before_any_score_it_says_why() -> None:
    nothing = read(fakes.report_of([], ended=""))
    assert "No trial is complete yet" in nothing.words
    assert "Still running, or killed: 0 unfinished trials." in nothing.words
    generator = random.Random(1)
    broken = [fakes.failed(n, "spark died", "gone", fakes.draw(generator)) for n in range(3)]
    failed = read(fakes.report_of(broken))
    assert "Every trial so far failed" in failed.words
    assert "3 trials of 3 failed" in failed.words


def test_one_trial_is_enough() -> None:
    found = read(fakes.report_of(timed(fakes.trials(1))))
    assert "The only complete configuration" in found.words
    assert "No importance: needs 10 complete trials, there are 1." in found.words
    assert "optimistic." not in found.words.split("What the words mean")[0]


def test_during_a_run_it_says_so() -> None:
    generator = random.Random(1)
    records = [*timed(fakes.trials(14)), fakes.running(14, fakes.draw(generator))]
    found = read(fakes.report_of(records, ended=""))
    assert "Still running, or killed: 1 unfinished trial." in found.words
    stopped = read(fakes.report_of(records, ended="interrupted"))
    assert "Ended: interrupted. 1 unfinished trial: the next launch resumes it." in stopped.words


def test_one_framework_is_compared_with_none() -> None:
    generator = random.Random(1)
    records = [fakes.complete(n, 0.5 + n / 100, fakes.draw(generator, "spark")) for n in range(15)]
    ids = [attributes["id"] for attributes in read(fakes.report_of(records)).all("section")]
    assert "frameworks" not in ids
    assert "mistakes" in ids


@pytest.mark.parametrize("metric", ["f1_weighted", "average_precision", "mcc"])
def test_other_metrics_are_named_and_never_called_f1(metric: str) -> None:
    report = fakes.report_of(timed(fakes.trials(20)), study={"objective": {"metric": metric}})
    found = read(report)
    answer = page(report, NOW).split('id="answer"')[1].split("</section>")[0]
    assert {"f1_weighted": "weighted F1", "average_precision": "average precision", "mcc": "Matthews"}[
        metric
    ] in answer
    assert "2p" not in found.words


def test_many_trials_stay_small() -> None:
    assert len(page(fakes.report_of(timed(fakes.trials(600))), NOW)) < 500_000


def test_the_headline_of_what_mattered_names_only_what_is_significant() -> None:
    report = fakes.report_of(fakes.trials(60))
    section = mattered(report)
    assert section is not None
    assert section.title == "What mattered most: learning_rate"
    overall = report.importance.overall
    # The forest's interval is above 0, and still no headline: one of six parameters often is by chance.
    assert overall.variance.effects[0].low > 0
    shares = tuple(replace(share, significant=False) for share in overall.shares)
    unsure = replace(overall, shares=shares, most="")
    section = mattered(replace(report, importance=replace(report.importance, overall=unsure)))
    assert section is not None
    assert section.title == "What mattered"
    assert "none significant, corrected for 6 choices: the whole table may be chance" in str(
        list(in_figures(section.blocks))
    )

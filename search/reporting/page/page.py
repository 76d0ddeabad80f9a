"""The whole page: one file without anything to load, as a list of sections."""

from __future__ import annotations

import importlib.resources
import json
import shlex
from collections.abc import Callable, Sequence
from datetime import datetime

from search.reporting.html import Html, tag
from search.reporting.markup import Section
from search.reporting.page.sections.answer import answer, header
from search.reporting.page.sections.curves import curves
from search.reporting.page.sections.explained import explained
from search.reporting.page.sections.finalists import finalists
from search.reporting.page.sections.frameworks import frameworks, mistakes
from search.reporting.page.sections.mattered import mattered
from search.reporting.page.sections.origin import data, environment, words
from search.reporting.page.sections.parallel import parallel
from search.reporting.page.sections.time_spent import failures, time_spent
from search.reporting.page.sections.trials import best, history
from search.reporting.report import StudyReport
from search.reporting.words import date_text
from search.words import configuration_text, outcome

SECTIONS: Sequence[Callable[[StudyReport], Section | None]] = (
    answer,
    finalists,
    best,
    history,
    curves,
    mattered,
    explained,
    parallel,
    frameworks,
    mistakes,
    failures,
    time_spent,
    data,
    environment,
    words,
)
"""The sections, in their order; each is left out where it has nothing to say of a study."""


def page(report: StudyReport, now: datetime) -> str:
    """The report as HTML, made at ``now``."""
    file = shlex.quote(report.provenance.file)
    sections = [section for make in SECTIONS if (section := make(report)) is not None]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("title", f"{report.name}: report"),
        tag("style", _file("page.css")),
    )
    body = tag(
        "body",
        header(report),
        tag("nav", (tag("a", section.short, href=f"#{section.id}") for section in sections)),
        tag("main", (section.html() for section in sections)),
        tag("footer", f"Made on {date_text(now)} with search report {file} --html."),
        tag("script", _texts(report), type="application/json", id="trials"),
        tag("script", _file("page.js")),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _texts(report: StudyReport) -> Html:
    """What is shown of a trial that is pointed at, by its number."""
    texts = {
        record.number: [outcome(record), configuration_text(record.configuration)]
        for record in report.records
        if record.state != "running"
    }
    # "</" could end the element that holds it.
    return Html(json.dumps(texts, separators=(",", ":")).replace("</", "<\\/"))


def _file(name: str) -> Html:
    return Html((importlib.resources.files("search.reporting.page") / name).read_text(encoding="utf-8"))

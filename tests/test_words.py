"""What a person reads keeps to the words of docs/glossary.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

REPLACED = {
    r"\banew\b": "again, or retrained",
    r"\btold\b": "finished, or recorded",
    r"\bdrawn? (again|anew)\b|\bnot drawn\b": "sampled",
    r"\btak(e|es|en) up\b": "resumed",
    r"\bgo(es)? on with\b": "resumes",
    r"\btold apart\b": "significantly different",
    r"\b(is|are) said\b|\bnever says\b": "predicted",
    r"\bbegin again\b.*\btrial\b": "retried",
}
"""What would be stiff or ambiguous there, and what to say."""


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """A module's strings with their lines, without docstrings."""
    tree = ast.parse(path.read_text())
    documents = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.lineno, node.value


def stiff(text: str) -> Iterator[str]:
    for pattern, plain in REPLACED.items():
        for match in re.finditer(pattern, text):
            yield f"“{match.group()}”: say {plain}"


@pytest.mark.parametrize("package", ["search", "studies", "workers"])
def test_messages_use_the_glossarys_words(package: str) -> None:
    modules = sorted((ROOT / package).rglob("*.py"))
    assert modules
    faults = [
        f"{module.relative_to(ROOT)}:{line} {fault}"
        for module in modules
        for line, text in strings(module)
        for fault in stiff(text)
    ]
    assert not faults


@pytest.mark.parametrize("page", ["README.md", "docs/plugins.md", "docs/study-file.md", "docs/stored.md"])
def test_pages_use_the_glossarys_words(page: str) -> None:
    assert not list(stiff((ROOT / page).read_text(encoding="utf-8")))


def test_a_stiff_word_is_noticed() -> None:
    assert list(stiff("trial 3 was told and is trained anew")) == [
        "“anew”: say again, or retrained",
        "“told”: say finished, or recorded",
    ]

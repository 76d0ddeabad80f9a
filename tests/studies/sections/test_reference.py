from __future__ import annotations

from pathlib import Path

from studies.sections.reference import reference
from studies.sections.study import Study


def test_the_page_in_docs_is_the_one_that_the_classes_give() -> None:
    page = Path(__file__).parents[3] / "docs" / "study-file.md"
    assert page.read_text(encoding="utf-8") == reference(), "run `make reference`"


def test_every_key_has_a_meaning() -> None:
    for line in reference().splitlines():
        if line.startswith("| `"):
            meaning = line.split("|")[-2].strip()
            assert len(meaning) > 3, line


def test_every_section_is_on_the_page() -> None:
    page = reference()
    for name in Study.model_fields:
        assert f"`[{name}]`" in page or f"| `{name}` |" in page

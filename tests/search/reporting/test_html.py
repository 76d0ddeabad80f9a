from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from search.reporting.html import Html, joined, number, tag
from studies.printable import printable_lines

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


class Reader(HTMLParser):
    """What a browser sees of one element."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((name, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(text=TEXT, attribute=TEXT)
def test_whatever_a_text_holds_a_browser_reads_the_same_text(text: str, attribute: str) -> None:
    read = Reader(tag("p", text, title=attribute))
    assert read.tags == [("p", {"title": printable_lines(attribute)})]
    assert read.text == printable_lines(text)


def test_control_characters_and_marks_of_direction_reach_no_browser() -> None:
    assert tag("p", "a\0\x1b\u202eb", title="\x07") == r'<p title="\x07">a\x00\x1b\u202eb</p>'


def test_markup_is_put_in_as_it_is_and_everything_else_escaped() -> None:
    found = tag("p", "<b>", [tag("i", "a & b"), None, "c"], Html("<br>"))
    assert found == "<p>&lt;b&gt;<i>a &amp; b</i>c<br></p>"
    assert joined("<", Html("<hr>")) == "&lt;<hr>"


def test_attributes() -> None:
    found = tag("a", class_="x", data_t="1", hidden=True, title=None, open=False, x=0.50001, width=12)
    assert found == '<a class="x" data-t="1" hidden x="0.5" width="12"></a>'
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert [number(value) for value in (1.0, 1.26, -0.5, 100)] == ["1", "1.3", "-0.5", "100"]

"""However the results come in, they go out in the order in which their segments were submitted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from search.loop.ordering import InOrder
from studies.records.reports import SegmentReport


def report(trial: int, epoch: int = 1) -> SegmentReport:
    return SegmentReport(trial, epoch)


@given(st.permutations(range(8)))
def test_whatever_the_order_of_arrival_the_order_out_is_that_of_submission(arrival: list[int]) -> None:
    order = InOrder()
    for trial in range(8):
        order.submitted(trial)
    out: list[int] = []
    for count, trial in enumerate(arrival, start=1):
        out += [due.trial for due in order.arrived(report(trial))]
        assert out == list(range(len(out)))
        assert order.held == count - len(out)
        assert len(out) in arrival[count:] or len(out) == 8, "nothing is held back that could go"
    assert out == list(range(8))


@given(st.data(), st.integers(1, 5), st.integers(1, 30))
def test_a_search_of_some_width_hears_the_same_whatever_ends_first(
    data: st.DataObject, width: int, segments: int
) -> None:
    """Each report that goes out lets the next segment in, as a free slot does; trials come back for more."""
    order = InOrder()
    submitted: list[tuple[int, int]] = []
    heard: list[tuple[int, int]] = []
    running: list[SegmentReport] = []

    def submit(trial: int, epoch: int) -> None:
        order.submitted(trial)
        submitted.append((trial, epoch))
        running.append(report(trial, epoch))

    for trial in range(min(width, segments)):
        submit(trial, 1)
    while running:
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        for due in order.arrived(ended):
            heard.append((due.trial, due.epoch))
            if len(submitted) < segments:
                submit(due.trial, due.epoch * 3)
    assert heard == submitted
    assert order.held == 0
    assert heard == [(index % width, 3 ** (index // width)) for index in range(segments)]


def test_a_report_goes_out_whole() -> None:
    order = InOrder()
    order.submitted(5)
    whole = SegmentReport(5, 9, finished=False, attempts=2, notes=("a note",))
    assert order.arrived(whole) == [whole]


def test_what_is_let_go_is_all_that_was_held_and_is_not_given_again() -> None:
    order = InOrder()
    for trial in (1, 2, 3):
        order.submitted(trial)
    late, later = SegmentReport(2, 1), SegmentReport(3, 1)
    assert order.arrived(late) == []
    assert order.arrived(later) == []
    assert order.let_go() == [late, later]
    assert order.let_go() == []
    assert order.held == 0

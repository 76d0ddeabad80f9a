from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from search.importance.importance import Importance, importance
from search.importance.regions import Condition, Region
from search.importance.sentences import sentence
from search.importance.variance import Curve, CurveCell, Effect
from search.reporting.sections.mattered import mattered
from search.reporting.terminal import render_sections
from tests.search import fakes

SPACE = fakes.study_file().space
FOUND = importance(fakes.trials(60), SPACE)
REPORT = fakes.report_of(fakes.trials(60))


def printed(found: Importance, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, errors="honest-search-marks")
    console = Console(file=file, width=width, highlight=False)
    section = mattered(replace(REPORT, importance=found))
    assert section is not None
    render_sections([section], console)
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("trials", [3, 14, 60, 300])
def test_no_line_is_wider_than_the_terminal_and_no_cell_is_cut(trials: int, width: int) -> None:
    text = printed(importance(fakes.trials(trials), SPACE), width)
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= width
    assert "…" not in text


def test_both_shares_stand_beside_each_other_with_their_intervals() -> None:
    line = next(line for line in printed(FOUND).splitlines() if line.strip().startswith("learning_rate"))
    share = FOUND.overall.shares[0]
    (effect,) = (e for e in FOUND.overall.variance.effects if e.axes == ("learning_rate",))
    cells = line.split()
    assert cells[1:3] == [
        f"{share.share:.0%}{'?' * share.by_chance}",
        f"{100 * share.low:.0f}-{100 * share.high:.0f}",
    ]
    assert f"{effect.share:.0%}" in cells[3:]
    assert f"{100 * effect.low:.0f}-{100 * effect.high:.0f}" in cells


def test_it_says_what_the_forest_explains_and_on_how_many_trials_it_rests() -> None:
    text = printed(FOUND, 120)
    assert f"the model explains {FOUND.overall.variance.explained:.0%} of the variance" in text
    assert "each tree samples" not in text
    variance = replace(FOUND.overall.variance, rows_per_tree=20)
    part = replace(FOUND, overall=replace(FOUND.overall, variance=variance, stopped=7))
    assert "unseen trials; each tree samples 20" in printed(part, 120)
    assert "of 60, 7 of them pruned" in printed(part)


def test_a_curve_is_drawn_from_its_lowest_to_its_highest_and_blank_where_no_trial_was() -> None:
    means = [0.1, float("nan"), 0.9, 0.5]
    cells = tuple(CurveCell(n, n, mean, mean, mean, int(n != 1)) for n, mean in enumerate(means))
    (first, *others) = FOUND.overall.variance.effects
    variance = replace(
        FOUND.overall.variance, effects=(replace(first, low=0.5),), curves=(Curve("epochs", cells),)
    )
    assert others
    found = replace(FOUND, overall=replace(FOUND.overall, variance=variance), frameworks=())
    assert "epochs  ▁ █▅" in printed(found)
    assert "_ #=" in printed(found, encoding="ascii") or "_ #+" in printed(found, encoding="ascii")
    row = next(line for line in printed(found).splitlines() if "▁ █▅" in line)
    assert row.split()[-4:] == ["0.900", "2", "0.100", "0"]


def test_it_says_what_is_significant_and_where_the_whole_table_may_be_chance() -> None:
    assert "significant, corrected for 6 choices: learning_rate" in printed(FOUND)
    unsure = tuple(replace(share, significant=False) for share in FOUND.overall.shares)
    chance = replace(FOUND, overall=replace(FOUND.overall, shares=unsure), frameworks=())
    text = printed(chance)
    assert "none significant, corrected for 6 choices: the whole table may be chance" in text


def test_a_choice_that_is_marked_and_significant_is_no_contradiction() -> None:
    (first, *others) = FOUND.overall.shares

    def legend(significant: bool) -> str:
        share = replace(first, by_chance=True, significant=significant)
        overall = replace(FOUND.overall, shares=(share, *(replace(one, significant=False) for one in others)))
        return " ".join(printed(replace(FOUND, overall=overall, frameworks=())).split())

    assert "?: shuffled scores give as large a share of best, so it may be chance." in legend(False)
    assert "can be significant all the same" in legend(True)
    assert "can be significant all the same" not in legend(False)


def test_an_interaction_is_claimed_only_where_it_is_significant() -> None:
    assert FOUND.overall.variance.interaction is None
    assert "no two choices interact significantly" in printed(FOUND)
    assert " interact: " not in printed(FOUND)
    both = Effect(("learning_rate", "batch_size"), 0.12, 0.05, 0.2)
    variance = replace(FOUND.overall.variance, interaction=both)
    found = replace(FOUND, overall=replace(FOUND.overall, variance=variance), frameworks=())
    text = "learning_rate and batch_size interact: together they explain at least about 12% more (95%: 5-20)"
    assert text in printed(found, 120)


def test_a_group_without_a_forest_says_why() -> None:
    text = printed(importance(fakes.trials(14), SPACE))
    assert "no fANOVA: needs 20 trials, there are 14" in text


def test_rounded_bounds_are_still_bounds() -> None:
    rate = Condition("learning_rate", high=0.003)
    sgd = Condition("optimizer.tensorflow", value="sgd")
    worst = Region(False, 0.1004, (rate, sgd), 14, 2, 3)
    assert sentence(worst, "F1") == (
        "learning_rate below 0.003 with tensorflow sgd never passed F1 0.101: 14 trials "
        "(2 diverged, 3 pruned)"
    )
    batch = Condition("batch_size", value=32)
    best = Region(True, 0.9006, (Condition("learning_rate", low=0.01, high=0.1), batch), 9, 0, 0)
    assert sentence(best, "F1") == (
        "learning_rate from 0.01 to below 0.1 with batch_size 32 always reached F1 0.900: 9 trials"
    )
    assert "reached F1 0.900:" in sentence(replace(best, bound=0.9), "F1")
    assert "passed F1 0.100:" in sentence(replace(worst, bound=0.1), "F1")

from __future__ import annotations

import pytest

from workers.spark.fit import describe, one_an_epoch, padded


def test_a_repeat_in_a_history_of_l_bfgs_is_no_iteration_but_a_failed_line_search():
    history = [0.7, 0.5, 0.5, 0.4]
    assert one_an_epoch("l-bfgs", history) == [0.5, 0.4]
    (note,) = describe("l-bfgs", history, 3)
    assert "line search failed once" in note
    assert "gave up" not in note


def test_two_failures_in_a_row_end_the_run_and_are_no_convergence():
    (note,) = describe("l-bfgs", [0.7, 0.5, 0.5, 0.5], 10)
    assert "failed 2 times" in note
    assert "after iteration 1 it failed twice in a row, and Spark gave up" in note


def test_a_run_that_converges_says_after_how_many_iterations():
    assert describe("l-bfgs", [0.7, 0.5, 0.4], 10) == ("l-bfgs converged after 2 of 10 iterations",)
    assert describe("l-bfgs", [0.7], 10) == ("l-bfgs converged after 0 of 10 iterations",)


def test_a_run_to_its_last_iteration_says_nothing():
    assert describe("l-bfgs", [0.7, 0.5, 0.4], 2) == ()


@pytest.mark.parametrize("history", [[0.7, 0.5, 0.5, 0.5], [0.7, 0.7]])
def test_gd_has_no_line_search_and_every_step_of_it_counts(history: list[float]):
    assert one_an_epoch("gd", history) == history[1:]
    assert describe("gd", history, len(history) - 1) == ()


def test_losses_after_an_early_end_are_the_last_one():
    assert padded([0.5, 0.4], 4, before=0.7) == [0.5, 0.4, 0.4, 0.4]
    assert padded([], 2, before=0.7) == [0.7, 0.7]
    assert padded([0.5], 1, before=0.7) == [0.5]

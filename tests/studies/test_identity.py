from __future__ import annotations

import pytest

from studies.errors import StorageError
from studies.identity import differences, refuse


def test_differences_name_the_key_and_both_values_and_cut_hashes() -> None:
    stored = {"seed": 1, "model.hidden": [600], "data set": "ab12" * 16, "pruner.kind": "none"}
    now = {"seed": 2, "model.hidden": [600], "data set": "cd34" * 16, "model.patience": None}
    assert differences(stored, now) == (
        "seed was 1, is 2",
        'data set was "ab12ab12", is "cd34cd34"',
        'pruner.kind was "none", is null',
    )
    assert differences(stored, stored) == ()


def test_a_study_made_before_repeats_stayed_together_says_how_to_go_on_with_it() -> None:
    stored, now = {"seed": 1, "data set": "ab12" * 16}, {"seed": 1, "data set": "cd34" * 16}
    differing = differences(stored, {**now, "data.repeats": "together"})
    assert differing == (
        'data.repeats was "anywhere", is "together"',
        'data set was "ab12ab12", is "cd34cd34"',
    )
    with pytest.raises(StorageError) as caught:
        refuse("s", differing, "s.db", "give it another name")
    remedy = 'to resume it, set repeats = "anywhere" in [data]; or give it another name'
    assert caught.value.remedy == remedy
    assert differences(stored, {**stored, "data.repeats": "anywhere"}) == ()

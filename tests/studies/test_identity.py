from __future__ import annotations

from studies.identity import differences


def test_differences_name_the_key_and_both_values_and_cut_hashes() -> None:
    stored = {"seed": 1, "model.hidden": [600], "data set": "ab12" * 16, "pruner.kind": "none"}
    now = {"seed": 2, "model.hidden": [600], "data set": "cd34" * 16, "model.patience": None}
    assert differences(stored, now) == (
        "seed was 1, is 2",
        'data set was "ab12ab12", is "cd34cd34"',
        'pruner.kind was "none", is null',
    )
    assert differences(stored, stored) == ()

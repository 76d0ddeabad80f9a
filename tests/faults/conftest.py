"""Assertions in helpers say as much as those in tests."""

import pytest

pytest.register_assert_rewrite("tests.faults.histories", "tests.faults.warm")

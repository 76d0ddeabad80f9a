from __future__ import annotations

from hypothesis import settings

# What takes long at first, or on a busy machine, is no fault of the example at hand.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

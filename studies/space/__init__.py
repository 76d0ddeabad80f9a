"""The space of a study, its axes and its points. Pure."""

"""A trial as a model that works without this project, its card, and its predictions."""

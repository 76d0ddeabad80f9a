"""MLlib's two solvers in NumPy, one iteration at a time."""

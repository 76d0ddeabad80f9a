"""Optuna's dashboard on a study: readable names, artefacts drawn when asked for, nothing to be changed."""

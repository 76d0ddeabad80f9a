"""Optuna's samplers and pruners by the names of the study file."""

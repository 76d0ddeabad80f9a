"""Simulations with a known truth, one module a part of ``benchmarks/truth.py``."""

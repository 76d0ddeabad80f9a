"""What several benchmarks share: figures and their bounds, small studies, simulated networks."""

"""What trained networks are worth on rows: scores, intervals, comparisons, baselines. Pure."""

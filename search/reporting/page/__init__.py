"""The report of a study as a page: one HTML file that needs nothing else."""

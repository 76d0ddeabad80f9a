"""The machine that a worker runs on: processors, GPUs, Java, variables, rows and places for files."""

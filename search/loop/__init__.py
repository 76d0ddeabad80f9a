"""What a search does next, and where: decisions from plain events, without Dask, storage or a clock. Pure."""

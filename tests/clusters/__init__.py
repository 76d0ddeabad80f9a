"""Clusters that Dask's deployers start, on servers that the tests start on this machine: `make clusters`."""

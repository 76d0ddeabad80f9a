"""The Dask clusters that trials run on. Only this folder knows which deployers there are.

``starting.py`` has the clusters of this machine and the choice among all; ``deployers.py`` what is handed to
Dask's deployers; ``joining.py`` everything about workers that the driver didn't start itself: whether they
fit, what they offer, and how they get the rows.
"""

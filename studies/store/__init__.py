"""A study in its storage, as its driver writes it; :mod:`studies.stored_study` is how everybody reads it.

In storage a trial is an ordinary Optuna trial with these user attributes:

- ``configuration``, with the seed and the place of its first segment, written before it is submitted;
- ``segment``, the rung and the place of a later segment, written before that is submitted;
- ``result``, the last segment's report, written with its scores, and with the trial's end where it has come.

So a driver that is killed at any moment leaves a state that the next one goes on from.
"""

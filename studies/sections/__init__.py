"""The tables of the study file as typed, frozen values, and the types of their keys."""

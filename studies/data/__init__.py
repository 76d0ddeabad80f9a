"""From the study file's ``[data]`` and ``[features]`` to the rows that trials are trained and scored on."""

from studies.data.cache import open_feature_step, open_split
from studies.data.features.features import FeatureStep
from studies.data.preparation import Prepared, hash_of, prepare, source_of_parts
from studies.data.split import Rows, Split

__all__ = [
    "FeatureStep",
    "Prepared",
    "Rows",
    "Split",
    "hash_of",
    "open_feature_step",
    "open_split",
    "prepare",
    "source_of_parts",
]

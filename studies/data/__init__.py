"""From the study file's ``[data]`` and ``[features]`` to the rows that trials are trained and scored on."""

from studies.data.cache import open_feature_step, open_split
from studies.data.features.features import FeatureStep
from studies.data.preparation import Located, Prepared, locate_rows, prepare, source_of_parts
from studies.data.split import Rows, Split

__all__ = [
    "FeatureStep",
    "Located",
    "Prepared",
    "Rows",
    "Split",
    "locate_rows",
    "open_feature_step",
    "open_split",
    "prepare",
    "source_of_parts",
]

"""What is searched: the study file, its space, its data, its records and its storage."""

import logging

# All three packages log under this name; a program that imports them decides where that goes.
logging.getLogger("search").addHandler(logging.NullHandler())

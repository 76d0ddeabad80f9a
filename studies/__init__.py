"""What is searched: the study file, its space, its data, its records and its storage."""

"""What a driver writes of its study: a few verbs, for databases and for journals, and the patience around."""

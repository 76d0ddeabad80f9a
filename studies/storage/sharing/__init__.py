"""Several drivers on one study, on one PostgreSQL server."""

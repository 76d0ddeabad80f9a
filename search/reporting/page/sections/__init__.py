"""The sections of the page, one a module: each a function of the report."""

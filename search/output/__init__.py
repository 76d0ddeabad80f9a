"""Everything that leaves for a person: streams, terminal, tables, files and folders."""

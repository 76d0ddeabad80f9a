"""Which change between two configurations moved the score by how much: `search explain`."""

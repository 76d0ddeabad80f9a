"""How much each choice of the space mattered, and where it did. Pure."""

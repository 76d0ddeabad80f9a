"""Where studies are kept: databases, journals, and what their one writer sees of them."""

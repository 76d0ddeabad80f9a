"""Whether both frameworks train the same network, number by number."""

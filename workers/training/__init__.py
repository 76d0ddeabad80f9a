"""What every trainer has: the seam to a framework, initial weights, the network in NumPy, and scores."""

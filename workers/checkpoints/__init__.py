"""What trials leave in files: states on the way, and outcomes at the end."""

"""From texts and numbers to one float32 matrix, fitted on the training rows."""

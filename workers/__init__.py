"""What runs on a worker: initial weights, trainers, scores and the task that joins them."""

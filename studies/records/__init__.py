"""What storage keeps of trials, trainings, finalists and explanations, as plain values. Pure."""

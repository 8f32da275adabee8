"""What is shown as an experiment: lists drawn by chance with their probabilities, arms, and estimates from logs."""

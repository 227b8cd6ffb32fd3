"""Training: one loop, one trial over its folds, and what they leave."""

"""What cross-validation showed, and the baselines without a network beside it."""

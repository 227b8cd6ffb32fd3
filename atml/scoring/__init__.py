"""Scoring on test data by official rules and a user's own, never of subjects that were trained on."""

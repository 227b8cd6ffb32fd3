"""Scoring on test data by official rules, never of people who were trained on."""

"""Optuna's Dashboard on a database of ours."""

"""Rollouts, saved responses and judges → scores and metric totals: the one way to a score."""

"""Studies: whole questions asked of the system, above training and evaluation."""

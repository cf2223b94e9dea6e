"""Ask a model every question of a data set, keep each answer as a row, and reduce the rows to a summary."""

"""The studies' pages, made of their `study.json`."""

"""What every room may use: run folders, whole writes, locks, progress, threads, HTTP, printable text, nearest names.

Imports nothing of ours.
"""

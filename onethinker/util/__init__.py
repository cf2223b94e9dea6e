"""What every room may use: run folders, whole writes, locks, progress, threads, HTTP. Imports nothing of ours."""

"""Questions about a picture that goes on: a camera, a stream, a file as if it were one, a folder that grows.

`sources` gives frames as they come, `window` keeps the last seconds of them, `watcher` asks about those, `events` hands
on what was answered, on the terminal and over HTTP.
"""

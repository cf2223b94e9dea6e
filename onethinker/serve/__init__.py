"""A model as a server: typed questions over HTTP, batched as they come, with bounds on all that comes from outside."""

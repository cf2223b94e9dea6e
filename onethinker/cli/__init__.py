"""The command line: thin verbs over the library, one file a group of them."""

from onethinker.cli.app import app, main

__all__ = ["app", "main"]

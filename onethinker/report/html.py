"""The templates of a report's page, in which Jinja2 escapes whatever is put into them."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from onethinker.report import gallery, tables


@cache
def templates() -> Environment:
    """Those of `templates/`, with the filters that they use."""
    loader = PackageLoader("onethinker.report")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"cut": gallery.cut, "duration": tables.duration}
    return made


def asset(name: str) -> Markup:
    """A file beside the templates that goes into the page as it is."""
    environment = templates()
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])

"""HTML pages from templates, in which Jinja2 escapes whatever is put into them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from onethinker.util.palette import PALETTE

if TYPE_CHECKING:
    from jinja2 import Environment


HERE = "onethinker.util"


@cache
def templates(package: str) -> Environment:
    """Those in the folder `templates` of a package, and ours, of which `frame.html` is what every page stands in. A
    name that a template is not given is an error."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loader = ChoiceLoader([PackageLoader(package), PackageLoader(HERE)])
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def asset(package: str, name: str) -> str:
    """A file of ours beside the templates, a style sheet or a script, that goes into the page as it is."""
    from markupsafe import Markup

    environment = templates(package)
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, name)[0])


def style(name: str) -> str:
    """A style sheet of ours, `page.css` or `cards.css`, after the palette that it draws from."""
    return colours() + asset(HERE, name)


def colours() -> str:
    """The palette as variables of a style sheet."""
    from markupsafe import Markup

    return Markup(":root { " + " ".join(f"--{name}: {colour};" for name, colour in PALETTE.items()) + " }\n")

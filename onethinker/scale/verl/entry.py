"""verl's entry point `verl.plugins`; verl imports it and calls nothing."""

from onethinker.scale.verl.plugin import register

register()

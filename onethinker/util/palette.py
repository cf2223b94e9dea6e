"""The one palette of drawings and charts: Okabe and Ito's eight colours, told apart by colour-blind eyes too.

Source: Okabe and Ito, "Color Universal Design" (2008), https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

BLACK, ORANGE, SKY, GREEN = "#000000", "#e69f00", "#56b4e9", "#009e73"
YELLOW, BLUE, VERMILLION, PURPLE = "#f0e442", "#0072b2", "#d55e00", "#cc79a7"
PALETTE = {
    "black": BLACK, "orange": ORANGE, "sky": SKY, "green": GREEN,
    "yellow": YELLOW, "blue": BLUE, "vermillion": VERMILLION, "purple": PURPLE,
}  # fmt: skip
"""By name; style sheets have them as `--name`."""

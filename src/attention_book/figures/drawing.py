"""Boxes and arrows: what the book's drawings are made of."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from attention_book.figures.colours import INK

Number = float | int


def draw_box(
    ax: Axes,
    x: Number,
    y: Number,
    text: str,
    color: str,
    *,
    width: Number,
    height: Number = 0.5,
    dy: Number = 0.0,
    **font: Any,
) -> None:
    """Draw a box with rounded corners and a text in it.

    Args:
        ax: where to draw.
        x: horizontal centre of the box.
        y: vertical centre of the box.
        text: the text in it.
        color: of its edge, "#rrggbb"; it is filled with the same, paler.
        width: in the units of ``ax``.
        height: in the units of ``ax``.
        dy: distance of the text above the centre.
        font: further properties of the text, such as ``fontsize``.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> ax = plt.figure().subplots()
        >>> draw_box(ax, 0, 0, "keys", "#56B4E9", width=1)
        >>> len(ax.patches), ax.texts[0].get_text()
        (1, 'keys')
    """
    box = FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0.03",
        fc=color + "55",
        ec=color,
        lw=1.3,
    )
    ax.add_patch(box)
    ax.text(x, y + dy, text, ha="center", va="center", **font)


def draw_arrow(
    ax: Axes,
    start: tuple[Number, Number],
    end: tuple[Number, Number],
    *,
    lw: Number = 1.1,
    color: str = INK,
    ls: str = "-",
    bend: str = "arc3",
) -> None:
    """Draw an arrow from one point to another.

    Args:
        ax: where to draw.
        start: (x, y) of its foot.
        end: (x, y) of its head.
        lw: width of its line, in points.
        color: of line and head.
        ls: Matplotlib's line style.
        bend: Matplotlib's connection style, for arrows that are not straight.

    Example:
        >>> import matplotlib.pyplot as plt
        >>> ax = plt.figure().subplots()
        >>> draw_arrow(ax, (0, 0), (1, 1))
        >>> ax.texts[0].xy
        (1, 1)
    """
    options: dict[str, Any] = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0}
    options |= {"lw": lw, "ls": ls, "color": color, "connectionstyle": bend}
    ax.annotate("", end, start, arrowprops=options)

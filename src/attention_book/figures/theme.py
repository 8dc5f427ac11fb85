"""Figures on dark pages: the same drawing, in colours that can be read there."""

import base64
import functools
import io
import re

import numpy as np
from jaxtyping import Float
from PIL import Image

PAGE = "#121212"
"""The background of the book's dark pages."""

TEXT_COLOUR = "#e6edf3"
"""What is black on a light page: most of the text."""

# The colours of the style and of the drawings. Each keeps its hue, so that a caption
# that speaks of orange is right in both themes.
DARK = {
    "#ffffff": PAGE,
    "#000000": TEXT_COLOUR,
    "#404040": "#c4ccd4",
    "#e3e3e3": "#343b43",
    "#0072b2": "#4c9fe6",
    "#d55e00": "#ff8442",
    "#009e73": "#2fc496",
    "#cc79a7": "#e29cc4",
    "#56b4e9": "#9ad7f7",
    "#e69f00": "#f0b429",
}

_COLOUR = re.compile(r'((?:fill|stroke|stop-color)(?:: ?|="))(#[0-9a-fA-F]{6})\b')
_IMAGE = re.compile(r'(data:image/png;base64,)([^"]+)')


def dark_svg(svg: str) -> str:
    """Return a figure that Matplotlib has drawn on white, drawn on a dark page instead.

    Colours of the book's palette become lighter ones of the same hue. All others, those
    of heat maps among them, keep their hue, and light and dark change places.

    Args:
        svg: the figure as Matplotlib saves it.

    Raises:
        ValueError: if it is no SVG.

    Example:
        >>> dark_svg('<svg width="1"><path style="fill: #0072b2"/></svg>')
        '<svg fill="#e6edf3" width="1"><path style="fill: #4c9fe6"/></svg>'
    """
    if "<svg " not in svg:
        raise ValueError(f"svg must hold an <svg> element, got {svg[:40]!r}")
    svg = _COLOUR.sub(lambda found: found[1] + dark_colour(found[2]), svg)
    svg = _IMAGE.sub(lambda found: found[1] + _dark_png(found[2]), svg)
    # Text that is black says nothing of its colour, which is then the root's.
    return svg.replace("<svg ", f'<svg fill="{TEXT_COLOUR}" ', 1)


@functools.cache  # a heat map has thousands of cells in a few colours
def dark_colour(colour: str) -> str:
    """Return the colour that stands for another one on dark pages.

    Args:
        colour: as "#rrggbb".

    Example:
        >>> dark_colour("#FFFFFF"), dark_colour("#08306b")
        ('#121212', '#99c1fc')
    """
    known = DARK.get(colour.lower())
    if known is not None:
        return known
    levels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    dark = _exchange_lightness(np.array([levels]))[0]
    return "#" + "".join(f"{round(255 * level):02x}" for level in dark.tolist())


def _exchange_lightness(
    rgb: Float[np.ndarray, "*pixels channels"],
) -> Float[np.ndarray, "*pixels channels"]:
    """Keep hue and colourfulness; white becomes nearly black, black nearly white."""
    most, least = rgb.max(-1, keepdims=True), rgb.min(-1, keepdims=True)
    lightness = (most + least) / 2
    darker = 0.1 + 0.85 * (1 - lightness) ** 0.8
    return np.clip(darker + rgb - lightness, 0, 1)


def _dark_png(encoded: str) -> str:
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        levels = np.asarray(image.convert("RGBA"), dtype=np.float64) / 255
    dark = np.concatenate(
        [_exchange_lightness(levels[..., :3]), levels[..., 3:]], axis=-1
    )
    buffer = io.BytesIO()
    Image.fromarray((255 * dark).round().astype(np.uint8)).save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()

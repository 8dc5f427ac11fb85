"""Figures on dark pages can be read, and their colours keep their meaning."""

import base64
import colorsys
import io
import re
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from attention_book.figures import colours
from attention_book.figures.theme import DARK, PAGE, dark_colour, dark_svg

STYLE = ["default", "attention_book.figures.book"]
NOT_WRITTEN = {"#ffffff", "#e3e3e3"}  # the page, and the grid


def levels(colour):
    return [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]


def luminance(colour):
    linear = [
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4
        for x in levels(colour)
    ]
    return sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    """The ratio of WCAG."""
    low, high = sorted(luminance(colour) + 0.05 for colour in (one, other))
    return high / low


def saved(figure, form="svg"):
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form)
    return buffer.getvalue().decode() if form == "svg" else buffer.getvalue()


def test_lines_and_text_can_be_read_on_the_dark_page():
    for light, dark in DARK.items():
        if light not in NOT_WRITTEN:
            assert contrast(dark, PAGE) > 4.5, light


def test_colours_keep_their_hue_and_differ():
    meanings = {colours.QUERY, colours.KEY, colours.VALUE, colours.CONTEXT}
    assert {meaning.lower() for meaning in meanings} <= set(DARK)
    for light, dark in DARK.items():
        (hue, _, gray), (new, _, _) = (
            colorsys.rgb_to_hls(*levels(colour)) for colour in (light, dark)
        )
        if gray > 0.05:
            assert abs(hue - new) < 0.05, light
    for one, other in combinations(DARK.values(), 2):
        assert np.linalg.norm(np.subtract(levels(one), levels(other))) > 0.15


def test_light_and_dark_of_other_colours_change_places():
    heat = [plt.get_cmap("Blues")(share) for share in (0.0, 0.5, 1.0)]
    shades = [
        dark_colour("#" + "".join(f"{round(255 * x):02x}" for x in shade[:3]))
        for shade in heat
    ]
    assert luminance(shades[0]) < luminance(shades[1]) < luminance(shades[2])
    red, green, blue = levels(shades[2])
    assert blue > green > red


def test_a_figure_has_no_white_left_and_its_text_is_light():
    with plt.style.context(STYLE):
        figure, ax = plt.subplots()
        ax.plot([1, 2], label="loss")
        ax.set_xlabel("steps")
        light = saved(figure)
    dark = dark_svg(light)
    assert "#ffffff" in light
    assert not re.search("#ffffff|#000000|#404040|#0072b2", dark)
    assert DARK["#0072b2"] in dark
    assert f'<svg fill="{DARK["#000000"]}"' in dark
    assert re.sub(
        "#[0-9a-f]{6}", "", dark.replace(f' fill="{DARK["#000000"]}"', "", 1)
    ) == (re.sub("#[0-9a-f]{6}", "", light)), "nothing but colours is changed"


def test_heat_maps_become_dark():
    figure, ax = plt.subplots()
    ax.imshow(np.zeros((2, 3)), cmap="Blues", vmin=0, vmax=1)
    images = re.findall(r'base64,([^"]+)', dark_svg(saved(figure)))
    assert images
    for encoded in images:
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
            pixels = np.asarray(image)
        assert pixels.shape[-1] == 4
        assert (pixels[..., :3] < 60).all()


def test_what_is_no_svg_is_an_error():
    with pytest.raises(ValueError, match=r"svg must hold an <svg> element, got 'PNG'"):
        dark_svg("PNG")

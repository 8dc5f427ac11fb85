"""Boxes and arrows."""

import matplotlib.pyplot as plt
from matplotlib.colors import to_hex

from attention_book.figures.colours import INK
from attention_book.figures.drawing import draw_arrow, draw_box


def test_a_box_stands_round_its_text():
    ax = plt.figure().subplots()
    draw_box(ax, 2, 3.0, "keys", "#56B4E9", width=1.5, height=0.7, dy=0.1, fontsize=7)
    (box,), (text,) = ax.patches, ax.texts
    assert (box.get_x(), box.get_y()) == (1.25, 2.65)
    assert (box.get_width(), box.get_height()) == (1.5, 0.7)
    assert to_hex(box.get_edgecolor()) == to_hex(box.get_facecolor()) == "#56b4e9"
    assert box.get_facecolor()[3] < 0.5
    assert text.get_position() == (2, 3.1)
    assert text.get_fontsize() == 7


def test_an_arrow_leads_from_its_start_to_its_end():
    ax = plt.figure().subplots()
    draw_arrow(ax, (0, 1), (2, 3))
    draw_arrow(ax, (0, 1), (2, 3), lw=5, color="#D55E00", ls="--")
    plain, other = ax.texts
    assert plain.xy == other.xy == (2, 3)
    assert plain.xyann == (0, 1)
    assert to_hex(plain.arrow_patch.get_facecolor()) == INK
    assert other.arrow_patch.get_linewidth() == 5
    assert other.arrow_patch.get_linestyle() == "--"
    assert to_hex(other.arrow_patch.get_edgecolor()) == "#d55e00"

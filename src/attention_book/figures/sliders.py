"""Figures that answer: bars, or weights over an image, that follow sliders."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from attention_book.figures.interactive import PageElement, as_png
from attention_book.figures.soft_hard import Look, plot_looks


def temperature_view(
    scores: Float[Tensor, " keys"],
    keys: Sequence[str],
    *,
    largest: float = 8.0,
) -> PageElement:
    """Show how a softmax saturates when its scores grow.

    The slider multiplies the scores; beside the weights it says their largest, their
    entropy and how much a score can still move its own weight, :math:`w (1 - w)`.

    Args:
        scores: the scores of one query, before the softmax.
        keys: their labels.
        largest: largest factor of the slider.

    Raises:
        ValueError: if there is not one label for each score.
    """
    slider = _slider("scale", "scores times", 0, largest, 0.25, 1)
    data = {"kind": "temperature", "scores": _numbers(scores, keys)}
    alt = "Weights of one query as bars, which a slider makes more or less equal."
    weights = scores.softmax(dim=0)
    return _element(data, [slider], keys, weights.tolist(), alt)


def rows_view(
    rows: Float[Tensor, "*choices bars"],
    names: Sequence[str],
    sliders: Mapping[str, int],
    texts: Sequence[str],
    *,
    alt: str,
) -> PageElement:
    """Show bars that were computed before, one row of them for each choice.

    Args:
        rows: heights from 0 to 1; one axis for each slider, and one for the bars.
        names: of the bars.
        sliders: by its label, the number at which each slider starts. A slider counts
            from that number on.
        texts: what is said of each choice, in the order of ``rows.flatten(0, -2)``.
        alt: what the figure shows, in words.

    Raises:
        ValueError: if sliders, names or texts do not fit the rows.
    """
    *sizes, bars = rows.shape
    if len(sizes) != len(sliders) or len(names) != bars or not rows.numel():
        raise ValueError(
            f"rows must have an axis for each of {len(sliders)} sliders and one for "
            f"{len(names)} bars, got {tuple(rows.shape)}"
        )
    flat = rows.detach().float().cpu().reshape(-1, bars)
    if len(texts) != len(flat):
        raise ValueError(
            f"texts must be {len(flat)}, one for each row, got {len(texts)}"
        )
    made = [
        _slider(label, label, low, low + size - 1, 1, low)
        for (label, low), size in zip(sliders.items(), sizes, strict=True)
    ]
    data = {
        "kind": "rows",
        "rows": [[round(height, 3) for height in row] for row in flat.tolist()],
        "texts": [*texts],
    }
    return _element(data, made, names, flat[0].tolist(), alt)


def window_view(
    scores: Float[Tensor, " keys"],
    keys: Sequence[str],
    *,
    centre: float | int,
    width: int = 2,
) -> PageElement:
    """Show the weights of local attention while its window moves and widens.

    The weights are those of local-p: a softmax over the keys inside of the window,
    times a Gaussian around its centre, and not normalised again.

    Args:
        scores: the scores of one query, before the softmax.
        keys: their labels.
        centre: where the centre is at first, a position that need not be an integer.
        width: D at first.

    Raises:
        ValueError: if there is not one label for each score, or the centre or the width
            does not fit the keys.

    Source: arXiv:1508.04025, 3.2, equation (10).
    """
    last = len(keys) - 1
    if not 0 <= centre <= last:
        raise ValueError(f"centre must be from 0 to {last}, got {centre}")
    if not 1 <= width <= max(last, 1):
        raise ValueError(f"width must be from 1 to {max(last, 1)}, got {width}")
    sliders = [
        _slider("centre", "centre of the window", 0, last, 0.25, centre),
        _slider("width", "D", 1, max(last, 1), 1, width),
    ]
    data = {"kind": "window", "scores": _numbers(scores, keys)}
    alt = "Weights of one query as bars, under a window that sliders move and widen."
    return _element(data, sliders, keys, scores.softmax(dim=0).tolist(), alt)


def decoding_view(
    scores: Float[Tensor, "queries keys"],
    queries: Sequence[str],
    keys: Sequence[str],
    centres: Float[Tensor, " queries"],
    *,
    truth: Sequence[int | None],
    width: int,
    widest: int | None = None,
) -> PageElement:
    r"""Step through the decoding of a sentence by local-p, and move its window.

    One slider chooses the step; the bars are the weights of its query over the source,
    and the bar of the word that the target word translates has another colour. The
    second slider moves the window away from the :math:`p_t` that the model predicts,
    the third one makes it wider.

    Args:
        scores: one row for each step, before the softmax.
        queries: the target words.
        keys: the source words.
        centres: the :math:`p_t` that the model predicts at each step.
        truth: the position of each target word's partner; None: it has none.
        width: D at first.
        widest: the largest D; None: as many as there are keys.

    Raises:
        ValueError: if the sizes do not fit each other, or ``width`` does not lie
            between 1 and ``widest``.

    Source: arXiv:1508.04025, 3.2, equation (10).
    """
    rows, widest = len(queries), widest or len(keys)
    if scores.shape != (rows, len(keys)) or not len(centres) == len(truth) == rows:
        raise ValueError(
            f"scores, centres and truth must fit {rows} queries and {len(keys)} keys, "
            f"got {tuple(scores.shape)}, {len(centres)} and {len(truth)}"
        )
    if not 1 <= width <= widest:
        raise ValueError(f"width must be from 1 to {widest}, got {width}")
    sliders = [
        _slider("step", "step t", 0, rows - 1, 1, 0),
        _slider("shift", "move the window by", -8, 8, 0.25, 0),
        _slider("width", "D", 1, widest, 1, width),
    ]
    centre = [round(value, 3) for value in centres.detach().float().cpu().tolist()]
    data = {
        "kind": "decoding",
        "scores": [_numbers(row, keys) for row in scores],
        "centres": centre,
        "queries": [*queries],
        "truth": [*truth],
    }
    alt = (
        "Weights of one decoder step as bars over the source words; sliders choose the "
        "step and move and widen the window."
    )
    positions = torch.arange(len(keys))
    inside = (positions - centre[0]).abs() <= width
    first = scores[0].detach().float().cpu().masked_fill(~inside, -torch.inf)
    factors = torch.exp(-((positions - centre[0]) ** 2) / (2 * (width / 2) ** 2))
    heights = first.softmax(dim=0).nan_to_num() * factors
    return _element(data, sliders, keys, heights.tolist(), alt)


def rotation_view(
    query: Float[Tensor, " dim"],
    key: Float[Tensor, " dim"],
    frequencies: Float[Tensor, " half"],
) -> PageElement:
    """Show that the score of two rotated vectors depends on their distance alone.

    One slider moves both vectors through the sequence, the other changes the distance
    between them; the bars are the scores at all distances from -8 to 8.

    Args:
        query: a query before its rotation.
        key: a key before its rotation, of the same even size.
        frequencies: the angle of each pair of features for one position.

    Raises:
        ValueError: if the sizes do not fit each other.

    Source: arXiv:2104.09864, 3.2.2.
    """
    if not len(query) == len(key) == 2 * len(frequencies):
        raise ValueError(
            f"query and key must have twice as many features as there are frequencies "
            f"({len(frequencies)}), got {len(query)} and {len(key)}"
        )
    sliders = [
        _slider("position", "position of the query", 8, 200, 1, 20),  # keys from 0 on
        _slider("offset", "key minus query", -8, 8, 1, 0),
    ]
    data = {
        "kind": "rotation",
        "query": query.tolist(),
        "key": key.tolist(),
        "rates": frequencies.tolist(),
    }
    alt = (
        "Scores of a rotated query and a rotated key at distances from -8 to 8, as "
        "bars that stay where they are when both vectors are moved."
    )
    most = float(query.norm() * key.norm())
    offsets = torch.arange(-8, 9)
    # A pair of features is a complex number, and a rotation a product.
    one, other = (
        torch.view_as_complex(vector.detach().double().cpu().view(-1, 2))
        for vector in (query, key)
    )
    angles = offsets[:, None] * frequencies.detach().double().cpu()
    heights = (torch.exp(1j * angles) * one.conj() * other).real.sum(dim=-1)
    names = [str(offset) for offset in offsets.tolist()]
    return _element(data, sliders, names, heights.tolist(), alt, low=-most, high=most)


def bandit_view(
    weights: Sequence[float],
    rewards: Sequence[float],
    *,
    baseline: float | int = 0,
    place: int = 1,
) -> PageElement:
    r"""Show what a baseline does to the estimate of REINFORCE.

    One location is drawn by its weight and earns its reward. The bars say, for each
    location that can be drawn, by how much the estimate
    :math:`(r_s - b)\, \partial \log \alpha_s / \partial e_k` raises the score of
    location :math:`k`, which a slider chooses; the last bar is their mean.

    Args:
        weights: probability of each location; they sum to 1.
        rewards: reward of each location, not above 0.
        baseline: b at first.
        place: the location, from 1, whose score is shown at first.

    Raises:
        ValueError: if there is not one reward for each weight, or no such location.
    """
    if len(weights) != len(rewards) or not weights:
        raise ValueError(
            f"there must be one reward for each weight, got {len(rewards)} and "
            f"{len(weights)}"
        )
    if not 1 <= place <= len(weights):
        raise ValueError(f"place must be from 1 to {len(weights)}, got {place}")
    lowest = math.floor(2 * min(rewards))
    sliders = [
        _slider("baseline", "baseline b", lowest, 0, 0.5, baseline),
        _slider("place", "score of location", 1, len(weights), 1, place),
    ]
    names = [f"draw {number}" for number in range(1, len(weights) + 1)]
    data = {"kind": "bandit", "weights": [*weights], "rewards": [*rewards]}
    alt = (
        "For each location that can be drawn a bar that says how a score is changed, "
        "and a bar for their mean, which the baseline leaves as it is."
    )
    push = [
        (reward - baseline) * ((number == place) - weights[place - 1])
        for number, reward in enumerate(rewards, start=1)
    ]
    mean = sum(w * height for w, height in zip(weights, push, strict=True))
    most = -lowest / 2
    heights = [*push, mean]
    return _element(data, sliders, [*names, "mean"], heights, alt, low=-most, high=most)


def looks_view(
    image: Float[Tensor, "height width"], soft: Look, hard: Sequence[Look]
) -> PageElement:
    """Step through captions of an image: soft attention beside draws of hard attention.

    One slider chooses the word, the other one of several captions that hard attention
    wrote from locations that it drew. The weights lie over the image, and a frame marks
    the location that was drawn.

    Args:
        image: brightness from 0 to 1.
        soft: the caption of a soft decoder.
        hard: captions of a hard decoder, at least one.

    Raises:
        ValueError: if there is no caption of a hard decoder.
    """
    if not hard:
        raise ValueError("hard must hold at least one caption, got none")
    sliders = [
        _slider("step", "word", 1, max(len(one.words) for one in (soft, *hard)), 1, 2),
        _slider("draw", "draw again", 1, len(hard), 1, 1),
    ]
    first = hard[0]
    figure = plot_looks(image, first.words, first.weights, locations=first.locations)
    alt = (
        "The image twice, with the weights of soft attention and with those of hard "
        "attention and a frame around the location that was drawn; sliders choose the "
        "word and the draw."
    )
    data = {
        "v": 1,
        "kind": "looks",
        "image": _as_picture(image),
        "grid": math.isqrt(soft.weights.shape[1]),
        "soft": _as_look(soft),
        "hard": [_as_look(one) for one in hard],
        "sliders": sliders,
    }
    still = as_png(cast(Figure, figure[0].get_figure()))
    return PageElement("slider-view-1", data, alt=alt, still=still)


def _as_look(look: Look) -> dict[str, Any]:
    return {
        "words": [*look.words],
        "weights": [[round(1000 * w) for w in row] for row in look.weights.tolist()],
        "at": [*look.locations],
    }


def _as_picture(image: Float[Tensor, "height width"]) -> str:
    """Dark on white, as PNG."""
    levels = (255 * (1 - image.detach().float().cpu() / 1.3).clamp(0, 1)).byte()
    buffer = io.BytesIO()
    Image.fromarray(levels.numpy()).save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def _slider(
    name: str,
    label: str,
    low: float | int,
    high: float | int,
    step: float | int,
    value: float | int,
) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "min": low,
        "max": high,
        "step": step,
        "value": value,
    }


def _numbers(scores: Tensor, keys: Sequence[str]) -> list[float]:
    if len(scores) != len(keys) or not keys:
        raise ValueError(
            f"scores must have one value for each of {len(keys)} keys, got "
            f"{len(scores)}"
        )
    return [round(value, 6) for value in scores.detach().float().cpu().tolist()]


def _element(
    data: dict[str, Any],
    sliders: list[dict[str, Any]],
    names: Sequence[str],
    heights: Sequence[float],
    alt: str,
    low: float = 0.0,
    high: float = 1.0,
) -> PageElement:
    figure = plt.figure(figsize=(0.6 + 0.6 * len(names), 2.4))
    axes = figure.subplots()
    axes.bar(range(len(names)), heights)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
    axes.set_ylim(low, high)
    whole = {
        "v": 1,
        **data,
        "sliders": sliders,
        "names": [*names],
        "low": low,
        "high": high,
    }
    return PageElement("slider-view-1", whole, alt=alt, still=as_png(figure))

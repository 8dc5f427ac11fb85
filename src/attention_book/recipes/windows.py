"""Where local attention looks: reach of a window, learned centres, missed links."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attention_book.attention.global_local.layers import GlobalAttention, LocalAttention
from attention_book.attention.global_local.window import gaussian, window_positions
from attention_book.data.translation.pairs import Pair, PairBatch
from attention_book.evaluation.alignment import Link
from attention_book.evaluation.cost import kept_bytes, seconds_in_turns
from attention_book.models.global_local import LuongTranslator
from attention_book.recipes.translation import all_links, crossing_links

_UNFED: dict[str, dict[str, Any]] = {
    "dot": {"score": "dot"},
    "general": {"score": "general"},
    "concat": {"score": "concat"},
    "location": {"score": "location"},
    "local-m": {"attention": "local-m", "score": "general", "window": 10},
    "local-p": {"attention": "local-p", "score": "general", "window": 10},
}
LUONG_SYSTEMS = _UNFED | {
    f"{name} with feeding": options | {"input_feeding": True}
    for name, options in _UNFED.items()
}
"""The systems of the full preset by name, as options of a
:class:`attention_book.models.global_local.LuongConfig`; local ones have the paper's
window and the score that was best there. "location" needs ``max_source`` besides."""


def share_within(links: Collection[Link], window: int) -> float:
    """Share of links whose positions differ by at most ``window`` tokens.

    Those are all that local-m attention can make. Of no links it is 1.

    Example:
        >>> share_within([(0, 0), (3, 2), (2, 4), (5, 5)], 1)
        0.75
    """
    hits = [abs(source - target) <= window for source, target in links]
    return sum(hits) / len(hits) if hits else 1.0


def window_stages(
    attention: str, windows: Sequence[int | None], epochs: int
) -> list[tuple[dict[str, Any], int]]:
    """Stages of training that differ in the window, each about equally long.

    Args:
        attention: "global", "local-m" or "local-p".
        windows: :math:`D` of each stage, in tokens; None for global attention.
        epochs: of all stages together; each has at least one.

    Returns:
        Options of a config and epochs, as
        :func:`attention_book.recipes.translation.fit_stages` takes them.

    Example:
        >>> window_stages("local-p", [8, 2], 5)[1]
        ({'attention': 'local-p', 'window': 2}, 3)
    """
    share = max(1, epochs // len(windows))
    last = max(1, epochs - share * (len(windows) - 1))
    return [
        (
            {"attention": attention, "window": window},
            last if number == len(windows) else share,
        )
        for number, window in enumerate(windows, start=1)
    ]


@torch.no_grad()
def window_centres(
    model: LuongTranslator, batch: PairBatch
) -> Float[Tensor, "batch target_tokens"] | None:
    """The centres of a model's windows, under teacher forcing.

    Args:
        model: a translator with global or local attention; it is left in eval mode.
        batch: on the model's device.

    Returns:
        :math:`p_t` of each target token, a position from 0, on the CPU: what local-p
        computes, or for local-m the number of the step, as far as the source has words.
        None for global attention, which has no windows.
    """
    if not isinstance(model.decoder.attention, LocalAttention):
        return None
    predicted = model.decoder.attention.centre
    if predicted is None:
        steps = torch.arange(batch.target.shape[1] - 1)
        last = batch.source_mask.sum(dim=1).cpu() - 1
        return torch.minimum(steps, last[:, None]).float()
    centres: list[Tensor] = []
    with predicted.register_forward_hook(
        lambda _layer, _inputs, p: centres.append(p.cpu())
    ):
        model.eval().loss(batch)
    return torch.cat(centres, dim=1)


@dataclass(frozen=True)
class CentreScores:
    """How predicted centres agree with the true links; NaN where there are none.

    Attributes:
        distance: mean distance of the centre from the linked source word, in tokens,
            over the links that cross another one.
        step_distance: the same for the number of the step, the centre of local-m.
        correlation: mean over the sentences with four links or more of the correlation
            of centre and linked position.
        num_back: number of steps from one linked word to the next at which the true
            position goes back.
        back: share of these at which the centre goes back too.
        false_back: share of the other steps at which it goes back.
    """

    distance: float
    step_distance: float
    correlation: float
    num_back: int
    back: float
    false_back: float


def score_centres(
    centres: Float[Tensor, "batch target_tokens"], pairs: Sequence[Pair]
) -> CentreScores:
    """Compare predicted centres with the true links of their sentences.

    Args:
        centres: as from :func:`window_centres`, for the same pairs.
        pairs: pairs whose alignment is known.
    """
    distances: list[tuple[float, float]] = []
    back: list[bool] = []
    forward: list[bool] = []
    correlations: list[float] = []
    for row, pair in zip(centres, pairs, strict=True):
        distances += [
            (abs(row[target].item() - source), abs(target - source))
            for source, target in crossing_links(pair)
        ]
        links = sorted(all_links(pair), key=lambda link: link[1])
        for (source, target), (next_source, next_target) in pairwise(links):
            steps = back if next_source < source else forward
            steps.append((row[next_target] < row[target]).item())
        if len(links) >= 4:
            found = row[[target for _, target in links]]
            truth = [source for source, _ in links]
            correlations.append(np.corrcoef(found, truth)[0, 1])
    mean = np.mean(distances or [(math.nan, math.nan)], axis=0)
    return CentreScores(
        distance=float(mean[0]),
        step_distance=float(mean[1]),
        correlation=float(np.mean(correlations or [math.nan])),
        num_back=len(back),
        back=_share(back),
        false_back=_share(forward),
    )


def missed_links(
    links: Sequence[Collection[Link]], pairs: Sequence[Pair]
) -> list[tuple[str, int]]:
    """The true links that a model does not make.

    Args:
        links: the links that a model made, one for each target word.
        pairs: pairs whose alignment is known.

    Returns:
        For each missed link the target word, and how many positions to the right of the
        true source word the model looks.

    Example:
        >>> pair = Pair(("a", "b"), ("A", "B"), frozenset({(0, 0), (1, 1)}))
        >>> missed_links([{(0, 0), (0, 1)}], [pair])
        [('B', -1)]
    """
    missed = []
    for found, pair in zip(links, pairs, strict=True):
        linked = {target: source for source, target in found}
        for source, target in all_links(pair):
            if linked[target] != source:
                missed.append((pair.target[target], linked[target] - source))
    return missed


def step_cost(
    layer: GlobalAttention | LocalAttention, length: int, *, rounds: int = 30
) -> tuple[float, int]:
    """What one decoder step of attention costs, for 16 sentences on the CPU.

    Queries and keys have 64 components; a window of local-m stands in the middle.

    Args:
        layer: of ``query_dim`` and ``key_dim`` 64.
        length: source tokens of each sentence.
        rounds: how often the step is timed; the fastest counts.

    Returns:
        Seconds of a step without gradients, and bytes that a step with gradients keeps
        for the backward pass, besides keys and parameters.
    """
    query = torch.randn(16, 1, 64, requires_grad=True)
    keys = torch.randn(16, length, 64)
    place = {}
    if isinstance(layer, LocalAttention):
        middle = torch.full((16, 1), length // 2)
        place = {"length": torch.full((16, 1), length), "step": middle}

    def step() -> Tensor:
        return layer(query, keys, keys, **place)[0]

    memory = kept_bytes(step, given=(keys, *layer.parameters()))
    with torch.no_grad():
        times = seconds_in_turns({"step": step}, rounds=rounds, warm_up=0)
    return min(times["step"]), memory


def centre_gradient(
    *, rounded: bool = False, curve: bool = True, scaled: bool = False
) -> float:
    """Derivative of the context's first component in the centre, for one fixed query.

    A query over nine random keys of four components, with :math:`p = 4.3` and
    :math:`D = 2`; the options change what the paper does.

    Args:
        rounded: whether the centre is rounded to the nearest position.
        curve: whether the weights are multiplied by the Gaussian.
        scaled: whether the weights are then scaled to sum to 1.
    """
    generator = torch.Generator().manual_seed(0)
    keys = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    query = torch.randn(4, generator=generator, dtype=torch.float64)
    centre = torch.tensor(4.3, dtype=torch.float64, requires_grad=True)
    used = (centre.round() if rounded else centre)[None, None]
    positions, inside = window_positions(used, 2, len(keys))
    window = keys[positions[0, 0][inside[0, 0]]]
    weights = (window @ query).softmax(dim=0)
    if curve:
        weights = weights * gaussian(positions, used, 2)[inside]
    if scaled:
        weights = weights / weights.sum()
    context = weights @ window
    if not context.requires_grad:
        return 0.0  # nothing that the centre could reach
    (gradient,) = torch.autograd.grad(context[0], centre)
    return gradient.item()


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else math.nan

"""Translate a data set, or caption it, in batches."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from attention_book.decoding.search import Hypothesis, beam_search, greedy_search
from attention_book.training.runtime import default_device


@torch.no_grad()
def translate(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    bos: int,
    eos: int,
    max_tokens: int,
    beam_size: int = 1,
    length_penalty: float = 0.0,
    device: str | torch.device = "auto",
) -> list[Hypothesis]:
    """Translate the sources of all batches; the targets are not used.

    Args:
        model: has ``start(source, source_mask)`` and ``step(ids, state)``; it is moved
            to ``device`` and left in eval mode.
        loader: batches with ``source``, ``source_mask`` and ``.to(device)``.
        bos: id that starts an output.
        eos: id that ends an output.
        max_tokens: longest output in tokens, ``<eos>`` included.
        beam_size: 1: greedy search; more: beam search.
        length_penalty: exponent of the beam search's length penalty.
        device: "auto", "cpu", "cuda" or a device.

    Returns:
        One hypothesis for each source, in the loader's order.

    Raises:
        ValueError: if ``beam_size`` or ``max_tokens`` is less than 1.
        FloatingPointError: as :func:`attention_book.decoding.search.greedy_search`.
    """
    if beam_size < 1:
        raise ValueError(f"beam_size must be at least 1, got {beam_size}")
    if isinstance(device, str):
        device = default_device(device)
    translator: Any = model.to(device).eval()
    ends: dict[str, Any] = {"bos": bos, "eos": eos, "max_tokens": max_tokens}
    hypotheses = []
    for batch in loader:
        batch = batch.to(device)
        state = translator.start(batch.source, batch.source_mask)
        common = {"batch_size": len(batch.source), **ends}
        if beam_size == 1:
            hypotheses += greedy_search(translator.step, state, **common)
        else:
            hypotheses += beam_search(
                translator.step,
                state,
                beam_size=beam_size,
                length_penalty=length_penalty,
                **common,
            )
    return hypotheses

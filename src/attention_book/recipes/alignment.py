"""How a translator learns to look, and what it loses when it looks elsewhere."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from attention_book.data.translation.pairs import Pair
from attention_book.data.vocab import BOS, EOS
from attention_book.decoding.search import greedy_search
from attention_book.evaluation.metrics import exact_match
from attention_book.functional import token_cross_entropy
from attention_book.observe import record_weights
from attention_book.recipes.translation import (
    TranslationTask,
    decoder_weights,
    digit_links,
    error_rates,
    next_word_hits,
    power_links,
    share_of_linked,
)
from attention_book.training.watch import Watch


def measure_alignment(
    task: TranslationTask, model: nn.Module, pairs: Sequence[Pair]
) -> dict[str, float]:
    """Measure what a translator can do with some pairs, and where it looks.

    Words and links are measured under teacher forcing, sentences in free running.

    Args:
        task: the pairs' task.
        model: has one attention layer; it is left in eval mode.
        pairs: for instance some of the dev pairs.

    Returns:
        Shares from 0 to 1, by name: of the sentences that are right as a whole and,
        where the true alignment is known, of the digit words that are predicted right,
        of their links that are right, and of the power words' links that are right.
        NaN where there are none.
    """
    shares = {"sentences right": float(task.exact_match(model, pairs).mean())}
    if task.has_alignment:
        hits, _ = next_word_hits(model, task.batch(pairs))
        kinds = {"digit": digit_links, "power": power_links}
        rates = error_rates(task.links(model, pairs), pairs, kinds)
        shares["digit words right"] = share_of_linked(hits, pairs, digit_links)
        shares["links of digit words right"] = 1 - rates["digit"]
        shares["links of power words right"] = 1 - rates["power"]
    return shares


def watch_alignment(
    task: TranslationTask,
    model: nn.Module,
    pairs: Sequence[Pair],
    *,
    every: int,
    example: Pair | None = None,
) -> Watch:
    """Watch a translator while it learns.

    Args:
        task: the pairs' task.
        model: the translator.
        pairs: what it is measured on.
        every: optimizer steps between two measurements.
        example: a pair whose weights are kept at each measurement; None, for a model
            without attention: only the sentences that are right are counted.

    Returns:
        Its values are pairs: shares by name, as from :func:`measure_alignment`, and the
        weights of the example, or None.
    """

    def measure(step: int) -> tuple[dict[str, float], Tensor | None]:
        if example is None:
            right = float(task.exact_match(model, pairs).mean())
            return {"sentences right": right}, None
        weights = decoder_weights(model, task.batch([example]))[0]
        return measure_alignment(task, model, pairs), weights

    return Watch(measure, at=lambda step: step % every == 0)


def steps_to_reach(
    steps: Sequence[int], shares: Sequence[float], level: float
) -> float:
    """Steps after which a curve reaches a level for the first time.

    Args:
        steps: at which it was measured, increasing.
        shares: what was measured there.
        level: to be reached.

    Returns:
        Steps, on the straight line between two measurements; NaN if it is never
        reached.

    Example:
        >>> steps_to_reach([0, 10, 20], [0.0, 0.4, 0.8], 0.5)
        12.5
    """
    if shares and shares[0] >= level:
        return float(steps[0])
    points = pairwise(zip(steps, shares, strict=True))
    for (start, low), (end, high) in points:
        if low < level <= high:
            return start + (end - start) * (level - low) / (high - low)
    return float("nan")


@torch.no_grad()
def score_changed(
    task: TranslationTask, model: nn.Module, change: Callable[[Any], Any]
) -> tuple[float, float]:
    """Translate the test set with a trained model whose first state was changed.

    Args:
        task: has test pairs.
        model: has ``start``, ``decode`` and ``step``; it is left in eval mode.
        change: takes the decoder's first state and returns another one.

    Returns:
        The loss under teacher forcing in nats per token, and the share of sentences
        that are translated without a mistake.
    """
    translator: Any = model.eval()
    batch = task.batch(task.test)
    state = change(translator.start(batch.source, batch.source_mask))
    logits, _ = translator.decode(batch.target[:, :-1], state)
    loss = token_cross_entropy(logits, batch.target[:, 1:], batch.target_mask[:, 1:])
    hypotheses = greedy_search(
        translator.step,
        state,
        batch_size=len(task.test),
        bos=BOS,
        eos=EOS,
        max_tokens=task.max_tokens,
    )
    right = exact_match(task.words(hypotheses), task.references)
    return loss.item(), float(right.mean())


@torch.no_grad()
def weight_on_padding(
    task: TranslationTask, model: nn.Module, edges: Sequence[int]
) -> list[tuple[int, int, int, float]]:
    """Measure how much weight falls on padding if a model does not mask it.

    Args:
        task: its test pairs are one batch.
        model: has one attention layer, and a state with a ``mask``; it is left in eval
            mode.
        edges: increasing; the first number of padded positions of each range, followed
            by the first beyond the last one.

    Returns:
        For each range that has sentences the fewest and the most padded positions of a
        sentence, the number of sentences, and the share of the weights that falls on
        padding, averaged over the steps of the decoder.
    """
    translator: Any = model.eval()
    batch = task.batch(task.test)
    state = translator.start(batch.source, batch.source_mask)
    with record_weights(model) as recorded:
        unmasked = state._replace(mask=torch.ones_like(state.mask))
        translator.decode(batch.target[:, :-1], unmasked)
    (calls,) = recorded.values()
    weights = torch.cat(calls, dim=1).cpu()
    padding = ~batch.source_mask[:, None].cpu()
    lost = (weights * padding).sum(dim=-1)
    real = batch.target_mask[:, 1:].cpu()
    counts = padding.sum(dim=-1)[:, 0]
    found = []
    for low, end in pairwise(edges):
        rows = (counts >= low) & (counts < end)
        if rows.any():
            share = lost[rows][real[rows]].mean().item()
            found.append((low, end - 1, int(rows.sum()), share))
    return found

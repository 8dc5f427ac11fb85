"""What a translator learns when, what its summary holds, and what breaks it."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.data.translation.pairs import Pair
from attention_book.functional import token_cross_entropy
from attention_book.recipes.probes import probe_positions
from attention_book.recipes.translation import (
    TrainingPlan,
    TranslationTask,
    all_links,
    digit_links,
    next_word_hits,
    share_by_rank,
    word_probabilities,
)
from attention_book.training.loop import History
from attention_book.training.watch import Watch

MODES = {"teacher-forced": False, "free-running": True}
"""Ways to run a decoder: whether it reads its own words."""


def time_lags(pair: Pair, *, reverse: bool) -> list[int]:
    """Steps from reading each source word to writing its translation.

    One word is read or written at each step; ``<eos>`` is read between the two.

    Args:
        pair: a pair whose alignment is known.
        reverse: whether the source is read backwards.

    Returns:
        One lag for each link, in the order of the target.

    Example:
        >>> pair = Pair(("a", "b"), ("A", "B"), frozenset({(0, 0), (1, 1)}))
        >>> time_lags(pair, reverse=False), time_lags(pair, reverse=True)
        ([3, 3], [2, 4])
    """
    last = len(pair.source) - 1
    links = sorted(all_links(pair), key=lambda link: link[::-1])
    return [last + 2 + j - (last - i if reverse else i) for i, j in links]


def informative_words(pair: Pair) -> list[int]:
    """Positions of the target words that only the source can tell, in their order.

    Of number words these are the ones that name a digit. Where no alignment is known,
    all words count.
    """
    if pair.alignment is None:
        return list(range(len(pair.target)))
    return sorted({target for _, target in digit_links(pair)})


def fit_by_rank(
    task: TranslationTask,
    model: nn.Module,
    plan: TrainingPlan,
    *,
    pairs: Sequence[Pair],
    num_ranks: int,
    every: int,
    **options: Any,
) -> tuple[History, Watch]:
    """Train a translator; measure on the way which words it predicts right.

    Args:
        task: what is learned.
        model: the translator.
        plan: how it is trained.
        pairs: the pairs that are measured, with the right words read.
        num_ranks: informative words are told apart by their rank in the target, so many
            of them.
        every: optimizer steps from one measurement to the next; one more is made at the
            end.
        **options: as for
            :meth:`attention_book.recipes.translation.TranslationTask.fit`.

    Returns:
        The training's history, and a watch whose ``values`` list, for each of its
        ``steps``, the share of right words of each rank.
    """
    batch = task.batch(pairs)

    def look(step: int) -> list[float]:
        hits, _ = next_word_hits(model, batch)
        return share_by_rank(hits, pairs, informative_words, num_ranks)

    watch = Watch(look, at=lambda step: step % every == 0)
    history = task.fit(model, plan, on_step=watch, **options)
    watch.take(len(history.step_loss))
    return history, watch


@torch.no_grad()
def summary_vectors(
    task: TranslationTask, model: nn.Module, pairs: Sequence[Pair]
) -> Float[Tensor, "sentences summary_dim"]:
    """Return all that passes from encoder to decoder, one vector for each source.

    Args:
        task: the pairs' task.
        model: its ``start`` returns tensors, rows first; it is left in eval mode.
        pairs: their sources are encoded.
    """
    batch, translator = task.batch(pairs), model.to(task.device).eval()
    start: Any = translator.start
    state = start(batch.source, batch.source_mask)
    return torch.cat([part.flatten(1) for part in state], dim=1).cpu()


def probe_words(
    task: TranslationTask,
    model: nn.Module,
    train: Sequence[Pair],
    test: Sequence[Pair],
    num_positions: int,
) -> list[float]:
    """Read each source word from the summary by a linear classifier.

    Args:
        task: the pairs' task.
        model: see :func:`summary_vectors`.
        train: pairs that the classifiers learn from.
        test: pairs that they are scored on.
        num_positions: number of source positions, from the first one on.

    Returns:
        As :func:`attention_book.recipes.probes.probe_positions`.
    """
    known, held_out = (
        summary_vectors(task, model, part).numpy() for part in (train, test)
    )
    words = [[pair.source for pair in part] for part in (train, test)]
    return probe_positions(known, words[0], held_out, words[1], num_positions)


@torch.no_grad()
def damaged_losses(task: TranslationTask, model: nn.Module) -> dict[str, float]:
    """Teacher-forced loss on the test set, in nats per word, with a damaged summary.

    Args:
        task: whose test set is used.
        model: as for :func:`summary_vectors`, with a method ``decode``.

    Returns:
        By name: as trained; with the summary of the next sentence in its place; with
        padding read as words. Last, for comparison, the loss of a model that knows how
        frequent each word is and nothing else.
    """
    batch, translator = task.batch(task.test), model.to(task.device).eval()
    start: Any = translator.start
    decode: Any = translator.decode
    target, mask = batch.target[:, 1:], batch.target_mask[:, 1:]
    state = start(batch.source, batch.source_mask)
    states = {
        "as trained": state,
        "with another sentence's summary": state._make(x.roll(1, 0) for x in state),
        "with padding read as words": start(
            batch.source, torch.ones_like(batch.source_mask)
        ),
    }
    losses = {}
    for name, first in states.items():
        logits, _ = decode(batch.target[:, :-1], first)
        losses[name] = token_cross_entropy(logits, target, mask).item()
    counts = torch.bincount(target[mask].cpu()).double()
    shares = counts[counts > 0] / counts.sum()
    losses["word frequencies alone"] = -(shares * shares.log()).sum().item()
    return losses


def accuracy_by_mode(
    task: TranslationTask, model: nn.Module, num_positions: int
) -> tuple[dict[str, list[float]], Float[Tensor, " sentences"]]:
    """Compare a decoder that reads the right words with one that reads its own.

    Args:
        task: whose test set is used.
        model: as for :func:`attention_book.recipes.translation.word_probabilities`.
        num_positions: number of target positions, from the first one on.

    Returns:
        By the names in ``MODES`` the share of right words at each position; and for
        each sentence the share of its words, ``<eos>`` included, that are right
        teacher-forced less the share that are right in free running.
    """
    batch = task.batch(task.test)
    target, mask = batch.target[:, 1:], batch.target_mask[:, 1:]
    curves, shares = {}, []
    for name, own_words in MODES.items():
        chances = word_probabilities(model, batch, own_words=own_words)
        hits = chances.argmax(dim=-1) == target
        curves[name] = share_by_rank(
            hits, task.test, lambda pair: range(len(pair.target)), num_positions
        )
        shares.append((hits & mask).sum(dim=1) / mask.sum(dim=1))
    return curves, (shares[0] - shares[1]).cpu()

"""Look into trained networks of sentence pairs, and disturb what they are given."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.abcnn import match_scores
from attention_book.data.sentence_pairs.overlap_features import (
    OverlapFeatures,
    content_words,
)
from attention_book.data.sentence_pairs.pairs import SentencePair, SentencePairBatch
from attention_book.models.abcnn.block import wide_mask
from attention_book.models.abcnn.model import ABCNN
from attention_book.observe import record_weights
from attention_book.recipes.sentence_pairs.comparison import main_measure
from attention_book.recipes.sentence_pairs.tasks import PairTask
from attention_book.recipes.sentence_pairs.training import pair_scores


def pad_batch(
    batch: SentencePairBatch, num_tokens: int, *, masked: bool = True
) -> SentencePairBatch:
    """Return the same batch with more padding, and with its mask or without.

    Args:
        batch: the batch.
        num_tokens: to which both sides are padded; a longer side stays.
        masked: whether padding is masked; otherwise all masks are True.
    """
    changed = {}
    for side in ("first", "second"):
        ids, mask = getattr(batch, side), getattr(batch, f"{side}_mask")
        more = max(num_tokens - ids.shape[1], 0)
        changed[side], mask = F.pad(ids, (0, more)), F.pad(mask, (0, more))
        changed[f"{side}_mask"] = mask if masked else torch.ones_like(mask)
    return replace(batch, **changed)


def shuffle_second(
    batch: SentencePairBatch, generator: np.random.Generator
) -> SentencePairBatch:
    """Return the same batch with the words of each second sentence shuffled."""
    ids = batch.second.clone()
    for row, mask in zip(ids, batch.second_mask, strict=True):
        count = int(mask.sum())
        row[:count] = row[torch.from_numpy(generator.permutation(count))]
    return replace(batch, second=ids)


@dataclass(frozen=True)
class MatchStatistics:
    """The match scores of a data set, divided by what they compare.

    Attributes:
        equal: scores of equal words, or windows of words.
        other: all other scores of real words, or windows.
        row_sums: sums over each row of a matrix of scores.
        equal_ids: for each score in ``equal``, the id of the (first) word.
    """

    equal: Float[Tensor, " equal"]
    other: Float[Tensor, " other"]
    row_sums: Float[Tensor, " rows"]
    equal_ids: Int[Tensor, " equal"]


@torch.no_grad()
def match_statistics(
    model: ABCNN, task: PairTask, *, after: bool, part: str = "test"
) -> MatchStatistics:
    """Collect the match scores of the first block over a part of the data.

    Args:
        model: an ABCNN with attention there; it stays on its device.
        task: the data.
        after: whether to take the scores after the convolution, which compare windows
            of words; otherwise those before it, which compare words.
        part: "train", "dev" or "test".
    """
    layer = "blocks.0.attention_pool" if after else "blocks.0.maps"
    width = model.config.width if after else 1
    device = next(model.parameters()).device
    batches = task.batches(part)
    with record_weights(model) as recorded:
        for batch in batches:
            model.features(batch.to(device))
    found: list[tuple[Tensor, ...]] = []
    for batch, scores in zip(batches, recorded[layer], strict=True):
        scores = scores.cpu()
        first_mask = wide_mask(batch.first_mask, width)
        second_mask = wide_mask(batch.second_mask, width)
        real = first_mask[:, :, None] & second_mask[:, None]
        first, second = _windows(batch.first, width), _windows(batch.second, width)
        equal = (first[:, :, None] == second[:, None]).all(dim=-1) & real
        words = first[:, :, None, 0].expand(equal.shape)
        found.append(
            (
                scores[equal],
                scores[real & ~equal],
                scores.sum(dim=2)[first_mask],
                words[equal],
            )
        )
    return MatchStatistics(*map(torch.cat, zip(*found, strict=True)))


@torch.no_grad()
def best_matches(
    task: PairTask, pairs: Sequence[SentencePair]
) -> Float[Tensor, "ways candidates words"]:
    """Match each word of a question with the words of its candidates.

    Args:
        task: whose word vectors are compared.
        pairs: candidates of one question.

    Returns:
        For each candidate and each word of the question the largest match score, that
        is the largest entry of a row of A; then the same times the word's inverse
        document frequency, relative to the largest one in the question.

    Raises:
        ValueError: if the candidates are not those of one question.
    """
    questions = {pair.first for pair in pairs}
    if len(questions) != 1:
        raise ValueError(f"pairs must have one question, got {len(questions)}")
    (question,) = questions

    def columns(words: Sequence[str]) -> Tensor:
        return task.matrix[torch.tensor(task.vocab.encode(words))][None]

    asked = columns(question)
    found = torch.stack(
        [match_scores(asked, columns(pair.second))[0].amax(dim=1) for pair in pairs]
    )
    idf = torch.tensor([*map(OverlapFeatures(task.pairs["train"]).idf, question)])
    return torch.stack([found, found * idf / idf.max().clamp_min(1e-9)])


@torch.no_grad()
def column_sizes(model: ABCNN, batch: SentencePairBatch) -> tuple[float, float]:
    """Measure how large the columns are that a model's last block reads.

    Args:
        model: an ABCNN.
        batch: on the model's device.

    Returns:
        The mean length of the columns, zeros left out, and the mean absolute value of
        the tanh that the block's convolution makes of them.
    """
    seen: list[tuple[Tensor, Tensor]] = []
    last_conv = model.get_submodule(f"blocks.{len(model.blocks) - 1}.conv")
    hook = last_conv.register_forward_hook(
        lambda _layer, inputs, output: seen.append((inputs[0], output))
    )
    try:
        model.features(batch)
    finally:
        hook.remove()
    lengths = torch.cat([columns.norm(dim=1).flatten() for columns, _ in seen])
    outputs = torch.cat([output.tanh().abs().flatten() for _, output in seen])
    return lengths[lengths > 0].mean().item(), outputs.mean().item()


def padding_effects(
    model: nn.Module, task: PairTask, num_tokens: int
) -> dict[str, tuple[float, float]]:
    """Score the test pairs with more padding, and without its mask.

    Args:
        model: has ``.score(batch)``.
        task: the data.
        num_tokens: to which sentences are padded.

    Returns:
        For "masked" and "not masked", as the batches are and padded to ``num_tokens``:
        the main measure, and by how much a score moves on average from its right value.
    """
    right = pair_scores(model, task)
    effects = {}
    for label, masked in ("masked", True), ("not masked", False):
        for end, length in ("", 0), (f", to {num_tokens}", num_tokens):
            change = partial(pad_batch, num_tokens=length, masked=masked)
            scores = pair_scores(model, task, change=change)
            moved = float(np.abs(scores - right).mean())
            effects[label + end] = main_measure(task, scores), moved
    return effects


def telling_pair(pairs: Sequence[SentencePair]) -> SentencePair:
    """Choose a right pair to draw: short, with shared words that change positions.

    Args:
        pairs: at least one.

    Returns:
        The first with 6 to 8 and 5 to 8 words, two or more shared content words, and
        one of them more than one position away; the first of all if there is none.
    """

    def fits(pair: SentencePair) -> bool:
        first, second = pair.first, pair.second
        shared = content_words(first) & content_words(second)
        moved = any(abs(first.index(w) - second.index(w)) > 1 for w in shared)
        short = 6 <= len(first) <= 8 and 5 <= len(second) <= 8
        return bool(pair.label) and short and moved and len(shared) > 1

    return next(filter(fits, pairs), pairs[0])


def describe_scores(scores: Float[Tensor, " scores"]) -> list[str]:
    """Say how many scores there are, the smallest, the median and the largest.

    Example:
        >>> describe_scores(torch.tensor([0.5, 0.25, 1.0]))
        ['3', '0.250', '0.500', '1.000']
    """
    if not len(scores):
        return ["0", "", "", ""]
    found = scores.min(), scores.median(), scores.max()
    return [f"{len(scores):,}", *(f"{value:.3f}" for value in found)]


def _windows(
    ids: Int[Tensor, "batch tokens"], width: int
) -> Int[Tensor, "batch windows width"]:
    """The words that each column of a wide convolution sees; 0 outside."""
    return F.pad(ids, (width - 1, width - 1)).unfold(1, width, 1)

"""Look into an MPCNN: weights of words, what filters fire on, what decides a pair."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from attention_book.attention.mpcnn import InputAttention, cosine_matrix
from attention_book.data.docstrings.shared_functions import EVERYDAY_WORDS
from attention_book.data.sentence_pairs.pairs import SentencePair, sentence_pair_batch
from attention_book.models.mpcnn.config import MPCNNConfig
from attention_book.models.mpcnn.model import MPCNN
from attention_book.recipes.sentence_pairs.tasks import PairTask
from attention_book.recipes.sentence_pairs.training import pair_features


def pair_weights(
    task: PairTask,
    pair: SentencePair,
    *,
    factor: Callable[[str], float] | None = None,
) -> tuple[
    Float[Tensor, "first_words second_words"],
    Float[Tensor, " first_words"],
    Float[Tensor, " second_words"],
]:
    """Return the cosines of a pair's words, and the weights of both sentences' words.

    Args:
        task: whose word vectors are compared.
        pair: the sentences.
        factor: by which the score of a word is multiplied before the softmax, its
            inverse document frequency for instance; None: by 1.
    """
    batch = sentence_pair_batch([pair], task.vocab)
    first, second = task.matrix[batch.first], task.matrix[batch.second]
    cosines = cosine_matrix(first, second)[0]
    if factor is None:
        layer = InputAttention()
        (_, ours), (_, theirs) = layer(second, first), layer(first, second)
        return cosines, ours[0, 0], theirs[0, 0]

    def weigh(words: Sequence[str], scores: Tensor) -> Tensor:
        factors = torch.tensor([factor(word) for word in words])
        return (scores * factors).softmax(dim=0)

    ours = weigh(pair.first, cosines.sum(dim=1))
    return cosines, ours, weigh(pair.second, cosines.sum(dim=0))


@dataclass(frozen=True)
class WeightStatistics:
    """The weights of the words of many sentences.

    Attributes:
        ratio: largest over smallest weight of a sentence, the median.
        carriers: how many words carry the weight, as a share of the sentence: the
            exponential of the weights' entropy over the number of words, a mean. 1
            means that all weights are equal.
        everyday_weight: weight on everyday words, a mean.
        everyday_words: share of everyday words in a sentence, a mean.
    """

    ratio: float
    carriers: float
    everyday_weight: float
    everyday_words: float


def weight_statistics(
    task: PairTask,
    *,
    part: str = "test",
    least: int = 4,
    factor: Callable[[str], float] | None = None,
) -> WeightStatistics:
    """Measure how attention weighs the words of a part's sentences.

    Everyday words are articles, prepositions and the like: ``EVERYDAY_WORDS`` in
    ``attention_book.data.docstrings.shared_functions``.

    Args:
        task: the data.
        part: "train", "dev" or "test".
        least: sentences of fewer words are left out.
        factor: as for :func:`pair_weights`.

    Raises:
        ValueError: if no sentence has so many words.
    """
    ratios, shares = [], []
    for pair in task.pairs[part]:
        _, *both = pair_weights(task, pair, factor=factor)
        for words, weights in zip((pair.first, pair.second), both, strict=True):
            if len(words) < least:
                continue
            ratios.append((weights.max() / weights.min()).item())
            entropy = -(weights * weights.clamp_min(1e-9).log()).sum()
            everyday = torch.tensor([word in EVERYDAY_WORDS for word in words]).float()
            on_everyday = (everyday * weights).sum()
            share = entropy.exp() / len(words), on_everyday, everyday.mean()
            shares.append([value.item() for value in share])
    if not ratios:
        raise ValueError(f"{part} must have a sentence of {least} words or more")
    return WeightStatistics(float(np.median(ratios)), *np.mean(shares, axis=0).tolist())


def legible_pair(task: PairTask, *, part: str = "test") -> SentencePair:
    """Choose a pair to draw: alike, short, and of known words only.

    Args:
        task: the data.
        part: "train", "dev" or "test".

    Returns:
        The first with 6 to 11 words on both sides; the first of all if there is none.
    """

    def fits(pair: SentencePair) -> bool:
        sides = pair.first, pair.second
        if task.grades is None:
            alike = pair.label == 1
        else:
            alike = (pair.score or 0) >= task.grades[1] - 1
        known = all(word in task.vectors for side in sides for word in side)
        return alike and known and all(6 <= len(side) <= 11 for side in sides)

    return next(filter(fits, task.pairs[part]), task.pairs[part][0])


def compare_unlike(model: MPCNN) -> None:
    """Make an MPCNN compare each filter with the next one of the other sentence.

    The second sentence's filters are moved up by one before they are compared.
    """

    def move(_layer: Any, _arguments: tuple, blocks: Tensor) -> Tensor:
        first, second = blocks.chunk(2)
        return torch.cat([first, second.roll(1, dims=-1)])

    model.holistic.register_forward_hook(move)


def feature_groups(config: MPCNNConfig) -> dict[str, Int[Tensor, " features"]]:
    """Say which features of a comparison stem from what.

    Args:
        config: of a model that compares by widths.

    Returns:
        The positions of the features of "rows" (algorithm 1), of "width 1, width 2" and
        so on for each pair of columns (algorithm 2), of "width ∞" if it stands apart,
        and of "block B".

    Raises:
        ValueError: if the model compares the sentences otherwise.

    Example:
        >>> config = MPCNNConfig(embed_dim=3, num_filters=2, widths=(1,))
        >>> {name: len(at) for name, at in feature_groups(config).items()}
        {'rows': 12, 'width 1, width 1': 12, 'width ∞': 15, 'block B': 200}
    """
    if not config.by_widths:
        raise ValueError(
            f"config must compare by widths, its comparison is {config.comparison!r}"
        )
    rest, groups = torch.arange(config.num_features), {}
    poolings, size = len(config.poolings), config.num_filters
    names = [f"width {width}" for width in config.widths]
    names += ["width ∞"] * config.sentence_is_a_width
    every = config.comparison == "all widths"
    pairs = [(a, b) for a in names for b in names if every or a == b]
    if config.horizontal:
        count = 2 * poolings * size
        groups["rows"], rest = rest[:count], rest[count:]
    if config.vertical:
        count = poolings * len(pairs) * (2 + size)
        columns = rest[:count].view(poolings, len(pairs), 2 + size)
        for number, (a, b) in enumerate(pairs):
            groups[f"{a}, {b}"] = columns[:, number].flatten()
        rest = rest[count:]
        if config.whole_sentence and not config.sentence_is_a_width:
            count = poolings * (2 + config.word_dim)
            groups["width ∞"], rest = rest[:count], rest[count:]
    if len(rest):
        groups["block B"] = rest
    return groups


@torch.no_grad()
def trace_decision(
    model: MPCNN, task: PairTask, pair: SentencePair
) -> tuple[float, dict[str, float]]:
    """Say how much each group of features adds to the score of a pair.

    A group's share is the score less what it would be if the features of this group
    were those of the average training pair. The hidden layer is not linear, so that the
    shares do not add up to the score.

    Args:
        model: compares by widths.
        task: the data.
        pair: of the task.

    Returns:
        The score, and the share of each of :func:`feature_groups`.
    """
    model.eval()
    device = next(model.parameters()).device
    average = torch.from_numpy(pair_features(model, task, "train").mean(axis=0))
    own = model.features(sentence_pair_batch([pair], task.vocab).to(device)).cpu()
    groups = feature_groups(model.config)
    rows = own.repeat(1 + len(groups), 1)
    for row, positions in zip(rows[1:], groups.values(), strict=True):
        row[positions] = average[positions]
    score, *others = model.similarity(model.read(rows.to(device))).tolist()
    shares = [score - other for other in others]
    return score, dict(zip(groups, shares, strict=True))


@torch.no_grad()
def strongest_windows(
    model: MPCNN,
    task: PairTask,
    *,
    width: int,
    num_filters: int = 3,
    num_windows: int = 4,
    part: str = "test",
) -> dict[int, list[str]]:
    """Find the phrases on which filters of block A have their largest outputs.

    Args:
        model: without attention; the first pooling's filters are taken.
        task: the data.
        width: of the filters, one of the model's widths.
        num_filters: how many filters, those whose outputs spread most.
        num_windows: phrases for each.
        part: "train", "dev" or "test".

    Returns:
        For each filter's number its phrases, the strongest first.

    Raises:
        ValueError: if the model has no such width, or has attention.
    """
    config = model.config
    if width not in config.widths or config.attention:
        raise ValueError(
            f"model must have no attention and filters of width {width}, got widths "
            f"{config.widths} and attention={config.attention}"
        )
    sides = [side for pair in task.pairs[part] for side in (pair.first, pair.second)]
    phrases = _phrases(sides, width)
    ids = torch.tensor([task.vocab.encode(phrase) for phrase in phrases])
    conv = model.holistic.convs[config.widths.index(width)]
    words = model.embedding(ids.to(next(model.parameters()).device))
    outputs = conv(words.transpose(1, 2))[:, : config.num_filters, 0].tanh().cpu()
    chosen = outputs.std(dim=0, correction=0).topk(num_filters).indices.tolist()
    strongest = outputs[:, chosen].topk(min(num_windows, len(phrases)), dim=0).indices
    return {
        number: [" ".join(phrases[row]) for row in rows]
        for number, rows in zip(chosen, strongest.T.tolist(), strict=True)
    }


def _phrases(sentences: Sequence[tuple[str, ...]], width: int) -> list[tuple[str, ...]]:
    """All different windows of words, in the order in which they come."""
    windows = (
        words[start : start + width]
        for words in sentences
        for start in range(len(words) - width + 1)
    )
    return list(dict.fromkeys(windows))

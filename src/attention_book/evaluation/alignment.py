"""How well attention finds the words that belong together."""

from collections.abc import Collection, Sequence

from jaxtyping import Float
from torch import Tensor

Link = tuple[int, int]
"""(source position, target position), from 0."""


def argmax_links(
    weights: Float[Tensor, "batch targets sources"], target_lengths: Sequence[int]
) -> list[frozenset[Link]]:
    """Link each target word to the source position that got the largest weight.

    Args:
        weights: of each target position over the source, while the model reads the
            right translations; of equal ones the first wins.
        target_lengths: number of words of each target; rows behind them (``<eos>``,
            padding) are left out. A position of the source that is no word, its
            ``<eos>`` for one, can win too: that is a wrong link, not a missing one.

    Returns:
        The links of each sentence pair.

    Raises:
        ValueError: if ``target_lengths`` has not one entry a sentence, or one is longer
            than the weights have rows.

    Example:
        >>> import torch
        >>> weights = torch.tensor([[[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]]])
        >>> [sorted(links) for links in argmax_links(weights, [2])]
        [[(0, 1), (1, 0)]]
    """
    batch, targets, _ = weights.shape
    if len(target_lengths) != batch or max(target_lengths, default=0) > targets:
        raise ValueError(
            f"target_lengths must be {batch} numbers of at most {targets} to fit "
            f"weights {tuple(weights.shape)}, got {list(target_lengths)}"
        )
    winners = weights.argmax(dim=-1).tolist()
    return [
        frozenset((source, target) for target, source in enumerate(row[:length]))
        for row, length in zip(winners, target_lengths, strict=True)
    ]


def alignment_error_rate(
    links: Sequence[Collection[Link]], truth: Sequence[Collection[Link]]
) -> float:
    r"""Share of links that are wrong or missing, over all sentences together.

    .. math:: \mathrm{AER} = 1 - \frac{2 |A \cap S|}{|A| + |S|}

    with the links found :math:`A` and the true ones :math:`S`, all of which are sure.
    Attention links every target word to something. Links of target words that have no
    partner in truth ("und" in "ein|und|zwanzig") are therefore left out of :math:`A`:
    wherever a model looks then is neither right nor wrong.

    Args:
        links: found links (source position, target position), a set a sentence.
        truth: the true links, in the same order.

    Returns:
        From 0 (the truth) to 1 (no link is right).

    Raises:
        ValueError: if the numbers of sentences differ, or there is no link in truth.

    Source: Och and Ney (2003), doi:10.1162/089120103321337421, with :math:`P = S`.

    Example:
        >>> truth = [{(0, 2), (1, 0)}]  # target word 1 has no partner
        >>> alignment_error_rate([{(0, 2), (1, 1), (0, 0)}], truth)
        0.5
    """
    if len(links) != len(truth):
        raise ValueError(
            f"links ({len(links)}) and truth ({len(truth)}) must be equally many"
        )
    if not any(truth):
        raise ValueError("truth must hold at least one link")
    found = right = 0
    for ours, wanted in zip(links, truth, strict=True):
        linked = {target for _, target in wanted}
        ours = {link for link in ours if link[1] in linked}
        found += len(ours)
        right += len(ours & set(wanted))
    return 1 - 2 * right / (found + sum(map(len, truth)))

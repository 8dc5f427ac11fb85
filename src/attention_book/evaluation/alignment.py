"""How well attention links the words that translate each other."""

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
        weights: weights of each target position over the source under teacher
            forcing. Among equal largest weights the first wins.
        target_lengths: number of words of each target. The rows after them (``<eos>``,
            padding) are left out. A source position that is not a word, such as
            ``<eos>``, can win too: that is a wrong link, not a missing one.

    Returns:
        The links of each sentence pair.

    Raises:
        ValueError: if ``target_lengths`` does not have one entry per sentence, if one
            of them exceeds the number of rows, or if a weight is NaN.

    Example:
        >>> import torch
        >>> weights = torch.tensor([[[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]]])
        >>> [sorted(links) for links in argmax_links(weights, [2])]
        [[(0, 1), (1, 0)]]
    """
    batch, targets, _ = weights.shape
    fits = all(0 <= length <= targets for length in target_lengths)
    if len(target_lengths) != batch or not fits:
        raise ValueError(
            f"target_lengths must be {batch} numbers from 0 to {targets} to fit "
            f"weights {tuple(weights.shape)}, got {list(target_lengths)}"
        )
    if weights.isnan().any():
        raise ValueError("weights must be numbers, got NaN")
    winners = weights.argmax(dim=-1).tolist()
    return [
        frozenset((source, target) for target, source in enumerate(row[:length]))
        for row, length in zip(winners, target_lengths, strict=True)
    ]


def alignment_error_rate(
    links: Sequence[Collection[Link]],
    truth: Sequence[Collection[Link]],
    *,
    linked_targets_only: bool = True,
) -> float:
    r"""Share of links that are wrong or missing, over all sentences together.

    .. math:: \mathrm{AER} = 1 - \frac{2 |A \cap S|}{|A| + |S|}

    with the predicted links :math:`A` and the true ones :math:`S`, all of them sure.

    Attention links every target word to something, even one that has no partner
    ("und" in "ein|und|zwanzig"). By default this is *not* the usual AER: links of such
    target words are left out of :math:`A`, so that what a model looks at there is
    neither right nor wrong, and the rate is at most the usual one.

    Args:
        links: predicted links (source position, target position), one set per sentence.
        truth: the true links, in the same order.
        linked_targets_only: whether to judge only target words that have a true link.
            False: the usual AER, where every other link counts as wrong.

    Returns:
        From 0 (the truth) to 1 (no link is right).

    Raises:
        ValueError: if the numbers of sentences differ, or ``truth`` has no link.

    Source: Och and Ney (2003), doi:10.1162/089120103321337421, with :math:`P = S`. They
        count all links, as ``linked_targets_only=False`` does.

    Example:
        >>> truth = [{(0, 2), (1, 0)}]  # target word 1 has no partner
        >>> links = [{(0, 2), (1, 1), (0, 0)}]
        >>> alignment_error_rate(links, truth)
        0.5
        >>> round(alignment_error_rate(links, truth, linked_targets_only=False), 2)
        0.6
    """
    if len(links) != len(truth):
        raise ValueError(
            f"links ({len(links)}) and truth ({len(truth)}) must be equally many"
        )
    if not any(truth):
        raise ValueError("truth must hold at least one link")
    found = right = 0
    for ours, wanted in zip(links, truth, strict=True):
        ours = set(ours)
        if linked_targets_only:
            linked = {target for _, target in wanted}
            ours = {link for link in ours if link[1] in linked}
        found += len(ours)
        right += len(ours & set(wanted))
    return 1 - 2 * right / (found + sum(len(set(wanted)) for wanted in truth))

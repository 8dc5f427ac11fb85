"""Attention over attention, and pointing at words (Cui et al., 2017)."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.functional import Mask, check_mask, check_pair, masked_softmax

MERGES = ("learned", "mean")


class AttentionOverAttentionOutput(NamedTuple):
    r"""The result of :class:`AttentionOverAttention`.

    Attributes:
        context: the keys, averaged with ``weights``.
        weights: :math:`s`, one distribution over the keys for all queries together.
        key_weights: :math:`\alpha`, a distribution over the keys for each query.
        query_weights: :math:`\beta`, one distribution over the queries.
    """

    context: Float[Tensor, "batch 1 dim"]
    weights: Float[Tensor, "batch 1 keys"]
    key_weights: Float[Tensor, "batch queries keys"]
    query_weights: Float[Tensor, "batch queries"]


class AttentionOverAttention(nn.Module):
    r"""Attend to the keys from each query, and to the queries from each key.

    .. math::
        M(i, j) &= h_{doc}(i)^\top h_{query}(j) \\
        \alpha(j) &= \mathrm{softmax}(M(1, j), \ldots, M(|D|, j)), \qquad
        \beta(i) = \mathrm{softmax}(M(i, 1), \ldots, M(i, |Q|)) \\
        \beta &= \frac{1}{|D|} \sum_{i=1}^{|D|} \beta(i), \qquad
        s = \sum_{j=1}^{|Q|} \beta_j \, \alpha(j)

    with the words of the question as ``query`` and those of the document as ``key``.
    The attention over keys, :math:`\alpha(j)`, has one distribution for each query. The
    second attention decides how much each of them counts. Nothing is learned here, and
    nothing is normalised again: a mixture of distributions is a distribution.

    Padding counts neither in a softmax nor in the mean over the keys, which runs over
    the keys that some query may attend to. With one query :math:`\beta` is 1, and
    :math:`s` is the attention of the attention-sum reader.

    Args:
        merge: "learned": as above; "mean": :math:`\beta_j = 1 / |Q|`, so that all
            queries count alike.

    Raises:
        ValueError: if ``merge`` is unknown; from a call, if the shapes do not fit each
            other.

    Memory: queries x keys numbers per row, three times.
    Source: arXiv:1607.04423, section 3. "mean" is a control of ours: the average of the
        attention of all words, of which the earlier consensus reader
        (arXiv:1607.02250) has variants.

    Example:
        >>> layer, key = AttentionOverAttention(), torch.tensor([[[1.0], [0.0]]])
        >>> layer(torch.zeros(1, 3, 1), key).query_weights
        tensor([[0.3333, 0.3333, 0.3333]])
    """

    def __init__(self, merge: str = "learned") -> None:
        super().__init__()
        if merge not in MERGES:
            raise ValueError(f"merge must be one of {', '.join(MERGES)}, got {merge!r}")
        self.merge = merge

    def forward(
        self,
        query: Float[Tensor, "batch queries dim"],
        key: Float[Tensor, "batch keys dim"],
        mask: Mask | None = None,
    ) -> AttentionOverAttentionOutput:
        """Return ``(context, weights, key_weights, query_weights)``.

        Args:
            query: vectors of the question's words.
            key: vectors of the document's words.
            mask: True where a query may attend to a key, and the key to the query:
                for padding on both sides the masks of both, combined by ``&``. A key
                that no query may attend to counts as padding, and a query without keys
                too. None: everywhere.
        """
        check_pair(query, key)
        scores = query @ key.mT  # M, transposed: one row per query
        if mask is None:
            mask = torch.ones_like(scores[:, :1, :1], dtype=torch.bool)
        check_mask(mask, scores.shape)
        mask = mask.expand_as(scores)
        key_weights = masked_softmax(scores, mask)  # alpha(j)
        if self.merge == "learned":
            by_key = masked_softmax(scores.mT, mask.mT)  # beta(i)
            query_weights = masked_mean(by_key, mask.any(dim=1))
        else:
            real = mask.any(dim=2).to(scores.dtype)
            query_weights = real / real.sum(dim=1, keepdim=True).clamp_min(1)
        weights = query_weights[:, None] @ key_weights  # s
        return AttentionOverAttentionOutput(
            weights @ key, weights, key_weights, query_weights
        )


def masked_mean(
    rows: Float[Tensor, "batch keys queries"], real: Bool[Tensor, "batch keys"]
) -> Float[Tensor, "batch queries"]:
    r"""Average the rows that are real: :math:`\frac{1}{|D|} \sum_i \beta(i)`.

    Args:
        rows: :math:`\beta(i)`, one row for each key.
        real: False at padding, whose rows do not count; not even in :math:`|D|`.

    Returns:
        The mean; zeros where no row is real.

    Example:
        >>> rows = torch.tensor([[[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]]])
        >>> masked_mean(rows, torch.tensor([[True, True, False]]))
        tensor([[0.7500, 0.2500]])
    """
    total = (rows * real[..., None]).sum(dim=1)
    return total / real.sum(dim=1, keepdim=True).clamp_min(1)


def pointer_sum(
    weights: Float[Tensor, "batch keys"],
    occurrences: Bool[Tensor, "batch candidates keys"],
) -> Float[Tensor, "batch candidates"]:
    r"""Give each candidate the weights of all positions at which it occurs.

    .. math:: P(w \mid D, Q) = \sum_{i \in I(w, D)} s_i

    Args:
        weights: :math:`s`, over the positions of the document.
        occurrences: :math:`I(w, D)`: True where the candidate occurs.

    Returns:
        :math:`P`, from 0 to 1; 0 for a candidate that does not occur. It sums to 1 over
        all words of the document, and to less over some of them.

    Source: arXiv:1603.01547, section 4; arXiv:1607.04423, section 3.

    Example:
        >>> where = torch.tensor([[[True, False, True], [False, True, False]]])
        >>> pointer_sum(torch.tensor([[0.3, 0.4, 0.3]]), where)
        tensor([[0.6000, 0.4000]])
    """
    return (weights[:, None] @ occurrences.mT.to(weights.dtype))[:, 0]

"""Four ways to score keys against a query (Luong, Pham and Manning, 2015).

Each has ``project``, for the part that can be computed once per sentence, and
``forward``, for the scores. Three compare a query with a key; "location" does not use
the keys.
"""

from jaxtyping import Float
from torch import Tensor, nn

from attention_book.functional import additive_scores, check_counts


class DotScore(nn.Module):
    r"""Score by a dot product, without parameters.

    .. math:: \mathrm{score}(h_t, \bar h_s) = h_t^\top \bar h_s

    Args:
        query_dim: size of a query :math:`h_t`.
        key_dim: size of a key :math:`\bar h_s`.

    Raises:
        ValueError: if the two sizes differ.

    Source: arXiv:1508.04025, section 3.1.

    Example:
        >>> import torch
        >>> DotScore(2, 2)(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
        tensor([[11.]])
    """

    def __init__(self, query_dim: int, key_dim: int) -> None:
        super().__init__()
        if query_dim != key_dim:
            raise ValueError(
                f"the score dot needs queries and keys of one size, got query_dim "
                f"{query_dim} and key_dim {key_dim}"
            )

    def project(
        self, key: Float[Tensor, "batch keys key_dim"]
    ) -> Float[Tensor, "batch keys hidden_dim"] | None:
        """Return None: the keys are scored without a projection."""
        return None

    def forward(
        self,
        query: Float[Tensor, "*axes queries query_dim"],
        key: Float[Tensor, "*axes keys query_dim"],
    ) -> Float[Tensor, "*axes queries keys"]:
        """Return the score of each key for each query."""
        return query @ key.mT


class GeneralScore(nn.Module):
    r"""Score by a dot product after a learned linear map.

    .. math:: \mathrm{score}(h_t, \bar h_s) = h_t^\top W_a \bar h_s

    The query is mapped and not the keys: :math:`(W_a^\top h_t)^\top \bar h_s` costs the
    same for sentences of any length, and nothing has to be stored.

    Args:
        query_dim: size of a query :math:`h_t`.
        key_dim: size of a key :math:`\bar h_s`.

    Source: arXiv:1508.04025, section 3.1.

    Example:
        >>> import torch
        >>> GeneralScore(2, 3)(torch.zeros(5, 2), torch.zeros(7, 3)).shape
        torch.Size([5, 7])
    """

    def __init__(self, query_dim: int, key_dim: int) -> None:
        super().__init__()
        self.query_proj = nn.Linear(query_dim, key_dim, bias=False)  # W_a^T

    def project(
        self, key: Float[Tensor, "batch keys key_dim"]
    ) -> Float[Tensor, "batch keys hidden_dim"] | None:
        """Return None: the keys are scored without a projection."""
        return None

    def forward(
        self,
        query: Float[Tensor, "*axes queries query_dim"],
        key: Float[Tensor, "*axes keys key_dim"],
    ) -> Float[Tensor, "*axes queries keys"]:
        """Return the score of each key for each query."""
        return self.query_proj(query) @ key.mT


class ConcatScore(nn.Module):
    r"""Score by a network with one hidden layer, as large as the query.

    .. math::
        \mathrm{score}(h_t, \bar h_s) = v_a^\top \tanh(W_a [h_t ; \bar h_s])
            = v_a^\top \tanh(W_1 h_t + W_2 \bar h_s)

    with :math:`W_a = [W_1, W_2]`, the score of
    :class:`attention_book.attention.bahdanau.AdditiveAttention`. :math:`W_2 \bar h_s`
    is the same for all queries.

    Args:
        query_dim: size of a query :math:`h_t`, and of the hidden layer.
        key_dim: size of a key :math:`\bar h_s`.

    Memory: the hidden layer holds queries x keys x query_dim numbers per sentence.
    Source: arXiv:1508.04025, section 3.1; some versions omit :math:`v_a` and the tanh.
        The authors fixed :math:`W_2` to the identity (footnote to table 4); here it is
        learned.

    Example:
        >>> import torch
        >>> score, key = ConcatScore(2, 3), torch.zeros(1, 7, 3)
        >>> score(torch.zeros(1, 5, 2), score.project(key)).shape
        torch.Size([1, 5, 7])
    """

    def __init__(self, query_dim: int, key_dim: int) -> None:
        super().__init__()
        self.query_proj = nn.Linear(query_dim, query_dim, bias=False)  # W_1
        self.key_proj = nn.Linear(key_dim, query_dim, bias=False)  # W_2
        self.score_proj = nn.Linear(query_dim, 1, bias=False)  # v_a

    def project(
        self, key: Float[Tensor, "batch keys key_dim"]
    ) -> Float[Tensor, "batch keys hidden_dim"]:
        r"""Return :math:`W_2 \bar h_s` of all keys, the input of ``forward``."""
        return self.key_proj(key)

    def forward(
        self,
        query: Float[Tensor, "*axes queries query_dim"],
        key: Float[Tensor, "*axes keys hidden_dim"],
    ) -> Float[Tensor, "*axes queries keys"]:
        """Return the score of each projected key for each query."""
        return additive_scores(self.query_proj(query), key, self.score_proj.weight)


class LocationScore(nn.Module):
    r"""Score positions from the query alone, with one row of :math:`W_a` for each.

    .. math:: a_t = \mathrm{softmax}(W_a h_t)

    A shorter sentence uses the first rows; a longer one has no scores beyond the last.

    Args:
        query_dim: size of a query :math:`h_t`.
        max_keys: number of rows of :math:`W_a`, in tokens.

    Raises:
        ValueError: if ``max_keys`` is less than 1.

    Source: arXiv:1508.04025, section 3.1.

    Example:
        >>> import torch
        >>> LocationScore(2, max_keys=4)(torch.zeros(5, 2), torch.zeros(7, 3)).shape
        torch.Size([5, 4])
    """

    def __init__(self, query_dim: int, max_keys: int) -> None:
        super().__init__()
        check_counts(max_keys=max_keys)
        self.query_proj = nn.Linear(query_dim, max_keys, bias=False)  # W_a

    def project(
        self, key: Float[Tensor, "batch keys key_dim"]
    ) -> Float[Tensor, "batch keys hidden_dim"] | None:
        """Return None: the keys are not used."""
        return None

    def forward(
        self,
        query: Float[Tensor, "*axes queries query_dim"],
        key: Float[Tensor, "*axes keys key_dim"],
    ) -> Float[Tensor, "*axes queries scored_keys"]:
        """Return the scores of the first keys, at most ``max_keys``."""
        return self.query_proj(query)[..., : key.shape[-2]]


ContentScore = DotScore | GeneralScore | ConcatScore
"""A score that depends on the key."""

Score = ContentScore | LocationScore
"""Any of the four scores."""

CONTENT_SCORES: dict[str, type[ContentScore]] = {
    "dot": DotScore,
    "general": GeneralScore,
    "concat": ConcatScore,
}
"""The scores that depend on the key, by their names in the paper."""


def compared_keys(
    score: Score,
    query: Float[Tensor, "batch queries query_dim"],
    key: Float[Tensor, "batch keys key_dim"],
    value: Float[Tensor, "batch keys value_dim"],
    projected_key: Float[Tensor, "batch keys hidden_dim"] | None,
) -> Float[Tensor, "batch keys hidden_dim"]:
    """Return the keys as a score takes them, projected or not, after checks.

    Args:
        score: one of the four scores.
        query: vectors that attend.
        key: vectors that are scored against each query.
        value: vectors that are averaged.
        projected_key: ``score.project(key)``; None: computed here.

    Raises:
        ValueError: if the inputs differ in their batch (a single row would broadcast
            silently) or in their number of keys.
    """
    if len(query) != len(key) or value.shape[:2] != key.shape[:2]:
        raise ValueError(
            f"value must have shape {(len(query), key.shape[1], 'value_dim')} to fit "
            f"query {tuple(query.shape)} and key {tuple(key.shape)}, got "
            f"{tuple(value.shape)}"
        )
    if projected_key is None:
        projected_key = score.project(key)
    if projected_key is None:
        return key
    if projected_key.shape[:2] != key.shape[:2]:
        raise ValueError(
            f"projected_key must have {tuple(key.shape[:2])} rows and keys to fit "
            f"key {tuple(key.shape)}, got {tuple(projected_key.shape)}"
        )
    return projected_key

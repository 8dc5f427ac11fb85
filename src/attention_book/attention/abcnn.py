"""Attention before and after a convolution (Yin, Schütze, Xiang and Zhou, 2016)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.functional import Mask, check_mask, check_pair, masked_softmax


def match_scores(
    query: Float[Tensor, "batch queries dim"],
    key: Float[Tensor, "batch keys dim"],
    mask: Mask | None = None,
) -> Float[Tensor, "batch queries keys"]:
    r"""Score each column of one sentence against each column of the other.

    .. math:: A_{ij} = \frac{1}{1 + \lVert x_i - y_j \rVert_2}

    The score is 1 for equal columns and falls towards 0 with their distance. At equal
    columns the gradient of the distance is taken to be 0: the square root has no
    derivative there, and computing one would give NaN.

    Args:
        query: columns :math:`x`, one for each word or each position of a convolution.
        key: columns :math:`y` of the other sentence.
        mask: True where both columns are real; None: everywhere. Other pairs get 0.

    Raises:
        TypeError: from :func:`check_mask`.
        ValueError: from :func:`check_mask` and :func:`check_pair`.

    Example:
        >>> key = torch.tensor([[[0.0, 0.0], [3.0, 4.0]]])
        >>> match_scores(key[:, :1], key)
        tensor([[[1.0000, 0.1667]]])
    """
    check_pair(query, key)
    scores = (1 / (1 + _distances(query, key))).to(query.dtype)
    if mask is None:
        return scores
    check_mask(mask, scores.shape)
    return scores.masked_fill(~mask, 0.0)


def _distances(query: Tensor, key: Tensor) -> Tensor:
    """The length of the difference of each query and each key."""
    # Not by a product of matrices, which loses all digits of a small distance, and not
    # in half precision, for which there is no such operation.
    wide = torch.promote_types(query.dtype, torch.float32)
    return torch.cdist(
        query.to(wide), key.to(wide), compute_mode="donot_use_mm_for_euclid_dist"
    )


def window_sum(
    columns: Float[Tensor, "batch positions dim"], width: int
) -> Float[Tensor, "batch tokens dim"]:
    """Sum every ``width`` neighbouring columns, which gives one column per token.

    Args:
        columns: outputs of a wide convolution, tokens + width - 1 of them. Fewer than
            ``width`` give no column at all.
        width: width of the convolution.

    Example:
        >>> window_sum(torch.tensor([[[1.0], [10.0], [100.0]]]), 2)
        tensor([[[ 11.],
                 [110.]]])
    """
    if columns.shape[1] < width or not len(columns):  # avg_pool1d takes neither
        return columns[:, : max(0, columns.shape[1] - width + 1)]
    means = F.avg_pool1d(columns.transpose(1, 2), width, stride=1)
    return means.transpose(1, 2) * width


class AttentionMaps(nn.Module):
    r"""Attention before a convolution: a second feature map per sentence (ABCNN-1).

    .. math:: F_{0,a} = W_0 A^\top, \qquad F_{1,a} = W_1 A

    with :math:`A` from :func:`match_scores`. For word :math:`i` of sentence 0 this is
    :math:`\sum_j A_{ij} W_0[:, j]`, a weighted sum whose values are learned, one for
    each *position* of the other sentence. The weights are the match scores themselves
    and do not sum to 1.

    Each :math:`W` has one column for each position, so no sentence may be longer than
    ``max_tokens``. A shorter one uses the first columns, however long its padding is.

    Two options change one thing each, to see what it is worth. With ``values="words"``
    the columns of the other sentence take the place of the learned ones: there are no
    parameters, and no greatest length. With ``softmax=True`` the weights of each column
    over the other sentence are a softmax of the negative distances, so they compete.
    Both together are the attention of translators, each word asking the other sentence.

    Args:
        dim: size of a column.
        max_tokens: :math:`s`, length of the longest sentence in tokens.
        shared: whether :math:`W_0` and :math:`W_1` are one matrix, as in the authors'
            implementation; the paper has two.
        values: "positions", the paper's learned columns, or "words".
        softmax: whether the weights are normalised; the paper's are not.

    Raises:
        ValueError: if ``values`` is something else.

    Source: arXiv:1512.05193, section 4.1.

    Example:
        >>> layer = AttentionMaps(3, max_tokens=7)
        >>> query, key = torch.randn(2, 4, 3), torch.randn(2, 5, 3)
        >>> maps, weights = layer(query, key)
        >>> maps[0].shape, maps[1].shape, weights.shape
        (torch.Size([2, 4, 3]), torch.Size([2, 5, 3]), torch.Size([2, 4, 5]))
    """

    def __init__(
        self,
        dim: int,
        max_tokens: int,
        *,
        shared: bool = False,
        values: str = "positions",
        softmax: bool = False,
    ) -> None:
        super().__init__()
        if values not in ("positions", "words"):
            raise ValueError(f'values must be "positions" or "words", got {values!r}')
        self.values, self.softmax = values, softmax
        if values == "words":
            return
        self.query_map = nn.Parameter(torch.empty(max_tokens, dim))  # W_0, transposed
        nn.init.xavier_uniform_(self.query_map)
        if shared:
            self.key_map = self.query_map
        else:
            self.key_map = nn.Parameter(torch.empty(max_tokens, dim))  # W_1, transposed
            nn.init.xavier_uniform_(self.key_map)

    def forward(
        self,
        query: Float[Tensor, "batch queries dim"],
        key: Float[Tensor, "batch keys dim"],
        mask: Mask | None = None,
    ) -> tuple[
        tuple[Float[Tensor, "batch queries dim"], Float[Tensor, "batch keys dim"]],
        Float[Tensor, "batch queries keys"],
    ]:
        """Return ``(maps, weights)``: both sentences' feature maps, and :math:`A`.

        With a softmax ``weights`` are those of the query side, whose rows sum to 1.

        Args:
            query: columns of sentence 0.
            key: columns of sentence 1.
            mask: True where both columns are real; None: everywhere. The map is 0 at
                padding.

        Raises:
            ValueError: if a sentence is longer than ``max_tokens``, or query, key and
                mask do not fit each other.
        """
        weights = match_scores(query, key, mask)
        back = weights.transpose(1, 2)  # the same scores, seen from the other side
        if self.softmax:
            nearness = -_distances(query, key).to(query.dtype)
            weights = masked_softmax(nearness, mask)
            other = None if mask is None else mask.transpose(1, 2)
            back = masked_softmax(nearness.transpose(1, 2), other)
        if self.values == "words":
            return (weights @ key, back @ query), weights
        max_tokens = len(self.query_map)
        if max(query.shape[1], key.shape[1]) > max_tokens:
            raise ValueError(
                f"sentences must have at most max_tokens ({max_tokens}) tokens, got "
                f"{query.shape[1]} and {key.shape[1]}"
            )
        query_map = weights @ self.query_map[: key.shape[1]]
        key_map = back @ self.key_map[: query.shape[1]]
        return (query_map, key_map), weights


class AttentionPooling(nn.Module):
    r"""Attention after a convolution: columns weighted before pooling (ABCNN-2).

    .. math::
        a_{0,j} = \sum_k A[j, k], \qquad a_{1,j} = \sum_k A[k, j], \qquad
        F^p_i[:, j] = \sum_{k=j}^{j+w-1} a_{i,k} F^c_i[:, k]

    with :math:`A` from :func:`match_scores` of the output columns :math:`F^c` of the
    convolution. This is a weighted sum, divided neither by :math:`w` nor by the sum of
    the weights. There are no parameters.

    Args:
        width: :math:`w`, width of the convolution and of the pooling.

    Source: arXiv:1512.05193, section 4.2.

    Example:
        >>> query, key = torch.randn(2, 4, 3), torch.randn(2, 5, 3)
        >>> (pooled, _), weights = AttentionPooling(2)(query, key)
        >>> pooled[0].shape, pooled[1].shape, weights.shape
        (torch.Size([2, 3, 3]), torch.Size([2, 4, 3]), torch.Size([2, 4, 5]))
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(
        self,
        query: Float[Tensor, "batch queries dim"],
        key: Float[Tensor, "batch keys dim"],
        mask: Mask | None = None,
    ) -> tuple[
        tuple[
            tuple[
                Float[Tensor, "batch query_tokens dim"],
                Float[Tensor, "batch key_tokens dim"],
            ],
            tuple[Float[Tensor, "batch queries dim"], Float[Tensor, "batch keys dim"]],
        ],
        Float[Tensor, "batch queries keys"],
    ]:
        """Return ``((pooled, weighted), weights)``.

        Args:
            query: output columns of the convolution for sentence 0.
            key: output columns for sentence 1.
            mask: True where both columns are real; None: everywhere. Other pairs have
                weight 0.

        Returns:
            ``pooled``, the sums over windows for both sentences; ``weighted``, the
            columns times their weights, whose sum or mean is the all-ap of this layer;
            ``weights``, the matrix :math:`A`.

        Raises:
            ValueError: if query, key and mask do not fit each other.
        """
        weights = match_scores(query, key, mask)
        weighted = (
            query * weights.sum(dim=2)[..., None],
            key * weights.sum(dim=1)[..., None],
        )
        first, second = (window_sum(columns, self.width) for columns in weighted)
        return ((first, second), weighted), weights

"""What attention heads look at: scores of their weights, each with its formula."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attention_book.functional import Mask, check_mask

Weights = Float[Tensor, "batch heads queries keys"]
"""Weights of all heads of one layer, as a layer returns them; rows sum to 1."""


def share_of_weight(
    weights: Weights, chosen: Mask, real: Bool[Tensor, "batch queries"]
) -> Float[Tensor, " heads"]:
    r"""Share of its weight that each head puts on chosen keys.

    .. math:: s_h = \frac{\sum_{b,i} r_{bi} \sum_j S_{bij} \alpha_{bhij}}
        {\sum_{b,i} r_{bi}}

    with ``weights`` :math:`\alpha`, ``chosen`` :math:`S` and ``real`` :math:`r` (1 for
    True). Each query may have its own chosen keys, for instance the word before it.

    Args:
        weights: weights of all heads, padded queries and keys included.
        chosen: True at the chosen keys, (batch, queries, keys) with axes of full size
            or 1.
        real: True at the queries over which the mean runs: real tokens, or only those
            real tokens that have a chosen key.

    Returns:
        A share from 0 to 1 for each head.

    Raises:
        ValueError: if the shapes do not match, or no query is real.
        TypeError: if ``chosen`` is not boolean.

    Source: as in Clark et al., arXiv:1906.04341, section 3, who average the weight that
        BERT's heads put on the previous token, the next token and the separators.

    Example:
        >>> weights = torch.tensor([[[[0.8, 0.2], [0.4, 0.6]]]])
        >>> real = torch.tensor([[True, True]])
        >>> share_of_weight(weights, torch.tensor([[[True, False]]]), real)
        tensor([0.6000])
    """
    _check(weights, real)
    batch, _, queries, keys = weights.shape
    check_mask(chosen, (batch, queries, keys))
    return _mean((weights * chosen[:, None]).sum(dim=-1), real)


def mean_entropy(
    weights: Weights, real: Bool[Tensor, "batch queries"]
) -> Float[Tensor, " heads"]:
    r"""Mean entropy of the rows of each head, in nats: how spread out they are.

    .. math:: H_h = \frac{\sum_{b,i} r_{bi}
        \bigl(- \sum_j \alpha_{bhij} \ln \alpha_{bhij}\bigr)}{\sum_{b,i} r_{bi}}

    with :math:`0 \ln 0 = 0`, so that blocked keys do not count. It is 0 if every row
    looks at a single key, and :math:`\ln n` if every row looks at :math:`n` keys
    equally.

    Args:
        weights: :math:`\alpha`.
        real: :math:`r`, True at the queries over which the mean runs.

    Raises:
        ValueError: if the shapes do not fit each other, or no query is real.

    Example:
        >>> weights = torch.tensor([[[[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]]])
        >>> mean_entropy(weights, torch.tensor([[True, True]]))  # half of ln 2
        tensor([0.3466])
    """
    _check(weights, real)
    return _mean(torch.special.entr(weights).sum(dim=-1), real)


def mean_distance(
    weights: Weights, real: Bool[Tensor, "batch queries"]
) -> Float[Tensor, " heads"]:
    r"""Mean distance from the query to the keys, in tokens; self-attention only.

    .. math:: D_h = \frac{\sum_{b,i} r_{bi} \sum_j \alpha_{bhij} |i - j|}
        {\sum_{b,i} r_{bi}}

    Args:
        weights: :math:`\alpha`, of the tokens of one sequence over themselves.
        real: :math:`r`, True at the queries over which the mean runs.

    Raises:
        ValueError: if the shapes do not fit each other, no query is real, or there are
            not as many keys as queries.

    Example:
        >>> weights = torch.tensor([[[[0.5, 0.5], [1.0, 0.0]]]])
        >>> mean_distance(weights, torch.tensor([[True, True]]))
        tensor([0.7500])
    """
    _check(weights, real)
    queries, keys = weights.shape[-2:]
    if queries != keys:
        raise ValueError(
            f"distances need queries and keys of one sequence, got {queries} queries "
            f"and {keys} keys"
        )
    at = torch.arange(keys, device=weights.device)
    return _mean((weights * (at[:, None] - at).abs()).sum(dim=-1), real)


def keys_at(
    offset: int, num_queries: int, num_keys: int
) -> Bool[Tensor, "1 queries keys"]:
    r"""Choose for each query the key at an offset from it.

    .. math:: S_{ij} = 1 \iff j = i + o

    Args:
        offset: :math:`o`; 1 is the next token, 0 the token itself, -1 the previous one.
        num_queries: number of queries, at positions from 0.
        num_keys: number of keys, at positions from 0.

    Raises:
        ValueError: if a number of queries or keys is negative.

    Example:
        >>> keys_at(-1, 3, 3)
        tensor([[[False, False, False],
                 [ True, False, False],
                 [False,  True, False]]])
    """
    if num_queries < 0 or num_keys < 0:
        raise ValueError(
            "num_queries and num_keys must not be negative, got "
            f"{num_queries} and {num_keys}"
        )
    return (torch.arange(num_keys) == torch.arange(num_queries)[:, None] + offset)[None]


def last_marked(marked: Bool[Tensor, "batch tokens"]) -> Bool[Tensor, "batch _ tokens"]:
    r"""Choose for each token the last marked token up to and including itself.

    .. math:: S_{ij} = 1 \iff j = \max \{k \le i : m_k = 1\}

    A token before the first marked one gets none.

    Args:
        marked: :math:`m`, True at tokens of one kind.

    Raises:
        ValueError: if ``marked`` does not have two axes.

    Example:
        >>> last_marked(torch.tensor([[False, True, False]]))
        tensor([[[False, False, False],
                 [False,  True, False],
                 [False,  True, False]]])
    """
    if marked.ndim != 2:
        raise ValueError(
            f"marked must have shape (batch, tokens), got {tuple(marked.shape)}"
        )
    at = torch.arange(marked.shape[1], device=marked.device)
    last = torch.where(marked, at, -1).cummax(dim=1).values
    return last[:, :, None] == at


def _mean(scores: Tensor, real: Tensor) -> Tensor:
    """Mean of (batch, heads, queries) over the real queries, for each head."""
    kept = scores.masked_fill(~real[:, None], 0.0)
    return kept.sum(dim=(0, 2)) / real.sum()


def _check(weights: Tensor, real: Tensor) -> None:
    if weights.ndim != 4:
        raise ValueError(
            "weights must have shape (batch, heads, queries, keys), got "
            f"{tuple(weights.shape)}"
        )
    batch, _, queries, _ = weights.shape
    if real.shape != (batch, queries):
        raise ValueError(
            f"real must have shape ({batch}, {queries}) to fit weights "
            f"{tuple(weights.shape)}, got {tuple(real.shape)}"
        )
    if not real.any():
        raise ValueError("real must hold at least one query")

"""Attention over the input words of two sentences (He, Wieting et al., 2016)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.functional import Mask, check_mask, cosine_scores, masked_softmax


def cosine_matrix(
    query: Float[Tensor, "batch queries dim"],
    key: Float[Tensor, "batch keys dim"],
    mask: Mask | None = None,
) -> Float[Tensor, "batch queries keys"]:
    r"""Compare each word of one sentence with each word of the other.

    .. math:: D[a][b] = \cos(t^0_a, t^1_b)

    Args:
        query: word vectors :math:`t^0` of one sentence. A zero vector, which an unknown
            word may have, has cosine 0 with every vector.
        key: word vectors :math:`t^1` of the other.
        mask: True where two words may be compared; None: everywhere. Other pairs get 0.

    Raises:
        TypeError: from :func:`check_mask`.
        ValueError: from :func:`check_mask` and :func:`check_pair`.

    Example:
        >>> key = torch.tensor([[[3.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]])
        >>> cosine_matrix(key[:, :1], key)
        tensor([[[ 1.,  0., -1.]]])
    """
    cosines = cosine_scores(query, key)
    if mask is None:
        return cosines
    check_mask(mask, cosines.shape)
    return cosines.masked_fill(~mask, 0.0)


class InputAttention(nn.Module):
    r"""Weight the words of a sentence by their similarity to the other sentence.

    .. math::
        E_1[b] = \sum_a D[a][b], \qquad A_1 = \mathrm{softmax}(E_1), \qquad
        \mathrm{attenEmb}_1[b] = [t^1_b ; A_1[b]\, t^1_b]

    The other sentence attends as a whole: its words :math:`t^0` are ``query``, the
    words :math:`t^1` to be weighted are ``key``, and :math:`D` is
    :func:`cosine_matrix`. With the two exchanged the same call gives :math:`A_0` and
    :math:`\mathrm{attenEmb}_0`.

    There are no parameters, and nothing is averaged: each word keeps its position and
    its vector, followed by the same vector times its weight. The cosines are summed
    before the softmax, so a word is scored against the sum of the other sentence's unit
    vectors:
    :math:`E_1[b] = \frac{t^1_b}{\lVert t^1_b \rVert} \cdot
    \sum_a \frac{t^0_a}{\lVert t^0_a \rVert}`. The word order of the other sentence has
    no influence.

    Source: He, Wieting, Gimpel, Rao and Lin, SemEval-2016, section on the attention
        layer. The treatment of zero vectors and padding is ours.

    Example:
        >>> key = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
        >>> context, weights = InputAttention()(query=key[:, :1], key=key)
        >>> weights
        tensor([[[0.7311, 0.2689]]])
        >>> context
        tensor([[[1.0000, 0.0000, 0.7311, 0.0000],
                 [0.0000, 1.0000, 0.0000, 0.2689]]])
    """

    def forward(
        self,
        query: Float[Tensor, "batch queries dim"],
        key: Float[Tensor, "batch keys dim"],
        mask: Mask | None = None,
    ) -> tuple[Float[Tensor, "batch keys two_dim"], Float[Tensor, "batch 1 keys"]]:
        """Return ``(context, weights)``: the words for the network, and :math:`A_1`.

        Args:
            query: word vectors of the sentence that attends.
            key: word vectors of the sentence whose words are weighted.
            mask: True where both words are real; None: everywhere. A word that is not
                compared with any other has weight 0.

        Raises:
            ValueError: if query, key and mask do not fit each other.
        """
        scores = cosine_matrix(query, key, mask).sum(dim=1, keepdim=True)
        allowed = None if mask is None else mask.any(dim=1, keepdim=True)
        weights = masked_softmax(scores, allowed)
        return torch.cat([key, weights.transpose(1, 2) * key], dim=-1), weights

"""Attention with a learned query (Yang et al., 2016: hierarchical attention)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.functional import Mask, attend, dot_scores


class LearnedQueryAttention(nn.Module):
    r"""Summarise a sequence with a query that is a parameter of the layer.

    .. math::
        u_t = \tanh(W h_t + b), \qquad
        \alpha_t = \frac{\exp(u_t^\top u_w)}{\sum_k \exp(u_k^\top u_w)}, \qquad
        s = \sum_t \alpha_t h_t

    The paper's :math:`h_t`, :math:`\alpha_t` and :math:`s` are ``key``, ``weights`` and
    ``context``. Its "context vector" :math:`u_w` is the query: no state of the model
    provides it, so it is the same for every sequence and it is learned.

    The score is the additive one of :class:`attention_book.attention.AdditiveAttention`
    with a constant in place of the projected query: :math:`b` stands for
    :math:`W_a s_{i-1}` and :math:`u_w` for :math:`v_a`.

    Args:
        key_dim: size of a key.
        hidden_dim: size of :math:`u_t` and of the query.

    Source: Yang et al., NAACL 2016, equations (5) to (10): the same layer weighs words
        and sentences. The paper draws :math:`u_w` at random without saying how; here
        it is normal with variance ``1 / hidden_dim``.

    Example:
        >>> layer = LearnedQueryAttention(key_dim=3, hidden_dim=5)
        >>> context, weights = layer(torch.randn(2, 4, 3))
        >>> context.shape, weights.shape
        (torch.Size([2, 1, 3]), torch.Size([2, 1, 4]))
    """

    def __init__(self, key_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.key_proj = nn.Linear(key_dim, hidden_dim)  # W, b
        self.query = nn.Parameter(torch.randn(1, hidden_dim) / hidden_dim**0.5)  # u_w

    def forward(
        self, key: Float[Tensor, "batch keys key_dim"], mask: Mask | None = None
    ) -> tuple[Float[Tensor, "batch 1 key_dim"], Float[Tensor, "batch 1 keys"]]:
        """Return ``(context, weights)``.

        Args:
            key: vectors that are scored against the query and averaged.
            mask: True where the query may attend, (batch, 1, keys); None: everywhere.
                A sequence without a key gets weights and a context of 0.

        Raises:
            ValueError: if the mask does not fit.
            TypeError: if ``mask`` is not boolean.
        """
        hidden = self.key_proj(key).tanh()
        query = self.query.expand(len(key), 1, -1)  # the same for each sequence
        return attend(dot_scores(query, hidden, scale=1.0), key, mask)

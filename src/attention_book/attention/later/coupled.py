"""Coupled multi-layer attentions: two that inform each other (Wang et al., 2017)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.functional import Mask, attend, check_counts


class CoupledOutput(NamedTuple):
    r"""What two coupled attentions return; the first axis of two counts them.

    Attributes:
        context: :math:`o_T` of each attention, what it read in its last layer.
        weights: :math:`\alpha` of the last layer.
        features: :math:`\sum_t r_i(t)`, for each token what the layers say of it.
    """

    context: Float[Tensor, "batch 2 dim"]
    weights: Float[Tensor, "batch 2 tokens"]
    features: Float[Tensor, "batch 2 tokens feature_dim"]


class CoupledAttention(nn.Module):
    r"""Let two learned queries read a sentence, each told what the other one has read.

    .. math::
        \beta^m_i &= \phi\bigl([\,h_i^\top G^m u^m_t ;\; h_i^\top D^m u^{\bar m}_t\,]
            \bigr) \\
        r^m_i &= \mathrm{GRU}^m(\beta^m_i, r^m_{i-1}), \qquad
        \alpha^m = \mathrm{softmax}_i(v^{m\top} r^m_i) \\
        o^m_t &= \textstyle\sum_i \alpha^m_i h_i, \qquad
        u^m_{t+1} = \tanh(V^m u^m_t) + o^m_t

    for the attentions :math:`m = a, p`, in the paper to aspect terms and to opinion
    terms; :math:`\bar m` is the other one. ``key`` is :math:`h`. The first queries
    :math:`u_1`, the paper's prototypes, are learned. :math:`G` and :math:`D` are
    :math:`K` matrices each. All layers :math:`t` share their weights. In a
    :math:`\mathrm{GRU}` of the authors' code, :math:`z` is the share of the new state,
    the reset gate acts on the old state before its product, and there are no biases.

    Args:
        dim: size of :math:`h_i` and :math:`u`.
        num_slices: :math:`K`.
        num_layers: :math:`T`, how often each attention reads the sentence.
        coupled: whether there is :math:`D`; without it the attentions know nothing of
            each other, and :math:`\beta` is half as long.
        activation: :math:`\phi`.

    Raises:
        ValueError: if a size is less than 1.

    Cost: the GRU reads the tokens one after the other.
    Source: Wang, Pan, Dahlmeier and Xiao, AAAI 2017. Accounts of the paper have
        :math:`\phi = \tanh`, the authors' code has no :math:`\phi`. Initial values are
        ours.

    Example:
        >>> layer = CoupledAttention(4, 3)
        >>> context, weights, features = layer(torch.randn(2, 5, 4))
        >>> context.shape, weights.shape, features.shape
        (torch.Size([2, 2, 4]), torch.Size([2, 2, 5]), torch.Size([2, 2, 5, 6]))
    """

    def __init__(
        self,
        dim: int,
        num_slices: int,
        *,
        num_layers: int = 2,
        coupled: bool = True,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
    ) -> None:
        super().__init__()
        check_counts(dim=dim, num_slices=num_slices, num_layers=num_layers)
        self.num_layers, self.activation = num_layers, activation
        size = num_slices * (2 if coupled else 1)
        self.feature_dim = size
        self.prototypes = nn.Parameter(torch.empty(2, dim))  # u_1
        self.own = nn.Parameter(torch.empty(2, num_slices, dim, dim))  # G
        self.other = (
            nn.Parameter(torch.empty(2, num_slices, dim, dim)) if coupled else None
        )  # D
        self.input_gates = nn.Parameter(torch.empty(2, size, 3 * size))
        self.state_gates = nn.Parameter(torch.empty(2, size, 2 * size))
        self.state_new = nn.Parameter(torch.empty(2, size, size))
        self.first_state = nn.Parameter(torch.empty(2, size))  # r_0
        self.score = nn.Parameter(torch.empty(2, size))  # v
        self.renew = nn.Parameter(torch.empty(2, dim, dim))  # V
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)

    def forward(
        self, key: Float[Tensor, "batch tokens dim"], mask: Mask | None = None
    ) -> CoupledOutput:
        """Return ``(context, weights, features)``.

        Args:
            key: the tokens of a sentence, in order. What stands after a token does not
                change its features within a layer.
            mask: True where the attentions may look, (batch, 1 or 2, tokens); padding
                follows the sentence. None: everywhere.

        Raises:
            ValueError: from :func:`attention_book.functional.attend`.
            TypeError: if ``mask`` is not boolean.
        """
        query = self.prototypes.expand(len(key), -1, -1)
        sums: list[Tensor] = []
        context = torch.zeros_like(query)
        for _ in range(self.num_layers):
            if sums:
                turned = torch.einsum("bmd,med->bme", query, self.renew)
                query = turned.tanh() + context
            features = self.read(self.compare(query, key))
            scores = torch.einsum("bmnf,mf->bmn", features, self.score)
            context, weights = attend(scores, key, mask)
            sums.append(features)
        return CoupledOutput(context, weights, torch.stack(sums).sum(dim=0))

    def compare(
        self,
        query: Float[Tensor, "batch 2 dim"],
        key: Float[Tensor, "batch tokens dim"],
    ) -> Float[Tensor, "batch 2 tokens feature_dim"]:
        r"""Return :math:`\beta`: each token compared with both queries.

        Args:
            query: :math:`u_t` of both attentions.
            key: the tokens.
        """
        sides = [(self.own, query)]
        if self.other is not None:
            sides.append((self.other, query.flip(1)))
        compared = [
            torch.einsum(
                "bnd,bmkd->bmnk", key, torch.einsum("mkde,bme->bmkd", tensor, vector)
            )
            for tensor, vector in sides
        ]
        return self.activation(torch.cat(compared, dim=-1))

    def read(
        self, compared: Float[Tensor, "batch 2 tokens feature_dim"]
    ) -> Float[Tensor, "batch 2 tokens feature_dim"]:
        r"""Return :math:`r`: both GRUs read from the first token to the last.

        Args:
            compared: :math:`\beta`.
        """
        size = self.feature_dim
        inputs = compared @ self.input_gates  # of all tokens at once
        state = self.first_state[:, None].expand(2, len(compared), size)
        states = []
        for token in inputs.permute(2, 1, 0, 3).unbind():  # (2, batch, 3 size)
            gates = token[..., : 2 * size] + state @ self.state_gates
            share, reset = gates.sigmoid().chunk(2, dim=-1)
            new = (token[..., 2 * size :] + (reset * state) @ self.state_new).tanh()
            state = (1 - share) * state + share * new
            states.append(state)
        return torch.stack(states, dim=2).transpose(0, 1)

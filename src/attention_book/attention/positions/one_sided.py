"""Heads that attend to one side only, after DiSAN (Shen et al., 2018)."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.functional import check_counts


class OneSided(nn.Module):
    r"""Let every other head attend to the left only, and the rest to the right.

    .. math::
        b_h(\delta) = \begin{cases}
            -\infty & \text{if head } h \text{ looks left and } \delta > 0 \\
            -\infty & \text{if head } h \text{ looks right and } \delta < 0 \\
            \mathrm{rule}_h(\delta) & \text{otherwise}
        \end{cases}

    with :math:`\delta = j - i`, the distance of a key from its query. Heads 0, 2, ...
    look left and heads 1, 3, ... look right; all of them see the token itself. Use it
    as the rule of a :class:`attention_book.attention.positions.alibi.DistanceBias`.

    Args:
        num_heads: heads of the attention; a single one looks left.
        rule: biases of the keys that a head sees, from distances (queries, keys) to
            (heads, queries, keys), such as
            :class:`attention_book.attention.positions.alibi.ALiBi`; None: 0.

    Raises:
        ValueError: if ``num_heads`` is less than 1, or the rule has another
            ``num_heads``.

    Source: Shen et al., arXiv:1709.04696: forward and backward masks are how DiSAN
        tells order. There each direction is a network of its own and no token attends
        to itself; here they are heads of one layer.

    Example:
        >>> OneSided(2)(torch.tensor([[-1, 0, 1]])).tolist()
        [[[0.0, 0.0, -inf]], [[-inf, 0.0, 0.0]]]
    """

    def __init__(
        self, num_heads: int, rule: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        check_counts(num_heads=num_heads)
        own = getattr(rule, "num_heads", num_heads)
        if own != num_heads:
            raise ValueError(f"the rule is for {own} heads, got {num_heads} heads")
        self.num_heads = num_heads
        self.rule = rule

    def forward(
        self, distance: Int[Tensor, "queries keys"]
    ) -> Float[Tensor, "heads queries keys"]:
        """Return the bias of each head for each distance."""
        if self.rule is None:
            bias = torch.zeros(self.num_heads, *distance.shape, device=distance.device)
        else:
            bias = self.rule(distance)
        heads = torch.arange(self.num_heads, device=distance.device)[:, None, None]
        hidden = torch.where(heads % 2 == 0, distance > 0, distance < 0)
        return bias.masked_fill(hidden, -torch.inf)

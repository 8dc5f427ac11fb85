"""Scale or remove single heads, to measure how much they contribute."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.functional import run_uncompiled


@contextmanager
def mask_heads(
    layer: MultiHeadAttention,
    gates: Float[Tensor, " heads"],
    *,
    means: Float[Tensor, "heads head_dim"] | None = None,
) -> Iterator[None]:
    r"""Multiply the output of each head by a gate, inside a ``with`` block.

    .. math::
        C = \sum_{i=1}^h \bigl(g_i \, \mathrm{head}_i
            + (1 - g_i) \, \mu_i\bigr) \, W_i^O

    with :math:`\mu_i = 0` where no ``means`` are given. A gate of 0 removes its head:
    zero ablation. With ``means`` the head's mean output stands in for it, the same for
    every query: mean ablation. The layer may be deep inside a model, and the weights
    that :func:`attention_book.observe.record_weights` reads do not change. With gates
    of 1 that require gradients, the gradient of a loss with respect to :math:`g_i` is
    the first-order estimate of the effect of removing head :math:`i`. A model that was
    compiled runs uncompiled inside the block.

    Args:
        layer: the layer whose heads are gated; blocks for other layers can be nested.
        gates: :math:`g`, one for each head.
        means: :math:`\mu`, what stands in for each head; None: zeros.

    Raises:
        ValueError: if the number of gates is not the number of heads, or the means do
            not have the shape of the heads' outputs.

    Source: Michel, Levy and Neubig, arXiv:1905.10650 (zeros).

    Example:
        >>> import torch
        >>> layer, x = MultiHeadAttention(4, 2), torch.randn(1, 3, 4)
        >>> with mask_heads(layer, torch.zeros(2)):
        ...     print(layer(x, x, x)[0].abs().max().item())
        0.0
    """
    _check_shapes(layer, gates, means)

    def gate(_module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        (heads,) = args  # concatenated along the last axis
        each = gates.to(heads).repeat_interleave(heads.shape[-1] // len(gates))
        if means is None:
            return (heads * each,)
        return (heads * each + (1 - each) * means.to(heads).flatten(),)

    hook = layer.out_proj.register_forward_pre_hook(gate)
    try:
        with run_uncompiled():
            yield
    finally:
        hook.remove()


def _check_shapes(
    layer: MultiHeadAttention, gates: Tensor, means: Tensor | None
) -> None:
    heads, head_dim = layer.num_heads, layer.embed_dim // layer.num_heads
    if gates.shape != (heads,):
        raise ValueError(
            f"gates must have shape ({heads},), one for each head, got "
            f"{tuple(gates.shape)}"
        )
    if means is not None and means.shape != (heads, head_dim):
        raise ValueError(
            f"means must have shape {(heads, head_dim)}, one row for each head, got "
            f"{tuple(means.shape)}"
        )

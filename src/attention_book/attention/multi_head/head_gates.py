"""Scale or remove single heads, to measure how much they contribute."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.functional import run_uncompiled


@contextmanager
def mask_heads(
    layer: MultiHeadAttention, gates: Float[Tensor, " heads"]
) -> Iterator[None]:
    r"""Multiply the output of each head by a gate, inside a ``with`` block.

    .. math:: C = [g_1 \mathrm{head}_1; \ldots; g_h \mathrm{head}_h]\, W^O

    A gate of 0 removes its head. The layer may be deep inside a model, and the weights
    that :func:`attention_book.observe.record_weights` reads do not change. With gates
    of 1 that require gradients, the gradient of a loss with respect to :math:`g_i` is
    the first-order estimate of the effect of removing head :math:`i`. A model that was
    compiled runs uncompiled inside the block.

    Args:
        layer: the layer whose heads are gated; blocks for other layers can be nested.
        gates: :math:`g`, one for each head.

    Raises:
        ValueError: if the number of gates is not the number of heads.

    Source: Michel, Levy and Neubig, arXiv:1905.10650.

    Example:
        >>> import torch
        >>> layer, x = MultiHeadAttention(4, 2), torch.randn(1, 3, 4)
        >>> with mask_heads(layer, torch.zeros(2)):
        ...     print(layer(x, x, x)[0].abs().max().item())
        0.0
    """
    if gates.shape != (layer.num_heads,):
        raise ValueError(
            f"gates must have shape ({layer.num_heads},), one for each head, got "
            f"{tuple(gates.shape)}"
        )

    def gate(_module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        (heads,) = args  # concatenated along the last axis
        each = gates.to(heads).repeat_interleave(heads.shape[-1] // len(gates))
        return (heads * each,)

    hook = layer.out_proj.register_forward_pre_hook(gate)
    try:
        with run_uncompiled():
            yield
    finally:
        hook.remove()

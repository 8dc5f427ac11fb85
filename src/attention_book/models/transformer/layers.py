"""What the Transformer's layers are made of besides attention."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.models.transformer.norm import make_norm


def nonpad_indices(
    mask: Bool[Tensor, "batch tokens"], num_real: int
) -> Int[Tensor, " real"]:
    """Number the tokens of padded sentences one after the other; pick the real ones.

    Args:
        mask: True at real tokens.
        num_real: how many of them there are. Who padded the sentences knows it, and
            asking the mask would stall a GPU.

    Returns:
        Their places in ``mask.flatten()``, from the first to the last.

    Raises:
        ValueError: on a CPU, if there are more of them or fewer. On a GPU too small a
            number leaves out the last ones, too large a one fails where it is used.

    Example:
        >>> nonpad_indices(torch.tensor([[True, False], [True, True]]), 3)
        tensor([0, 2, 3])
    """
    if mask.device.type == "cpu" and not torch.compiler.is_compiling():
        counted = int(mask.sum())
        if counted != num_real:
            raise ValueError(
                f"the mask has {counted} real tokens, but there should be {num_real}"
            )
    places = mask.flatten().nonzero_static(size=num_real, fill_value=mask.numel())
    return places[:, 0]


class FeedForward(nn.Module):
    r"""The same network of one hidden layer at every position.

    .. math:: \mathrm{FFN}(x) = \max(0, x W_1 + b_1) W_2 + b_2

    No position sees another: two convolutions of width one.

    Args:
        embed_dim: size of a token.
        hidden_dim: size of the hidden layer, :math:`d_{ff}`.

    Source: arXiv:1706.03762, equation (2). Weights start as Glorot's uniform, biases
        at 0.
    """

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.hidden_proj = nn.Linear(embed_dim, hidden_dim)  # W_1
        self.out_proj = nn.Linear(hidden_dim, embed_dim)  # W_2
        for layer in self.hidden_proj, self.out_proj:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        tokens: Float[Tensor, "*axes embed_dim"],
        real: Int[Tensor, " real"] | None = None,
    ) -> Float[Tensor, "*axes embed_dim"]:
        """Return what the network makes of each token.

        Args:
            tokens: of one sentence or of padded ones.
            real: the places of the tokens to be computed, as
                :func:`attention_book.models.transformer.layers.nonpad_indices` counts
                them, the others get zeros; None: all. In this network is most of a
                layer's work, and padding may be half of a batch.
        """
        some = tokens if real is None else tokens.flatten(0, -2).index_select(0, real)
        found = self.out_proj(self.hidden_proj(some).relu())
        if real is None:
            return found
        # Zeros of the type of what was found: under autocast it is not the tokens'.
        whole = found.new_zeros(tokens.flatten(0, -2).shape)
        return whole.index_copy(0, real, found).view_as(tokens)


class AddAndNorm(nn.Module):
    r"""What stands around every sub-layer :math:`f`: dropout, a sum and a norm.

    .. math::
        y &= \mathrm{LayerNorm}(x + \mathrm{Dropout}(f(x)))
            \quad \text{(post-norm, the paper)} \\
        y &= x + \mathrm{Dropout}(f(\mathrm{LayerNorm}(x)))
            \quad \text{(pre-norm)}

    A layer asks :meth:`before` what :math:`f` is to read, and hands :meth:`after` what
    :math:`f` found.

    Args:
        embed_dim: size of a token.
        dropout: probability in training that a number is set to 0.
        norm: "layer", "batch" or "none".
        pre_norm: whether the norm stands before the sub-layer.
        residual: whether :math:`x` is added.

    Raises:
        ValueError: if there is no such norm.

    Source: arXiv:1706.03762, 3.1 and 5.4; pre-norm as in Xiong et al.,
        arXiv:2002.04745.

    Example:
        >>> import torch
        >>> around, x = AddAndNorm(4), torch.ones(1, 2, 4)
        >>> around.before(x) is x, around.after(x, -x).abs().max().item()
        (True, 0.0)
    """

    def __init__(
        self,
        embed_dim: int,
        *,
        dropout: float = 0.0,
        norm: str = "layer",
        pre_norm: bool = False,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.norm = make_norm(norm, embed_dim)
        self.pre_norm, self.residual = pre_norm, residual

    def before(
        self, tokens: Float[Tensor, "batch tokens embed_dim"]
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return what the sub-layer is to read: :math:`x`, or its norm."""
        return self.norm(tokens) if self.pre_norm else tokens

    def after(
        self,
        tokens: Float[Tensor, "batch tokens embed_dim"],
        found: Float[Tensor, "batch tokens embed_dim"],
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return :math:`y` of :math:`x` and what the sub-layer found."""
        total = self.dropout(found)
        if self.residual:
            total = tokens + total
        return total if self.pre_norm else self.norm(total)

"""The parts of a Transformer besides attention: embedding, network, residual, norms."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.models.embedding import TokenEmbedding


class ScaledEmbedding(TokenEmbedding):
    r"""Embed tokens and multiply their vectors by the square root of their size.

    .. math:: x = \sqrt{d}\, E_w

    The rows of :math:`E` may also be those of the output layer, which multiplies them
    with tokens whose :math:`d` components are about 1: small components keep the logits
    small. They start normal with standard deviation :math:`1 / \sqrt{d}`, so the
    components of :math:`x` start at about 1, like the sinusoids that are added to them.

    Args:
        vocab_size: number of tokens.
        embed_dim: :math:`d`.

    Raises:
        ValueError: as :class:`attention_book.models.embedding.TokenEmbedding`.

    Source: arXiv:1706.03762, 3.4, which does not give the initial values.

    Example:
        >>> embedding = ScaledEmbedding(7, 4)
        >>> torch.equal(embedding(torch.tensor(5)), 2 * embedding.weight[5])
        True
    """

    def __init__(self, vocab_size: int, embed_dim: int) -> None:
        super().__init__(vocab_size, embed_dim)
        self.scale = math.sqrt(embed_dim)
        nn.init.normal_(self.weight, std=1 / self.scale)

    def forward(self, ids: Int[Tensor, "*axes"]) -> Float[Tensor, "*axes embed_dim"]:
        """Return the scaled vector of each id."""
        return super().forward(ids) * self.scale


class FeedForward(nn.Module):
    r"""Apply the same network of one hidden layer to every token.

    .. math:: \mathrm{FFN}(x) = f(x W_1 + b_1) W_2 + b_2, \qquad f(z) = \max(0, z)

    Tokens do not influence each other here: the network equals two convolutions of
    width one.

    Args:
        embed_dim: size of a token.
        hidden_dim: size of the hidden layer, :math:`d_{ff}`.
        activation: :math:`f`; the paper's is ReLU, BERT's
            :func:`torch.nn.functional.gelu`.

    Source: arXiv:1706.03762, equation (2). Weights start as Glorot's uniform, biases
        at 0.

    Example:
        >>> network = FeedForward(4, 16, activation=F.gelu)
        >>> network(torch.zeros(2, 3, 4)).shape
        torch.Size([2, 3, 4])
    """

    def __init__(
        self,
        embed_dim: int,
        hidden_dim: int,
        *,
        activation: Callable[[Tensor], Tensor] = F.relu,
    ) -> None:
        super().__init__()
        self.hidden_proj = nn.Linear(embed_dim, hidden_dim)  # W_1
        self.activation = activation
        self.out_proj = nn.Linear(hidden_dim, embed_dim)  # W_2
        for layer in self.hidden_proj, self.out_proj:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, tokens: Float[Tensor, "*axes embed_dim"]
    ) -> Float[Tensor, "*axes embed_dim"]:
        """Return the output of the network for each token."""
        return self.out_proj(self.activation(self.hidden_proj(tokens)))


def nonpad_indices(
    mask: Bool[Tensor, "batch tokens"], num_nonpad: int
) -> Int[Tensor, " nonpad"]:
    """Return the indices of all tokens that are no padding, sentence after sentence.

    Args:
        mask: True at real tokens, False at padding.
        num_nonpad: number of True in ``mask``. Whoever padded the sentences knows it;
            counting on a GPU would stall it.

    Returns:
        Indices into ``mask.flatten()``, ascending.

    Raises:
        ValueError: on a CPU, if ``num_nonpad`` is another number. On a GPU a smaller
            number drops the last tokens, and a larger one fails where the indices are
            used.

    Example:
        >>> nonpad_indices(torch.tensor([[True, False], [True, True]]), 3)
        tensor([0, 2, 3])
    """
    if mask.device.type == "cpu" and not torch.compiler.is_compiling():
        counted = int(mask.sum())
        if counted != num_nonpad:
            raise ValueError(
                f"num_nonpad must be the number of tokens that mask marks as real, "
                f"{counted}, got {num_nonpad}"
            )
    return mask.flatten().nonzero_static(size=num_nonpad, fill_value=mask.numel())[:, 0]


def apply_to_nonpad(
    network: Callable[[Tensor], Tensor],
    tokens: Float[Tensor, "batch tokens embed_dim"],
    nonpad: Int[Tensor, " nonpad"] | None,
) -> Float[Tensor, "batch tokens embed_dim"]:
    """Apply a network that treats each token by itself, and skip the padding.

    Most of a layer's work is in its feed-forward network, and up to half of a batch may
    be padding.

    Args:
        network: maps (..., embed_dim) to the same shape.
        tokens: of padded sentences.
        nonpad: what :func:`nonpad_indices` returned; the output at all other tokens is
            0. None: no token is skipped.

    Example:
        >>> tokens = torch.ones(1, 3, 1)
        >>> apply_to_nonpad(torch.neg, tokens, torch.tensor([0, 1])).flatten()
        tensor([-1., -1.,  0.])
    """
    if nonpad is None:
        return network(tokens)
    flat = tokens.flatten(0, 1)
    output = network(flat.index_select(0, nonpad))
    # Zeros of the output's dtype: under autocast it differs from that of the tokens.
    zeros = output.new_zeros(flat.shape)
    return zeros.index_copy(0, nonpad, output).view_as(tokens)


class Residual(nn.Module):
    r"""Wrap a sub-layer :math:`f` in dropout, a residual connection and a norm.

    .. math::
        y &= \mathrm{Norm}(x + \mathrm{Dropout}(f(x)))
            \quad \text{(post-norm, the paper)} \\
        y &= x + \mathrm{Dropout}(f(\mathrm{Norm}(x)))
            \quad \text{(pre-norm)}

    Args:
        norm: layer norm in the paper; any module from tokens to tokens.
        dropout: probability in training that a component of the sub-layer's output is
            set to 0.
        pre_norm: whether the norm comes before the sub-layer.
        residual: whether :math:`x` is added; False shows what happens without it.

    Source: arXiv:1706.03762, 3.1 and 5.4; pre-norm as in Xiong et al.,
        arXiv:2002.04745.

    Example:
        >>> x = torch.ones(1, 2, 4)
        >>> Residual(nn.Identity())(x, torch.neg).abs().max()
        tensor(0.)
    """

    def __init__(
        self,
        norm: nn.Module,
        *,
        dropout: float = 0.0,
        pre_norm: bool = False,
        residual: bool = True,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.norm = norm
        self.pre_norm, self.residual = pre_norm, residual

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens embed_dim"],
        sublayer: Callable[[Tensor], Tensor],
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return :math:`y`.

        Args:
            tokens: :math:`x`.
            sublayer: :math:`f`, from tokens to tokens; called once.
        """
        output = self.dropout(sublayer(self.norm(tokens) if self.pre_norm else tokens))
        if self.residual:
            output = tokens + output
        return output if self.pre_norm else self.norm(output)


def layer_norm(
    tokens: Float[Tensor, "*axes embed_dim"],
    gain: Float[Tensor, " embed_dim"],
    bias: Float[Tensor, " embed_dim"],
    epsilon: float = 1e-5,
) -> Float[Tensor, "*axes embed_dim"]:
    r"""Give the components of each token mean 0 and variance 1; apply gain and bias.

    .. math::
        y = g \odot \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + b, \qquad
        \mu = \frac{1}{d} \sum_i x_i, \qquad
        \sigma^2 = \frac{1}{d} \sum_i (x_i - \mu)^2

    Each token is normalised on its own, so neither its neighbours in the sentence nor
    the rest of the batch can influence it. The variance is divided by :math:`d`, not
    :math:`d - 1`, and :math:`\epsilon` is inside the root. The model uses
    :class:`torch.nn.LayerNorm`, which computes the same in one kernel.

    Args:
        tokens: :math:`x`.
        gain: :math:`g`, learned; at first 1.
        bias: :math:`b`, learned; at first 0.
        epsilon: :math:`\epsilon`, against a division by 0.

    Source: arXiv:1607.06450, section 3, where there is no :math:`\epsilon`.

    Example:
        >>> x = torch.tensor([1.0, 0.0, 0.0, 0.0])
        >>> layer_norm(x, torch.ones(4), torch.zeros(4))
        tensor([ 1.7320, -0.5773, -0.5773, -0.5773])
    """
    centred = tokens - tokens.mean(dim=-1, keepdim=True)
    variance = centred.square().mean(dim=-1, keepdim=True)
    return gain * centred / (variance + epsilon).sqrt() + bias


class TokenBatchNorm(nn.BatchNorm1d):
    r"""Give each component mean 0 and variance 1 over all tokens of a batch.

    This norm shows what layer norm avoids. In training, a token changes with every
    other token of its batch: with the padding, which counts like any token, and in a
    decoder with the very tokens that it must predict. In eval mode running averages
    replace mean and variance.

    Args:
        embed_dim: size of a token.

    Source: Ioffe and Szegedy, arXiv:1502.03167.

    Example:
        >>> x = torch.tensor([[[1.0], [3.0]], [[5.0], [7.0]]])
        >>> TokenBatchNorm(1)(x).flatten().tolist()
        [-1.3..., -0.4..., 0.4..., 1.3...]
    """

    def forward(
        self, tokens: Float[Tensor, "batch tokens embed_dim"]
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return the tokens, normalised."""
        return super().forward(tokens.flatten(0, 1)).view_as(tokens)


NORMS = {"layer": nn.LayerNorm, "batch": TokenBatchNorm, "none": nn.Identity}


def make_norm(name: str, embed_dim: int) -> nn.Module:
    """Make the norm that a config names.

    Args:
        name: "layer", "batch" or "none".
        embed_dim: size of a token.

    Raises:
        ValueError: if ``name`` is none of these.

    Example:
        >>> make_norm("none", 4)
        Identity()
    """
    if name not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {name!r}")
    return NORMS[name](embed_dim)

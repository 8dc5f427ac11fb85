"""The Evolved Transformer's two cells (So, Liang and Le, 2019), without the search."""

from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.functional import check_counts
from attention_book.models.transformer.layers import FeedForward, Residual


class SeparableConv(nn.Module):
    """A convolution along the tokens: one filter per feature, then a linear map.

    Args:
        in_dim: features of a token.
        out_dim: features of a token afterwards.
        width: length of a filter in tokens.
        causal: whether a filter ends at its token instead of lying around it.

    Raises:
        ValueError: if a size is less than 1.

    Example:
        >>> import torch
        >>> SeparableConv(4, 6, 3)(torch.randn(2, 5, 4)).shape
        torch.Size([2, 5, 6])
    """

    def __init__(
        self, in_dim: int, out_dim: int, width: int, *, causal: bool = False
    ) -> None:
        super().__init__()
        check_counts(in_dim=in_dim, out_dim=out_dim, width=width)
        self.front = width - 1 if causal else (width - 1) // 2
        self.back = width - 1 - self.front
        self.filters = nn.Conv1d(in_dim, in_dim, width, groups=in_dim, bias=False)
        self.out_proj = nn.Linear(in_dim, out_dim, bias=False)

    def forward(
        self, tokens: Float[Tensor, "batch tokens in_dim"]
    ) -> Float[Tensor, "batch tokens out_dim"]:
        """Return as many tokens as came in.

        Args:
            tokens: the sequence, with zeros at padding.
        """
        padded = F.pad(tokens, (0, 0, self.front, self.back))
        return self.out_proj(self.filters(padded.mT).mT)


class EvolvedEncoderCell(nn.Module):
    r"""One cell of the encoder: a gate, a branch of convolutions, then the Transformer.

    .. math::
        x &\mathrel{+}= W_1 y \odot \sigma(W_2 y) \\
        x &\mathrel{+}= \mathrm{pad}\bigl(\mathrm{sep}_9(\mathrm{LN}(
            \mathrm{ReLU}(W_3 y) + \mathrm{pad}(\mathrm{ReLU}(\mathrm{conv}_3(y)))))
            \bigr) \\
        x &\mathrel{+}= \mathrm{MultiHead}(y, y, y) \\
        x &\mathrel{+}= W_5 \mathrm{ReLU}(W_4 y)

    with :math:`y = \mathrm{LN}(x)` each time; pad appends channels of zeros.

    Args:
        embed_dim: size of a token :math:`x`, even.
        num_heads: heads of the attention.

    Raises:
        ValueError: if ``embed_dim`` is odd, or as from ``MultiHeadAttention``.

    Source: arXiv:1901.11117, as in the authors' code (tensor2tensor).

    Example:
        >>> import torch
        >>> EvolvedEncoderCell(8, 2)(torch.randn(2, 5, 8)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        size = embed_dim
        if size % 2:
            raise ValueError(f"embed_dim must be even, got {size}")
        self.residuals = nn.ModuleList(
            Residual(nn.LayerNorm(size), pre_norm=True) for _ in range(4)
        )
        self.gate = nn.Linear(size, 2 * size, bias=False)  # W_1, W_2
        self.left = nn.Linear(size, 4 * size, bias=False)  # W_3
        self.right = nn.Conv1d(size, size // 2, 3, padding=1, bias=False)
        self.middle_norm = nn.LayerNorm(4 * size)
        self.separable = SeparableConv(4 * size, size // 2, 9)
        self.attention = MultiHeadAttention(size, num_heads, bias=False)
        self.feed_forward = FeedForward(size, 4 * size)

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens embed_dim"],
        token_mask: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return the tokens for the next cell.

        Args:
            tokens: the sequence.
            token_mask: True at real tokens; None: all are. Padding is set to 0 before
                each convolution, or it would be seen by its neighbours.
        """
        mask = None if token_mask is None else token_mask[:, None]

        def branch(y: Tensor) -> Tensor:
            y = _clear(y, token_mask)
            left = self.left(y).relu()
            right = self.right(y.mT).mT.relu()
            joined = self.middle_norm(left + _widen(right, left.shape[-1]))
            return _widen(self.separable(_clear(joined, token_mask)), y.shape[-1])

        steps: list[Callable[[Tensor], Tensor]] = [
            lambda y: F.glu(self.gate(y)),
            branch,
            lambda y: self.attention(y, y, y, mask)[0],
            self.feed_forward,
        ]
        for residual, step in zip(self.residuals, steps, strict=True):
            tokens = residual(tokens, step)
        return tokens


class EvolvedDecoderCell(nn.Module):
    """One cell of the decoder: two attentions side by side, causal convolutions, rest.

    From the same normed input come self-attention with more heads and attention to the
    source, and both are added. Then a branch of causal convolutions, self-attention,
    attention to the source, and a feed-forward network with Swish.

    Args:
        embed_dim: size of a token, even.
        num_heads: heads of each attention but the first, which has
            max(h, min(2 h, 16)) of them.

    Raises:
        ValueError: if ``embed_dim`` is odd, or as from ``MultiHeadAttention``.

    Source: arXiv:1901.11117, as in the authors' code (tensor2tensor).

    Example:
        >>> import torch
        >>> source, x = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
        >>> EvolvedDecoderCell(8, 2)(x, source).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        size = embed_dim
        if size % 2:
            raise ValueError(f"embed_dim must be even, got {size}")
        more = max(num_heads, min(2 * num_heads, 16))
        self.residuals = nn.ModuleList(
            Residual(nn.LayerNorm(size), pre_norm=True) for _ in range(5)
        )
        self.wide_attention = MultiHeadAttention(size, more, bias=False)
        self.first_source = MultiHeadAttention(size, num_heads, bias=False)
        self.left = SeparableConv(size, 2 * size, 11, causal=True)
        self.right = SeparableConv(size, size // 2, 7, causal=True)
        self.middle_norm = nn.LayerNorm(2 * size)
        self.separable = SeparableConv(2 * size, size, 7, causal=True)
        self.attention = MultiHeadAttention(size, num_heads, bias=False)
        self.second_source = MultiHeadAttention(size, num_heads, bias=False)
        self.hidden_proj = nn.Linear(size, 4 * size)
        self.hidden_norm = nn.LayerNorm(4 * size)
        self.out_proj = nn.Linear(4 * size, size)

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens embed_dim"],
        source: Float[Tensor, "batch source_tokens embed_dim"],
        source_mask: Bool[Tensor, "batch source_tokens"] | None = None,
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return the tokens for the next cell; none sees a later one.

        Args:
            tokens: target tokens so far.
            source: output of the encoder.
            source_mask: True at real source tokens; None: all are.
        """
        mask = None if source_mask is None else source_mask[:, None]

        def both(y: Tensor) -> Tensor:
            own = self.wide_attention(y, y, y, causal=True)[0]
            return own + self.first_source(y, source, source, mask)[0]

        def branch(y: Tensor) -> Tensor:
            left = self.left(y).relu()
            joined = left + _widen(self.right(y), left.shape[-1])
            return self.separable(self.middle_norm(joined))

        def feed_forward(y: Tensor) -> Tensor:
            return self.out_proj(self.hidden_norm(F.silu(self.hidden_proj(y))))

        steps: list[Callable[[Tensor], Tensor]] = [
            both,
            branch,
            lambda y: self.attention(y, y, y, causal=True)[0],
            lambda y: self.second_source(y, source, source, mask)[0],
            feed_forward,
        ]
        for residual, step in zip(self.residuals, steps, strict=True):
            tokens = residual(tokens, step)
        return tokens


def _widen(
    tokens: Float[Tensor, "batch tokens dim"], dim: int
) -> Float[Tensor, "batch tokens wider_dim"]:
    """Append channels of zeros."""
    return F.pad(tokens, (0, dim - tokens.shape[-1]))


def _clear(
    tokens: Float[Tensor, "batch tokens dim"],
    token_mask: Bool[Tensor, "batch tokens"] | None,
) -> Float[Tensor, "batch tokens dim"]:
    """Set padding to 0."""
    if token_mask is None:
        return tokens
    return tokens.masked_fill(~token_mask[..., None], 0.0)

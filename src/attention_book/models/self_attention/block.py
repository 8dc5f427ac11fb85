"""One block that mixes tokens: by self-attention, a convolution or a GRU."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.self_attention.layer import SelfAttention

Tokens = Float[Tensor, "batch tokens embed_dim"]


class SelfAttentionMixer(nn.Module):
    """Self-attention: every token attends to all tokens.

    Args:
        embed_dim: size of a token.
        score: as for
            :class:`attention_book.attention.self_attention.layer.SelfAttention`.
        normaliser: as there.
    """

    def __init__(self, embed_dim: int, score: str, normaliser: str) -> None:
        super().__init__()
        self.attention = SelfAttention(
            embed_dim, embed_dim, score=score, normaliser=normaliser
        )

    def forward(self, tokens: Tokens) -> Tokens:
        """Return the context of each token."""
        return self.attention(tokens, tokens, tokens)[0]


class CausalConvolution(nn.Module):
    """A convolution along a sequence: each token and those just before it.

    Args:
        embed_dim: size of a token.
        kernel_size: number of tokens in the receptive field; it reaches ``kernel_size``
            - 1 tokens back.
    """

    def __init__(self, embed_dim: int, kernel_size: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(embed_dim, embed_dim, kernel_size)
        self.back = kernel_size - 1

    def forward(self, tokens: Tokens) -> Tokens:
        """Return one vector for each token."""
        return self.convolution(F.pad(tokens.mT, (self.back, 0))).mT


class PixelConvolution(nn.Module):
    """A convolution over a square image whose pixels are given row by row.

    Args:
        embed_dim: size of a pixel's vector.
        kernel_size: pixels on each side of the kernel, odd; the image is padded with
            zeros.
        side: pixels on each side of the image.
    """

    def __init__(self, embed_dim: int, kernel_size: int, side: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(embed_dim, embed_dim, kernel_size, padding="same")
        self.side = side

    def forward(self, tokens: Tokens) -> Tokens:
        """Return one vector for each pixel."""
        image = tokens.mT.unflatten(2, (self.side, self.side))
        return self.convolution(image).flatten(2).mT


class Recurrence(nn.Module):
    """A GRU that reads from left to right.

    Args:
        embed_dim: size of a token, and of the state.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.gru = nn.GRU(embed_dim, embed_dim, batch_first=True)

    def forward(self, tokens: Tokens) -> Tokens:
        """Return the state after each token."""
        return self.gru(tokens)[0]


class MixingBlock(nn.Module):
    r"""Mix the tokens, then apply a feed-forward network to each, both with residuals.

    .. math:: y = x + \mathrm{mixer}(x), \qquad z = y + W_2 \max(0, W_1 y + b_1) + b_2

    Blocks with different mixers have equally many parameters: the fewer a mixer needs,
    the wider is the hidden layer.

    Args:
        mixer: maps tokens to tokens, (batch, tokens, embed_dim).
        embed_dim: size of a token.
        num_parameters: upper limit for the whole block, which has at most ``2 *
            embed_dim`` fewer.

    Raises:
        ValueError: if the mixer leaves no parameters for a hidden layer.

    Example:
        >>> blocks = [
        ...     MixingBlock(mixer, 8, 1000)
        ...     for mixer in (SelfAttentionMixer(8, "dot", "softmax"), Recurrence(8))
        ... ]
        >>> [sum(p.numel() for p in block.parameters()) for block in blocks]
        [999, 984]
    """

    def __init__(self, mixer: nn.Module, embed_dim: int, num_parameters: int) -> None:
        super().__init__()
        used = sum(parameter.numel() for parameter in mixer.parameters())
        hidden_dim = (num_parameters - used - embed_dim) // (2 * embed_dim + 1)
        if hidden_dim < 1:
            raise ValueError(
                f"num_parameters ({num_parameters}) must leave a hidden layer beside "
                f"the mixer's {used}"
            )
        self.mixer = mixer
        self.hidden_proj = nn.Linear(embed_dim, hidden_dim)  # W_1
        self.output_proj = nn.Linear(hidden_dim, embed_dim)  # W_2

    def forward(self, tokens: Tokens) -> Tokens:
        """Return the tokens after both steps, :math:`z`."""
        tokens = tokens + self.mixer(tokens)
        return tokens + self.output_proj(self.hidden_proj(tokens).relu())

"""Recurrent encoders: from the vectors of a sentence's tokens to its annotations."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
)

from attention_book.models.checks import check_lengths, check_padding
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.encoders.encoded import Encoded, LSTMState

_LONG = 100
"""Tokens from which on, on a CPU, padding is read too: in the backward pass of a packed
sequence each step fills a gradient of the size of the whole batch, so that its time
grows with the square of the length."""


class BidirectionalGRU(nn.Module):
    r"""Annotate each token with the states of a forward and of a backward GRU.

    .. math:: h_j = [\overrightarrow h_j ; \overleftarrow h_j]

    The backward direction starts at the last real token of each sentence, not at its
    padding.

    Args:
        input_dim: size of a token's vector.
        hidden_dim: size of the state of each direction; an annotation is twice as
            large.

    Raises:
        ValueError: from a call, as
            :func:`attention_book.models.checks.check_padding`.

    Source: arXiv:1409.0473, 3.2 and A.2.1. This is :class:`torch.nn.GRU`, whose reset
        gate multiplies :math:`U h`, not :math:`h`, and whose :math:`z` is the share of
        the old state. Recurrent matrices start orthogonal.

    Example:
        >>> import torch
        >>> encoder, mask = BidirectionalGRU(3, 5), torch.tensor([[True, True, False]])
        >>> annotations, mask, final = encoder(torch.randn(1, 3, 3), mask)
        >>> annotations.shape, torch.equal(annotations[:, 0, 5:], final)
        (torch.Size([1, 3, 10]), True)
    """

    def __init__(self, input_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.gru = nn.GRU(input_dim, hidden_dim, batch_first=True, bidirectional=True)
        for name in ("weight_hh_l0", "weight_hh_l0_reverse"):
            for block in getattr(self.gru, name).data.chunk(3):
                nn.init.orthogonal_(block)

    def forward(
        self,
        inputs: Float[Tensor, "rows tokens input_dim"],
        mask: Bool[Tensor, "rows tokens"],
    ) -> Encoded:
        r"""Return the annotations, and :math:`\overleftarrow h_1` as the final state.

        Args:
            inputs: vectors of the tokens, padded on the right.
            mask: True at real tokens.
        """
        if inputs.device.type == "cpu" and inputs.shape[1] >= _LONG:
            return self._read_padding_too(inputs, mask)
        outputs, (_, backward) = self.gru(_pack(inputs, mask))
        return Encoded(_unpack(outputs, mask), mask, backward)

    def _read_padding_too(self, inputs: Tensor, mask: Tensor) -> Encoded:
        """The same annotations from padded rows, each direction by itself."""
        check_padding("source", inputs, mask)
        lengths = mask.sum(dim=1)
        check_lengths("source", lengths)
        steps = torch.arange(mask.shape[1], device=mask.device)
        mirrored = (lengths[:, None] - 1 - steps).where(mask, steps)[..., None]
        forward = self._one_direction(inputs, "")
        mirror = inputs.gather(1, mirrored.expand_as(inputs))
        backward = self._one_direction(mirror, "_reverse")
        backward = backward.gather(1, mirrored.expand_as(backward))
        states = torch.cat([forward, backward], dim=2).masked_fill(~mask[..., None], 0)
        return Encoded(states, mask, backward[:, 0])

    def _one_direction(self, inputs: Tensor, suffix: str) -> Tensor:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        weights = [getattr(self.gru, f"{name}_l0{suffix}") for name in names]
        start = inputs.new_zeros(1, len(inputs), self.gru.hidden_size)
        return torch.gru(inputs, start, weights, True, 1, 0.0, False, False, True)[0]


class WordEncoder(nn.Module):
    """Embed the words of a sentence, then annotate them in both directions.

    Args:
        source_vocab: number of words of the vocabulary.
        annotation_dim: size of an annotation, both directions together; even.
        embed_dim: size of a word vector.

    Raises:
        ValueError: if ``annotation_dim`` is odd; from a call, as
            :class:`BidirectionalGRU`.

    Source: the encoder of arXiv:1409.0473, A.2.1, with its embedding.

    Example:
        >>> encoder = WordEncoder(9, 6, 5)
        >>> ids, mask = torch.tensor([[4, 7, 2]]), torch.ones(1, 3, dtype=torch.bool)
        >>> encoder(ids, mask).annotations.shape
        torch.Size([1, 3, 6])
    """

    def __init__(self, source_vocab: int, annotation_dim: int, embed_dim: int) -> None:
        super().__init__()
        if annotation_dim % 2:
            raise ValueError(
                "annotation_dim must be even, half for each direction, got "
                f"{annotation_dim}"
            )
        self.embedding = TokenEmbedding(source_vocab, embed_dim)
        self.states = BidirectionalGRU(embed_dim, annotation_dim // 2)

    def forward(
        self, ids: Int[Tensor, "rows tokens"], mask: Bool[Tensor, "rows tokens"]
    ) -> Encoded:
        """Return the annotations, and the backward state at the first word.

        Args:
            ids: of the words, padded on the right.
            mask: True at real words.
        """
        return self.states(self.embedding(ids), mask)


class StackedLSTM(nn.Module):
    """Annotate each token with the top state of a stack of LSTMs.

    Args:
        input_dim: size of a token's vector.
        hidden_dim: cells of each layer, and size of an annotation.
        num_layers: number of layers.
        dropout: probability of setting a component to 0 between two layers.

    Raises:
        ValueError: from a call, as
            :func:`attention_book.models.checks.check_padding`.

    Source: arXiv:1409.3215, section 2; arXiv:1508.04025, section 2.

    Example:
        >>> import torch
        >>> encoder, mask = StackedLSTM(3, 5, 2), torch.tensor([[True, True, False]])
        >>> annotations, mask, final = encoder(torch.randn(1, 3, 3), mask)
        >>> torch.equal(annotations[:, 1], final.hidden[:, -1])  # the last real token
        True
    """

    def __init__(
        self, input_dim: int, hidden_dim: int, num_layers: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            input_dim,
            hidden_dim,
            num_layers,
            batch_first=True,
            # With one layer there is nothing in between, and PyTorch warns.
            dropout=dropout if num_layers > 1 else 0.0,
        )

    def forward(
        self,
        inputs: Float[Tensor, "rows tokens input_dim"],
        mask: Bool[Tensor, "rows tokens"],
    ) -> Encoded:
        """Return the top states, and the states of all layers after the last token.

        Args:
            inputs: vectors of the tokens, padded on the right.
            mask: True at real tokens.
        """
        outputs, last = self.lstm(_pack(inputs, mask))
        return Encoded(_unpack(outputs, mask), mask, LSTMState.rows_first(*last))


def _pack(inputs: Tensor, mask: Tensor) -> PackedSequence:
    """Leave padding out, so that a state ends at a sentence's own last token.

    PyTorch compiles around packing, in several graphs, but cannot export it.
    """
    check_padding("source", inputs, mask)
    lengths = mask.sum(dim=1).cpu()
    # On a GPU too, where the lengths have just arrived.
    check_lengths("source", lengths)
    return pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)


def _unpack(outputs: PackedSequence, mask: Tensor) -> Tensor:
    padded, _ = pad_packed_sequence(
        outputs, batch_first=True, total_length=mask.shape[1]
    )
    return padded

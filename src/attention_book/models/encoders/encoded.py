"""What every encoder returns and every attention decoder reads."""

from typing import Any, NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor, nn


class LSTMState(NamedTuple):
    """The state of stacked LSTMs, rows first.

    Attributes:
        hidden: :math:`h` of each layer.
        cell: :math:`c` of each layer.
    """

    hidden: Float[Tensor, "rows layers hidden_dim"]
    cell: Float[Tensor, "rows layers hidden_dim"]

    @classmethod
    def rows_first(
        cls,
        hidden: Float[Tensor, "layers rows hidden_dim"],
        cell: Float[Tensor, "layers rows hidden_dim"],
    ) -> "LSTMState":
        """Return the state of a :class:`torch.nn.LSTM` with its axes exchanged."""
        return cls(hidden.transpose(0, 1), cell.transpose(0, 1))

    def layers_first(
        self,
    ) -> tuple[
        Float[Tensor, "layers rows hidden_dim"], Float[Tensor, "layers rows hidden_dim"]
    ]:
        """Return ``(hidden, cell)`` as a :class:`torch.nn.LSTM` needs them."""
        hidden, cell = self.hidden.transpose(0, 1), self.cell.transpose(0, 1)
        return hidden.contiguous(), cell.contiguous()


class Encoded(NamedTuple):
    """Annotations and their mask: enough to start any attention decoder.

    An encoder is called as ``encoder(inputs, mask)``; a decoder starts from
    ``decoder.start(annotations, mask)``. A decoder that belongs to a recurrent encoder
    may also start from that encoder's last state, which is its third argument.

    Attributes:
        annotations: one vector for each position of the input, or for each location of
            an image.
        mask: True where a decoder may attend; None: everywhere.
        final: the last state of a recurrent encoder; None if it is not recurrent. For
            :class:`attention_book.models.encoders.text.BidirectionalGRU` this is the
            backward state at the first token, (rows, hidden_dim), and for
            :class:`attention_book.models.encoders.text.StackedLSTM` an
            :class:`LSTMState`.
    """

    annotations: Float[Tensor, "rows positions annotation_dim"]
    mask: Bool[Tensor, "rows positions"] | None
    final: Any = None


class PrecomputedEncoder(nn.Module):
    """Take vectors that were computed before as annotations: a set, without an order.

    Example:
        >>> import torch
        >>> PrecomputedEncoder()(torch.zeros(2, 7, 5)).annotations.shape
        torch.Size([2, 7, 5])
    """

    def forward(
        self,
        vectors: Float[Tensor, "rows positions annotation_dim"],
        mask: Bool[Tensor, "rows positions"] | None = None,
    ) -> Encoded:
        """Return the vectors and the mask.

        Args:
            vectors: one for each position.
            mask: True where a decoder may attend; None: everywhere.
        """
        return Encoded(vectors, mask)

"""Encoders of video: each frame through a small convolution, then time."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.functional import check_counts
from attention_book.models.checks import check_padding
from attention_book.models.encoders.encoded import Encoded
from attention_book.models.encoders.text import BidirectionalGRU


class FrameEncoder(nn.Module):
    r"""Encode each frame by itself: one annotation per frame, and no order.

    .. math:: v_i = W \max_{x} \mathrm{conv}(\mathrm{frame}_i)_x

    Two convolutions with pooling see 10 x 10 pixels around each 4 x 4; the largest
    value of each feature over all locations :math:`x` says what is in the frame, not
    where. With additive attention over these annotations a decoder has the temporal
    attention of Yao et al., whose frames went through a trained network by themselves
    too; their gate, start and penalty are those of
    :class:`attention_book.models.soft_hard.model.ShowAttendTell` with
    ``kind="soft"``. It sees a set: frames permuted give annotations permuted.

    Args:
        annotation_dim: size of an annotation.
        hidden_dim: channels of the first convolution; the second has twice as many.

    Raises:
        ValueError: if a size is below 1; from a call, if height or width is below 4,
            or as :func:`attention_book.models.checks.check_padding`.

    Source: the place of the convolution as in arXiv:1502.08029, section 3; its size is
        ours. Features are normalised within each frame, not over a batch, so that
        padding changes nothing. Annotations of padding are 0.

    Example:
        >>> FrameEncoder(5, 4)(torch.zeros(2, 7, 16, 16)).annotations.shape
        torch.Size([2, 7, 5])
    """

    def __init__(self, annotation_dim: int, hidden_dim: int) -> None:
        super().__init__()
        check_counts(annotation_dim=annotation_dim, hidden_dim=hidden_dim)
        self.layers = nn.Sequential(
            nn.Conv2d(1, hidden_dim, 3, padding=1),
            nn.MaxPool2d(2),
            nn.GroupNorm(1, hidden_dim),
            nn.ReLU(),
            nn.Conv2d(hidden_dim, 2 * hidden_dim, 3, padding=1),
            nn.MaxPool2d(2),
            nn.GroupNorm(1, 2 * hidden_dim),
            nn.ReLU(),
        )
        self.output_proj = nn.Linear(2 * hidden_dim, annotation_dim)

    def forward(
        self,
        frames: Float[Tensor, "rows frames height width"],
        mask: Bool[Tensor, "rows frames"] | None = None,
    ) -> Encoded:
        """Return one annotation for each frame, and the mask.

        Args:
            frames: grey values, padded with frames at the end.
            mask: True at real frames; None: all of them.
        """
        if min(frames.shape[2:]) < 4:
            raise ValueError(
                "height and width of a frame must be at least 4 pixels, got "
                f"{tuple(frames.shape[2:])}"
            )
        if mask is not None:
            check_padding("frames", frames, mask)
        images = frames.flatten(0, 1)[:, None].to(self.output_proj.weight.dtype)
        features = self.layers(images).amax(dim=(2, 3))
        annotations = self.output_proj(features).unflatten(0, frames.shape[:2])
        if mask is not None:
            annotations = annotations.masked_fill(~mask[..., None], 0.0)
        return Encoded(annotations, mask)


class VideoEncoder(nn.Module):
    r"""Encode frames in their order: a convolution per frame, then states over time.

    .. math:: h_i = [\overrightarrow h_i ; \overleftarrow h_i]

    The vectors :math:`v_i` of a :class:`FrameEncoder` are what a
    :class:`attention_book.models.encoders.text.BidirectionalGRU` reads, so that an
    annotation knows what came before its frame and what comes after.

    Args:
        annotation_dim: size of an annotation, both directions together; even.
        hidden_dim: as for :class:`FrameEncoder`.

    Raises:
        ValueError: if ``annotation_dim`` is odd or a size is too small; from a call, as
            :class:`FrameEncoder`.

    Source: an encoder over the frames is an option of the code of arXiv:1502.08029,
        section 3; both directions, and that it is trained with the decoder, are ours.

    Example:
        >>> VideoEncoder(6, 4)(torch.zeros(2, 7, 16, 16)).annotations.shape
        torch.Size([2, 7, 6])
    """

    def __init__(self, annotation_dim: int, hidden_dim: int) -> None:
        super().__init__()
        check_counts(annotation_dim=annotation_dim, hidden_dim=hidden_dim)
        if annotation_dim % 2:
            raise ValueError(
                f"annotation_dim must be even, half for each direction, got "
                f"{annotation_dim}"
            )
        half = annotation_dim // 2
        self.frame_encoder = FrameEncoder(half, hidden_dim)
        self.time = BidirectionalGRU(half, half)

    def forward(
        self,
        frames: Float[Tensor, "rows frames height width"],
        mask: Bool[Tensor, "rows frames"] | None = None,
    ) -> Encoded:
        """Return the annotations, the mask, and the backward state at the first frame.

        Args:
            frames: grey values, padded with frames at the end.
            mask: True at real frames; None: all of them.
        """
        vectors = self.frame_encoder(frames, mask).annotations
        whole = mask
        if whole is None:
            whole = torch.ones(
                vectors.shape[:2], dtype=torch.bool, device=vectors.device
            )
        annotations, _, final = self.time(vectors, whole)
        return Encoded(annotations, mask, final)

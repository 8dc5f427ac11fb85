"""A convolution written as self-attention (Cordonnier, Loukas and Jaggi, 2020)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def kernel_shifts(kernel_size: int) -> Float[Tensor, "heads 2"]:
    r"""List the offsets of the pixels of a square kernel from its centre.

    .. math::
        \Delta_K = \{-\lfloor K/2 \rfloor, \ldots, \lfloor K/2 \rfloor\}^2

    Args:
        kernel_size: :math:`K`, odd.

    Returns:
        Offsets in rows (down) and columns (right), in the order of the weights of a
        kernel.

    Raises:
        ValueError: if ``kernel_size`` is even or less than 1, as it has no centre then.

    Source: arXiv:1911.03584, theorem 1.

    Example:
        >>> kernel_shifts(3)[:4].tolist()
        [[-1.0, -1.0], [-1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]]
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd, got {kernel_size}")
    steps = torch.arange(kernel_size, dtype=torch.float) - kernel_size // 2
    return torch.cartesian_prod(steps, steps)


def quadratic_scores(
    distance: Float[Tensor, "queries keys 2"],
    centre: Float[Tensor, "heads 2"],
    sharpness: Float[Tensor, " heads"],
) -> Float[Tensor, "heads queries keys"]:
    r"""Score pixels by their position, with a parabola around the shift of each head.

    .. math::
        A_{q,k} = v^{(h)\top} r_\delta, \qquad
        v^{(h)} = -\alpha^{(h)} (1, -2 \Delta^{(h)}_1, -2 \Delta^{(h)}_2), \qquad
        r_\delta = (\lVert \delta \rVert^2, \delta_1, \delta_2)

    which is :math:`-\alpha^{(h)} \lVert \delta - \Delta^{(h)} \rVert^2` up to a term
    that is the same for all keys. The larger :math:`\alpha` is, the closer the weight
    of the pixel at :math:`\Delta^{(h)}` comes to 1.

    Args:
        distance: :math:`\delta = k - q`, from the query's pixel to the key's.
        centre: :math:`\Delta^{(h)}`.
        sharpness: :math:`\alpha^{(h)}`.

    Source: arXiv:1911.03584, lemma 2, with :math:`W_{qry} = W_{key} = 0`: the content
        of the pixels has no influence.

    Example:
        >>> distance = torch.tensor([[[0.0, -1.0], [0.0, 0.0], [0.0, 1.0]]])
        >>> quadratic_scores(distance, torch.tensor([[0.0, 1.0]]), torch.tensor([5.0]))
        tensor([[[-15.,   0.,   5.]]])
    """
    encoding = torch.cat([distance.square().sum(-1, keepdim=True), distance], dim=-1)
    vectors = -sharpness[:, None] * F.pad(-2 * centre, (1, 0), value=1.0)
    return (encoding @ vectors.mT).movedim(-1, 0)


class QuadraticAttention(nn.Module):
    r"""Attend from every pixel to its neighbours by position, one head for each.

    .. math::
        \mathrm{MHSA}(X)_q = \sum_h \mathrm{softmax}(A^{(h)}_{q,:})\, X\, W^{(h)}
            + b_{out}

    with :math:`A^{(h)}` of :func:`quadratic_scores` and :math:`W^{(h)} = W_{val}^{(h)}
    W_{out}^{(h)}`, the columns of ``out_proj`` that belong to head :math:`h`. Initially
    the :math:`K^2` heads attend to the :math:`K^2` pixels of a kernel. Their centres
    and their sharpness are learned with the rest.

    The queries are the pixels of the image. The keys also include a frame of
    :math:`\lfloor K/2 \rfloor` pixels of zeros.

    Args:
        in_channels: channels of the image.
        out_channels: channels of the output.
        kernel_size: :math:`K`, odd.
        sharpness: initial :math:`\alpha` of all heads.

    Raises:
        ValueError: if ``kernel_size`` is even; from a call, if the image does not have
            ``in_channels`` channels.

    Memory: the weights hold heads x pixels x framed pixels numbers for any batch size.
    Source: arXiv:1911.03584, theorem 1.

    Example:
        >>> layer, image = QuadraticAttention(3, 4, 3), torch.randn(2, 3, 5, 6)
        >>> output, weights = layer(image, need_weights=True)
        >>> output.shape, weights.shape  # 9 heads, 5 x 6 pixels, 7 x 8 framed ones
        (torch.Size([2, 4, 5, 6]), torch.Size([2, 9, 30, 56]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        sharpness: float = 1.0,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.in_channels = in_channels
        self.centre = nn.Parameter(kernel_shifts(kernel_size))  # Delta
        heads = len(self.centre)
        self.sharpness = nn.Parameter(torch.full((heads,), float(sharpness)))  # alpha
        self.out_proj = nn.Linear(heads * in_channels, out_channels)

    def forward(
        self,
        image: Float[Tensor, "batch in_channels height width"],
        *,
        need_weights: bool = False,
    ) -> tuple[
        Float[Tensor, "batch out_channels height width"],
        Float[Tensor, "batch heads pixels framed_pixels"] | None,
    ]:
        """Return ``(output, weights)``, or ``(output, None)``.

        Args:
            image: the pixels, without the frame of zeros.
            need_weights: whether the weights are returned, with the pixels row by row.
        """
        if image.ndim != 4 or image.shape[1] != self.in_channels:
            raise ValueError(
                f"image must have shape (batch, {self.in_channels}, height, width), "
                f"got {tuple(image.shape)}"
            )
        height, width = image.shape[2:]
        frame = self.kernel_size // 2
        at_query = _pixels(height, width, image)
        at_key = _pixels(height + 2 * frame, width + 2 * frame, image) - frame
        distance = at_key - at_query[:, None]
        scores = quadratic_scores(distance, self.centre, self.sharpness)
        weights = scores.softmax(dim=-1)
        pixels = F.pad(image, (frame,) * 4).flatten(2).mT
        # The weights are the same for all images: one product for all heads.
        heads = (weights.flatten(0, 1) @ pixels).unflatten(1, weights.shape[:2])
        output = self.out_proj(heads.transpose(1, 2).flatten(2))
        output = output.mT.unflatten(2, (height, width))
        return output, weights.expand(len(image), -1, -1, -1) if need_weights else None


def attention_from_convolution(
    convolution: nn.Conv2d, *, sharpness: float = 46.0
) -> QuadraticAttention:
    r"""Write a convolution as self-attention, with one head per pixel of its kernel.

    Head :math:`h` attends to the pixel at shift :math:`f(h)` from the query, and
    :math:`W^{(h)}` is the matrix of the convolution for that shift.

    Args:
        convolution: a layer with an odd square kernel and a padding of zeros that keeps
            the size of the image.
        sharpness: :math:`\alpha`. The weights of other pixels are at most
            :math:`e^{-\alpha}`, which from 17 on is below the precision of float32.

    Raises:
        ValueError: if the convolution is of another kind.

    Source: arXiv:1911.03584, theorem 1.

    Example:
        >>> convolution, image = nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 5, 6)
        >>> layer = attention_from_convolution(convolution)
        >>> torch.allclose(layer(image)[0], convolution(image), atol=1e-5)
        True
    """
    size = convolution.kernel_size[0]
    fits = (
        convolution.kernel_size == (size, size)
        and convolution.padding in ((size // 2, size // 2), "same")
        and convolution.padding_mode == "zeros"
        and convolution.stride == convolution.dilation == (1, 1)
        and convolution.groups == 1
    )
    if not fits:
        raise ValueError(
            "convolution must have a square kernel, zeros around the image that keep "
            f"its size, and no stride, dilation or groups, got {convolution}"
        )
    layer = QuadraticAttention(
        convolution.in_channels, convolution.out_channels, size, sharpness=sharpness
    ).to(convolution.weight)
    with torch.no_grad():
        # Each row of the matrix runs over the shifts, and within them over channels.
        layer.out_proj.weight.copy_(convolution.weight.movedim(1, -1).flatten(1))
        layer.out_proj.bias.zero_()
        if convolution.bias is not None:
            layer.out_proj.bias.copy_(convolution.bias)
    return layer


def _pixels(height: int, width: int, like: Tensor) -> Tensor:
    """Row and column of every pixel, row by row."""
    rows, columns = (
        torch.arange(size, dtype=like.dtype, device=like.device)
        for size in (height, width)
    )
    return torch.cartesian_prod(rows, columns)

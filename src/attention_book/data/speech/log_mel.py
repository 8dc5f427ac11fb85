"""From sound to frames: the logarithm of the energy in bands of the mel scale."""

import torch
from jaxtyping import Float
from torch import Tensor

from attention_book.functional import check_counts


def mel_filters(
    num_mels: int,
    *,
    fft_size: int,
    sample_rate: int,
    low: float = 300.0,
    high: float = 3400.0,
) -> Float[Tensor, "bins num_mels"]:
    r"""Triangles over the frequencies, equally wide on the mel scale.

    .. math:: \mathrm{mel}(f) = 2595 \log_{10} (1 + f / 700)

    Band :math:`k` rises from the middle of the band before to 1 in its own middle, and
    falls to the middle of the next.

    Args:
        num_mels: number of bands.
        fft_size: samples of a transform, even; it has ``fft_size // 2 + 1`` bins.
        sample_rate: samples per second.
        low: where the first band begins, in hertz. The defaults are a telephone's.
        high: where the last band ends, in hertz.

    Raises:
        ValueError: if a count is below 1, ``fft_size`` is odd, or the bands are not
            between 0 and half the sample rate.
        TypeError: if a count is not an integer.

    Source: S. Davis and P. Mermelstein, "Comparison of Parametric Representations for
        Monosyllabic Word Recognition", IEEE Transactions on Acoustics, Speech, and
        Signal Processing 28(4), 1980, for the triangles. There are several formulas of
        the scale; this is the one of HTK.

    Example:
        >>> mel_filters(2, fft_size=8, sample_rate=8000).shape
        torch.Size([5, 2])
    """
    check_counts(num_mels=num_mels, fft_size=fft_size, sample_rate=sample_rate)
    if fft_size % 2:  # its last bin would lie below half the sample rate
        raise ValueError(f"fft_size must be even, got {fft_size}")
    if not 0 <= low < high <= sample_rate / 2:
        raise ValueError(
            "low and high must be from 0 to half the sample rate "
            f"({sample_rate / 2:g} Hz), low first, got {low} and {high}"
        )
    hertz = torch.linspace(0, sample_rate / 2, fft_size // 2 + 1, dtype=torch.float64)
    ends = torch.tensor([low, high], dtype=torch.float64)
    first, last = (2595 * torch.log10(1 + ends / 700)).tolist()
    mels = torch.linspace(first, last, num_mels + 2, dtype=torch.float64)
    edges = 700 * (10 ** (mels / 2595) - 1)
    up = (hertz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    return torch.minimum(up, down).clamp(min=0).float()


def log_mel(
    waveform: Float[Tensor, " samples"],
    filters: Float[Tensor, "bins num_mels"],
    *,
    window: int,
    hop: int,
    floor: float = 1e-6,
) -> Float[Tensor, "frames num_mels"]:
    r"""Cut a sound into overlapping frames; return the log energy of each band.

    .. math::
        \log \max \Bigl(\epsilon,
        \sum_b M_{bk} \Bigl| \sum_n w_n x_{th+n} e^{-2\pi i b n / N} \Bigr|^2\Bigr)

    with a Hann window :math:`w`, the hop :math:`h`, the filters :math:`M` and the floor
    :math:`\epsilon`. Frame t is about the samples :math:`th` to :math:`th + W - 1`.

    Args:
        waveform: samples :math:`x`.
        filters: from :func:`mel_filters`; :math:`N` is twice its bins less 2.
        window: :math:`W`, samples of a frame.
        hop: samples from the start of a frame to that of the next.
        floor: :math:`\epsilon`, positive: the energy below which nothing is told apart.

    Returns:
        One row for each frame that fits into the sound.

    Raises:
        ValueError: if the sound is shorter than a frame, a frame longer than the
            transform, a count below 1, or the floor not positive.
        TypeError: if a count is not an integer.

    Example:
        >>> filters = mel_filters(3, fft_size=256, sample_rate=8000)
        >>> log_mel(torch.zeros(1000), filters, window=200, hop=80).shape
        torch.Size([11, 3])
    """
    check_counts(window=window, hop=hop)
    fft_size = 2 * (len(filters) - 1)
    if not window <= min(fft_size, len(waveform)):
        raise ValueError(
            f"window ({window}) must not be longer than the sound ({len(waveform)} "
            f"samples) or the transform ({fft_size})"
        )
    if not floor > 0:
        raise ValueError(f"floor must be positive, got {floor}")
    shape = torch.hann_window(window, dtype=waveform.dtype, device=waveform.device)
    frames = waveform.unfold(0, window, hop) * shape
    energy = torch.fft.rfft(frames, n=fft_size).abs().square()
    return (energy @ filters.to(energy)).clamp(min=floor).log()

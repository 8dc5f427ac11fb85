"""Log-mel frames: against scipy's transform and plain loops."""

import cmath
import math

import pytest
import torch
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann
from torch.testing import assert_close

from attention_book.data.speech.log_mel import log_mel, mel_filters

RATE, FFT, WINDOW, HOP, MELS = 8000, 32, 20, 7, 5


@pytest.fixture
def filters():
    return mel_filters(MELS, fft_size=FFT, sample_rate=RATE)


@pytest.fixture
def waveform():
    return torch.randn(83, dtype=torch.float64)


def test_each_number_by_loops(waveform, filters):
    got = log_mel(waveform, filters, window=WINDOW, hop=HOP)
    x = waveform.tolist()
    assert got.shape == (1 + (len(x) - WINDOW) // HOP, MELS)
    for t in range(len(got)):
        energy = []
        for b in range(FFT // 2 + 1):
            total = 0j
            for n in range(WINDOW):
                w = 0.5 - 0.5 * math.cos(2 * math.pi * n / WINDOW)
                turn = cmath.exp(-2j * math.pi * b * n / FFT)
                total += w * x[t * HOP + n] * turn
            energy.append(abs(total) ** 2)
        for k in range(MELS):
            band = sum(float(filters[b, k]) * e for b, e in enumerate(energy))
            assert_close(got[t, k].item(), math.log(band))


def test_energies_are_those_of_scipy(waveform):
    transform = ShortTimeFFT(hann(WINDOW, sym=False), 5, RATE, mfft=FFT)
    energy = transform.spectrogram(waveform.numpy()).T
    got = log_mel(waveform, torch.eye(FFT // 2 + 1), window=WINDOW, hop=5).exp()
    # Its frames have their middle, not their start, at multiples of the hop.
    first = WINDOW // 2 // 5 - transform.p_min
    assert_close(got, torch.from_numpy(energy[first : first + len(got)]))


def test_bands_are_triangles_on_the_mel_scale():
    filters = mel_filters(4, fft_size=4096, sample_rate=RATE, low=200.0, high=3e3)
    hertz = torch.linspace(0, RATE / 2, 2049)
    mel = 2595 * torch.log10(1 + hertz / 700)
    low, high = (2595 * math.log10(1 + f / 700) for f in (200, 3000))
    step = (high - low) / 5
    for band in range(4):
        middle = low + (band + 1) * step
        peak = filters[:, band].argmax()
        assert abs(mel[peak] - middle) < 2
        inside = (mel > middle - step) & (mel < middle + step)
        assert torch.equal(filters[:, band] > 0, inside)
    # Between the first and the last middle the triangles sum to 1.
    between = (mel > low + step) & (mel < high - step)
    assert_close(filters.sum(dim=1)[between], torch.ones(int(between.sum())))


def test_a_tone_is_in_its_band_and_silence_is_at_the_floor():
    filters = mel_filters(20, fft_size=256, sample_rate=RATE)
    peaks = 31.25 * filters.argmax(dim=0)
    for hertz in (697.0, 1477.0):
        time = torch.arange(400) / RATE
        tone = (2 * math.pi * hertz * time).sin()
        band = log_mel(tone, filters, window=200, hop=80)[1].argmax()
        assert abs(peaks[band] - hertz) < 100
    silent = log_mel(torch.zeros(400), filters, window=200, hop=80, floor=1e-3)
    assert_close(silent, torch.full((3, 20), math.log(1e-3)))


def test_errors(filters, waveform):
    for wrong in ({"low": -1.0}, {"low": 400.0, "high": 300.0}, {"high": 4001.0}):
        with pytest.raises(ValueError, match=r"half the sample rate \(4000 Hz\)"):
            mel_filters(3, fft_size=FFT, sample_rate=RATE, **wrong)
    with pytest.raises(ValueError, match="fft_size must be even, got 255"):
        mel_filters(3, fft_size=255, sample_rate=RATE)
    with pytest.raises(ValueError, match="num_mels must be at least 1, got 0"):
        mel_filters(0, fft_size=FFT, sample_rate=RATE)
    for window, sound in ((33, waveform), (20, waveform[:19])):
        with pytest.raises(ValueError, match=rf"window \({window}\) must not"):
            log_mel(sound, filters, window=window, hop=HOP)
    with pytest.raises(ValueError, match="hop must be at least 1, got 0"):
        log_mel(waveform, filters, window=WINDOW, hop=0)
    with pytest.raises(ValueError, match=r"floor must be positive, got 0\.0"):
        log_mel(waveform, filters, window=WINDOW, hop=HOP, floor=0.0)

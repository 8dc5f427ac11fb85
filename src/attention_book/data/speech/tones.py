"""A telephone's tones: digits that are dialled, as log-mel frames with known times."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attention_book.data.captions.captions import Caption
from attention_book.data.captions.digit_scenes import DIGITS
from attention_book.data.captions.frames import marked_spans
from attention_book.data.speech.log_mel import log_mel, mel_filters
from attention_book.functional import check_counts

SAMPLE_RATE = 8000
WINDOW, HOP = 200, 80  # samples: 25 and 10 milliseconds
FFT_SIZE = 256
LOW = (697.0, 770.0, 852.0, 941.0)
HIGH = (1209.0, 1336.0, 1477.0)
KEYS = ((1, 2, 3), (4, 5, 6), (7, 8, 9), (None, 0, None))
PAIRS = {
    digit: (low, high)
    for low, row in zip(LOW, KEYS, strict=True)
    for high, digit in zip(HIGH, row, strict=True)
    if digit is not None
}
"""For each digit its two frequencies in hertz: the row and the column of its key."""
# With the defaults the log energies have about this mean and standard deviation.
CENTRE, SPREAD = -1.0, 2.4


class Span(NamedTuple):
    """The frames of a tone: those whose middle it sounds in.

    Attributes:
        start: the first, from 0.
        stop: the one after the last.
    """

    start: int
    stop: int


@dataclass(frozen=True)
class ToneUtterance:
    """A dialled number: its sound, its frames, and when each digit sounds.

    Attributes:
        waveform: samples, :data:`SAMPLE_RATE` a second.
        frames: log energies of the mel bands, scaled alike in all utterances; one row
            for each :data:`HOP` samples.
        caption: the names of the digits.
        spans: the frames of each digit.

    Raises:
        ValueError: if there is no digit, or not one span for each.
    """

    waveform: Float[Tensor, " samples"]
    frames: Float[Tensor, "frames num_mels"]
    caption: Caption
    spans: tuple[Span, ...]

    def __post_init__(self) -> None:
        if not self.caption or len(self.caption) != len(self.spans):
            raise ValueError(
                "an utterance needs at least one digit and a span for each, got "
                f"{len(self.caption)} digits and {len(self.spans)} spans"
            )


@dataclass(frozen=True)
class ToneSplits:
    """Utterances in three parts.

    Attributes:
        train: utterances to train on.
        dev: utterances to select a model with.
        test: utterances to report results on.
    """

    train: list[ToneUtterance]
    dev: list[ToneUtterance]
    test: list[ToneUtterance]


def tones(
    *,
    train: int,
    test: int,
    dev: int = 0,
    min_digits: int = 1,
    max_digits: int = 5,
    repeat_p: float = 0.3,
    tone: tuple[float, float] = (0.06, 0.16),
    pause: tuple[float, float] = (0.04, 0.12),
    gain: tuple[float, float] = (-12.0, 0.0),
    noise: float = 0.02,
    num_mels: int = 20,
    seed: int = 0,
) -> ToneSplits:
    r"""Numbers dialled on a telephone: each digit is two tones at once.

    .. math:: x(t) = g \bigl(\tfrac12 \sin(2\pi f_1 t + \varphi_1) +
        \tfrac12 \sin(2\pi f_2 t + \varphi_2)\bigr) + \epsilon(t)

    How long a tone sounds, the pauses before, between and after, the phases and the
    gain of an utterance are random. A digit often equals the one before: the same sound
    comes again, and only the pause between tells that there are two. Nothing is said
    about how long a sequence may be: with other ``min_digits`` and ``max_digits`` the
    same function makes longer utterances, scaled in the same way.

    Size: as requested; with the defaults an utterance has 12 to 150 frames, one every
        10 milliseconds.
    Source: frequencies of ITU-T Recommendation Q.23; made here, no download.

    Args:
        train: number of utterances to train on.
        test: number of utterances to report results on.
        dev: number of utterances to select a model with.
        min_digits: smallest number of digits.
        max_digits: largest number of digits; all counts are equally likely.
        repeat_p: probability that a digit equals the one before; the other nine share
            the rest.
        tone: shortest and longest tone, in seconds.
        pause: shortest and longest pause, in seconds.
        gain: smallest and largest gain of an utterance, in decibels.
        noise: standard deviation of the white noise; full scale is 1.
        num_mels: number of mel bands.
        seed: seed of all random choices.

    Raises:
        ValueError: if ``train``, ``test`` or ``num_mels`` is not positive, ``dev`` or
            ``noise`` is negative, ``min_digits`` is below 1 or above ``max_digits``,
            ``repeat_p`` is no probability, a range does not rise, or a tone or a pause
            may be shorter than 0.02 seconds, two hops.
        TypeError: if ``num_mels`` is not an integer.

    Example:
        >>> dialled = tones(train=1, test=1, seed=1).train[0]
        >>> dialled.caption, dialled.frames.shape
        (('five', 'five', 'four'), torch.Size([62, 20]))
        >>> [(span.start, span.stop) for span in dialled.spans]
        [(7, 16), (24, 34), (38, 53)]
    """
    for name, count, least in (("train", train, 1), ("test", test, 1), ("dev", dev, 0)):
        if count < least:
            raise ValueError(f"{name} must be at least {least}, got {count}")
    check_counts(num_mels=num_mels)
    if not 1 <= min_digits <= max_digits:
        raise ValueError(
            f"min_digits must be from 1 to max_digits ({max_digits}), got {min_digits}"
        )
    if not 0 <= repeat_p <= 1:
        raise ValueError(f"repeat_p must be from 0 to 1, got {repeat_p}")
    if not noise >= 0:
        raise ValueError(f"noise must not be negative, got {noise}")
    shortest = 2 * HOP / SAMPLE_RATE
    for name, bounds, lowest in (
        ("tone", tone, shortest),
        ("pause", pause, shortest),
        ("gain", gain, -np.inf),
    ):
        if not lowest <= bounds[0] <= bounds[1]:
            raise ValueError(
                f"{name} must be a range that rises, from at least {lowest:g} on,"
                f" got {bounds}"
            )
    rng = np.random.default_rng(seed)
    filters = mel_filters(num_mels, fft_size=FFT_SIZE, sample_rate=SAMPLE_RATE)
    parts: dict[str, list[ToneUtterance]] = {}
    for part, count in (("train", train), ("dev", dev), ("test", test)):
        parts[part] = []
        for _ in range(count):
            digits = _number(
                rng, int(rng.integers(min_digits, max_digits + 1)), repeat_p
            )
            lengths = rng.uniform(*tone, len(digits))
            pauses = rng.uniform(*pause, len(digits) + 1)
            level = 10 ** (rng.uniform(*gain) / 20)
            waveform, spans = _dial(rng, digits, lengths, pauses, level, noise)
            energies = log_mel(waveform, filters, window=WINDOW, hop=HOP)
            frames = (energies - CENTRE) / SPREAD
            words = tuple(DIGITS[digit] for digit in digits)
            parts[part].append(ToneUtterance(waveform, frames, words, spans))
    return ToneSplits(**parts)


def tone_frames(
    utterances: Sequence[ToneUtterance], reduction: int = 1
) -> Bool[Tensor, "utterances words positions"]:
    """For each word of the captions, the frames or annotations of its tone.

    Args:
        utterances: padded to the longest caption and to the longest utterance.
        reduction: frames for each annotation of an encoder; 1: the frames themselves.

    Returns:
        True at annotation j if the tone sounds in a frame from ``reduction * j`` to
        ``reduction * j + reduction - 1``; nowhere for a padded word.

    Raises:
        ValueError: if there are no utterances, or ``reduction`` is below 1.
        TypeError: if ``reduction`` is not an integer.

    Example:
        >>> dialled = tones(train=1, test=1, max_digits=1).train
        >>> tone_frames(dialled)[0, 0].nonzero().flatten().tolist()
        [4, 5, 6, 7, 8, 9, 10, 11]
        >>> tone_frames(dialled, reduction=4)[0, 0].nonzero().flatten().tolist()
        [1, 2]
    """
    return marked_spans(
        [utterance.spans for utterance in utterances],
        [len(utterance.frames) for utterance in utterances],
        reduction,
    )


def _number(rng: np.random.Generator, length: int, repeat_p: float) -> list[int]:
    digits = [int(rng.integers(10))]
    while len(digits) < length:
        # One of the nine others, unless it is repeated.
        other = (digits[-1] + int(rng.integers(1, 10))) % 10
        digits.append(digits[-1] if rng.random() < repeat_p else other)
    return digits


def _dial(
    rng: np.random.Generator,
    digits: list[int],
    lengths: np.ndarray,
    pauses: np.ndarray,
    level: float,
    noise: float,
) -> tuple[Float[Tensor, " samples"], tuple[Span, ...]]:
    """The sound of a number, and the frames of its tones; lengths are in seconds."""
    sounding, silent = (
        np.round(SAMPLE_RATE * seconds).astype(int) for seconds in (lengths, pauses)
    )
    sound = noise * rng.standard_normal(int(sounding.sum() + silent.sum()))
    start, spans = 0, []
    for digit, length, gap in zip(digits, sounding, silent[:-1], strict=True):
        start += int(gap)
        stop = start + int(length)
        time = np.arange(length) / SAMPLE_RATE
        for frequency, phase in zip(PAIRS[digit], rng.random(2), strict=True):
            turns = frequency * time + phase
            sound[start:stop] += level / 2 * np.sin(2 * np.pi * turns)
        # The middle of frame t is sample t * HOP + WINDOW / 2; rounded up.
        first, after = (-((WINDOW // 2 - edge) // HOP) for edge in (start, stop))
        spans.append(Span(first, after))
        start = stop
    return torch.from_numpy(sound.astype(np.float32)), tuple(spans)

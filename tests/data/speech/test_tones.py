"""Telephone tones: sound, frames, digits and times say the same."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.data.captions.digit_scenes import DIGITS
from attention_book.data.speech.log_mel import log_mel, mel_filters
from attention_book.data.speech.tones import (
    CENTRE,
    FFT_SIZE,
    HIGH,
    HOP,
    LOW,
    SAMPLE_RATE,
    SPREAD,
    WINDOW,
    Span,
    ToneUtterance,
    tone_frames,
    tones,
)

KEYPAD = "123456789*0#"


@pytest.fixture(scope="module")
def splits():
    return tones(train=120, dev=5, test=20, seed=3)


def heard(samples):
    """The digit of a sound, from the energy at each frequency (Goertzel)."""
    time = np.arange(len(samples)) / SAMPLE_RATE
    energies = [
        [abs(samples @ np.exp(-2j * np.pi * f * time)) for f in group]
        for group in (LOW, HIGH)
    ]
    row, column = (int(np.argmax(energy)) for energy in energies)
    return DIGITS[int(KEYPAD[3 * row + column])]


def test_a_receiver_hears_the_digits_at_their_times(splits):
    for utterance in splits.train:
        sound = utterance.waveform.numpy()
        for word, span in zip(utterance.caption, utterance.spans, strict=True):
            middles = np.arange(span.start, span.stop) * HOP + WINDOW // 2
            assert heard(sound[middles[0] : middles[-1] + 1]) == word


def test_energy_is_in_the_spans_alone():
    for utterance in tones(train=30, test=1, noise=0.0, seed=1).train:
        sounds = torch.zeros(len(utterance.frames), dtype=torch.bool)
        for span in utterance.spans:
            sounds[span.start : span.stop] = True
        # The middle sample of each frame: silence is exactly 0 without noise.
        middles = torch.arange(len(sounds)) * HOP + WINDOW // 2
        near = torch.stack([utterance.waveform[middles + i] for i in range(3)])
        assert torch.equal(near[0] != 0, sounds)
        ends = torch.zeros_like(sounds)  # a frame's width on each side of a border
        for start, stop in utterance.spans:
            for edge in (start, stop):
                ends[max(edge - 2, 0) : edge + 2] = True
        loudest = utterance.frames.amax(dim=1)
        assert loudest[sounds].min() > loudest[~sounds & ~ends].max()


def test_frames_are_those_of_the_sound(splits):
    utterance = splits.test[0]
    filters = mel_filters(20, fft_size=FFT_SIZE, sample_rate=SAMPLE_RATE)
    energies = log_mel(utterance.waveform, filters, window=WINDOW, hop=HOP)
    assert_close(utterance.frames, (energies - CENTRE) / SPREAD)


def test_frames_have_about_mean_0_and_deviation_1(splits):
    frames = torch.cat([utterance.frames for utterance in splits.train])
    assert abs(frames.mean()) < 0.1
    assert abs(frames.std() - 1) < 0.1


def test_durations_counts_and_repeats(splits):
    assert set(Counter(len(u.caption) for u in splits.train)) == {1, 2, 3, 4, 5}
    for utterance in splits.train:
        for span in utterance.spans:
            assert 5 <= span.stop - span.start <= 17
        for before, after in pairwise(utterance.spans):
            assert 3 <= after.start - before.stop <= 13
        assert utterance.spans[0].start >= 0
        assert utterance.spans[-1].stop <= len(utterance.frames)
    assert len({word for u in splits.train for word in u.caption}) == 10
    long = tones(train=8, test=1, min_digits=30, max_digits=30, repeat_p=0.3).train
    repeats = [a == b for u in long for a, b in pairwise(u.caption)]
    assert abs(sum(repeats) / len(repeats) - 0.3) < 0.1
    never = tones(train=3, test=1, min_digits=20, max_digits=20, repeat_p=0.0).train
    assert not any(a == b for u in never for a, b in pairwise(u.caption))
    always = tones(train=1, test=1, min_digits=4, max_digits=4, repeat_p=1.0).train
    assert len(set(always[0].caption)) == 1


def test_a_seed_gives_the_same_utterances():
    first, again, other = (tones(train=2, test=1, seed=s).train for s in (5, 5, 6))
    for a, b in zip(first, again, strict=True):
        assert_close(a.waveform, b.waveform, rtol=0, atol=0)
        assert_close(a.frames, b.frames, rtol=0, atol=0)
        assert (a.caption, a.spans) == (b.caption, b.spans)
    assert first[0].spans != other[0].spans


def test_marked_frames_are_those_of_the_spans(splits):
    utterances = splits.test[:6]
    for reduction in (1, 4):
        marked = tone_frames(utterances, reduction)
        for row, utterance in enumerate(utterances):
            for word in range(marked.shape[1]):
                want = set()
                if word < len(utterance.spans):
                    span = utterance.spans[word]
                    want = {t // reduction for t in range(span.start, span.stop)}
                assert set(marked[row, word].nonzero().flatten().tolist()) == want


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"train": 0}, "train must be at least 1, got 0"),
        ({"dev": -1}, "dev must be at least 0, got -1"),
        ({"min_digits": 6}, r"min_digits must be from 1 to max_digits \(5\), got 6"),
        ({"repeat_p": 1.5}, r"repeat_p must be from 0 to 1, got 1\.5"),
        ({"noise": -1.0}, r"noise must not be negative, got -1\.0"),
        ({"tone": (0.01, 0.1)}, r"tone must be a range.*at least 0\.02 on, got"),
        ({"pause": (0.2, 0.1)}, r"pause must be a range.*got \(0\.2, 0\.1\)"),
        ({"gain": (0.0, -1.0)}, "gain must be a range"),
        ({"num_mels": 0}, "num_mels must be at least 1, got 0"),
    ],
)
def test_errors(wrong, message):
    with pytest.raises(ValueError, match=message):
        tones(**{"train": 1, "test": 1, **wrong})


def test_an_utterance_needs_a_span_for_each_digit():
    sound, frames = torch.zeros(300), torch.zeros(2, 20)
    with pytest.raises(ValueError, match="got 1 digits and 2 spans"):
        ToneUtterance(sound, frames, ("one",), (Span(0, 1), Span(1, 2)))
    with pytest.raises(ValueError, match="at least one digit"):
        ToneUtterance(sound, frames, (), ())

"""Speech: sounds as log-mel frames."""

from attention_book.data.speech.log_mel import log_mel, mel_filters
from attention_book.data.speech.tones import (
    Span,
    ToneSplits,
    ToneUtterance,
    tone_frames,
)

__all__ = [
    "Span",
    "ToneSplits",
    "ToneUtterance",
    "log_mel",
    "mel_filters",
    "tone_frames",
]

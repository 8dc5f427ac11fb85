"""What benchmarks share: the machine, random sentences, ratios of times in turns."""

import platform
import statistics
from collections.abc import Sequence

import torch
from torch import Tensor

from attention_book.chapters.provenance import processor
from attention_book.data.vocab import PAD, SPECIAL_TOKENS
from attention_book.functional import token_mask


def machine(device: str = "cpu") -> str:
    """Device, threads and versions: what a time is worth nothing without."""
    name = torch.cuda.get_device_name() if device == "cuda" else processor()
    return (
        f"{name}, {torch.get_num_threads()} threads, {platform.system()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Median and quartiles of our times over theirs, round by round."""
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def random_sentences(
    lengths: Tensor, longest: int, vocab: int
) -> tuple[Tensor, Tensor]:
    """Ids of random words, padded to ``longest`` tokens, and True at the words."""
    mask = token_mask(lengths, longest)
    ids = torch.randint(len(SPECIAL_TOKENS), vocab, mask.shape)
    return ids.masked_fill(~mask, PAD), mask

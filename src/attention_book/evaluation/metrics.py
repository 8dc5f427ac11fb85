"""How good outputs are: for a whole test set, and sentence by sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Bleu:
    """Corpus BLEU.

    Attributes:
        score: from 0 to 100.
        signature: sacrebleu's: with it, somebody else can compute the same number.
        low: lower end of the 95 % interval; None without bootstrap.
        high: its upper end.
    """

    score: float
    signature: str
    low: float | None = None
    high: float | None = None


def corpus_bleu(
    hypotheses: list[str],
    references: list[str],
    *,
    lowercase: bool = False,
    tokenize: str = "13a",
    bootstrap: int = 0,
) -> Bleu:
    """BLEU of a whole test set by sacrebleu, one reference a sentence.

    Args:
        hypotheses: the outputs, as text.
        references: what they should be, in the same order.
        lowercase: whether upper and lower case are the same.
        tokenize: sacrebleu's tokenizer; "none" for text whose tokens are set apart by
            spaces already.
        bootstrap: number of resampled test sets for the interval, drawn with
            sacrebleu's own seed; 0: no interval.

    Raises:
        ValueError: if the numbers of sentences differ or are 0, or ``bootstrap`` is
            negative.

    Example:
        >>> text = ["the cat sat on the mat"]
        >>> round(corpus_bleu(text, text).score, 3)
        100.0
    """
    from sacrebleu.metrics import BLEU  # here: it takes long and few runs need it

    _check_pairs(hypotheses, references)
    if bootstrap < 0:
        raise ValueError(f"bootstrap must not be negative, got {bootstrap}")
    metric = BLEU(lowercase=lowercase, tokenize=tokenize)
    result = metric.corpus_score(hypotheses, [references], n_bootstrap=bootstrap)
    signature = metric.get_signature().format()
    if not bootstrap:
        return Bleu(result.score, signature)
    # sacrebleu offers the interval rounded and as text only, except in these two.
    mean, half = float(result._mean), float(result._ci)
    return Bleu(result.score, signature, mean - half, mean + half)


def exact_match(
    hypotheses: Sequence[Sequence[Any]], references: Sequence[Sequence[Any]]
) -> Float[np.ndarray, " sentences"]:
    """Whether each output is what it should be, as a whole: 1 or 0.

    Args:
        hypotheses: the outputs, each a text or a sequence of tokens.
        references: what they should be, in the same order.

    Raises:
        ValueError: if the numbers of sentences differ or are 0.

    Example:
        >>> exact_match([["ein", "und"], ["zwei"]], [("ein",), ("zwei",)])
        array([0., 1.])
    """
    _check_pairs(hypotheses, references)
    pairs = zip(hypotheses, references, strict=True)
    # As lists: a list never equals a tuple, whatever is in them.
    return np.array([float(list(ours) == list(wanted)) for ours, wanted in pairs])


def token_accuracy(
    hypotheses: Sequence[Sequence[Any]], references: Sequence[Sequence[Any]]
) -> Float[np.ndarray, " sentences"]:
    """Fraction of right tokens of each output, position by position.

    A token is right if the reference has the same one at the same position; those
    missing at the end and those too many are wrong. So the fraction is of the longer of
    the two. One word left out makes all that follow wrong, as it does for a reader who
    counts places; a measure that shifts would be BLEU.

    Args:
        hypotheses: the outputs, as sequences of tokens, without <bos> and <eos>.
        references: what they should be, in the same order.

    Raises:
        ValueError: if the numbers of sentences differ or are 0.
        TypeError: if a sentence is text: its characters are no tokens.

    Example:
        >>> token_accuracy([[5, 6], [5, 6, 7, 8]], [[5, 7], [5, 6, 7]])
        array([0.5 , 0.75])
    """
    _check_pairs(hypotheses, references)
    fractions = []
    for pair in zip(hypotheses, references, strict=True):
        if any(isinstance(sentence, str) for sentence in pair):
            raise TypeError(
                "a sentence must be a sequence of tokens, got str: split it"
            )
        right = sum(ours == wanted for ours, wanted in zip(*pair, strict=False))
        longer = max(map(len, pair))
        fractions.append(right / longer if longer else 1.0)
    return np.array(fractions)


def _check_pairs(hypotheses: Sequence[Any], references: Sequence[Any]) -> None:
    if len(hypotheses) != len(references):
        raise ValueError(
            f"hypotheses ({len(hypotheses)}) and references ({len(references)}) must "
            "be equally many"
        )
    if not len(hypotheses):
        raise ValueError("hypotheses must not be empty")

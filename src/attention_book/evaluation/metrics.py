"""How good outputs are: for a whole test set, and sentence by sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Bleu:
    """Corpus BLEU.

    Attributes:
        score: BLEU from 0 to 100.
        signature: sacrebleu's signature, with which others can compute the same number.
        low: lower end of the 95 % interval; None without bootstrap.
        high: its upper end.
    """

    score: float
    signature: str
    low: float | None = None
    high: float | None = None


def corpus_bleu(
    hypotheses: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    *,
    lowercase: bool = False,
    tokenize: str = "13a",
    bootstrap: int = 0,
) -> Bleu:
    """BLEU of a whole test set, computed by sacrebleu.

    BLEU multiplies the precisions of n-grams up to length 4, counted over the whole
    test set. A test set without any 4-gram, whose sentences all have fewer than four
    tokens, therefore has BLEU 0, even if every sentence is right:
    ``corpus_bleu(["yes"], ["yes"])`` is 0. Use :func:`exact_match` for such outputs.

    Args:
        hypotheses: the outputs, as text.
        references: for each output, in the same order, the right text or a list of
            several right texts. Their numbers may differ.
        lowercase: whether to ignore case.
        tokenize: name of sacrebleu's tokenizer; "none" for text whose tokens are
            already separated by spaces.
        bootstrap: number of resampled test sets for the interval, at least 2, drawn
            with sacrebleu's own seed; 0: no interval.

    Raises:
        ValueError: if the numbers of sentences differ or are 0, an output has no
            reference, ``tokenize`` is unknown, or ``bootstrap`` is negative or 1.
        TypeError: if one text comes in place of a list of texts, or a sentence is not
            text.
        RuntimeError: if the tokenizer needs files or packages that are not installed.

    Source: Papineni et al. (2002), doi:10.3115/1073083.1073135; Post (2018),
        arXiv:1804.08771.

    Example:
        >>> text = ["the cat sat on the mat"]
        >>> round(corpus_bleu(text, text).score, 3)
        100.0
        >>> corpus_bleu(text, [["a cat was here", *text]]).signature.split("|")[0]
        'nrefs:2'
    """
    from sacrebleu.metrics import BLEU  # here: it takes long and few runs need it

    _check_pairs(hypotheses, references)
    columns = _reference_columns(hypotheses, references)
    if bootstrap < 0 or bootstrap == 1:
        raise ValueError(f"bootstrap must be 0 or at least 2, got {bootstrap}")
    if tokenize not in BLEU.TOKENIZERS:
        raise ValueError(
            f"tokenize must be one of {', '.join(sorted(BLEU.TOKENIZERS))}, got "
            f"{tokenize!r}"
        )
    try:
        metric = BLEU(lowercase=lowercase, tokenize=tokenize)
    except (ImportError, OSError, RuntimeError) as error:
        message = " ".join(str(error).split())
        raise RuntimeError(
            f"tokenize is {tokenize!r}, which does not work here: {message}"
        ) from error
    # A hypothesis may have None in some columns; sacrebleu's annotations omit that.
    result: Any = metric.corpus_score(
        hypotheses,
        columns,  # type: ignore[arg-type]
        n_bootstrap=bootstrap,
    )
    signature = metric.get_signature().format()
    if not bootstrap:
        return Bleu(result.score, signature)
    # sacrebleu offers the interval rounded and as text only, except in these two.
    mean, half = float(result._mean), float(result._ci)
    return Bleu(result.score, signature, mean - half, mean + half)


def exact_match(
    hypotheses: Sequence[Sequence[Any]], references: Sequence[Sequence[Any]]
) -> Float[np.ndarray, " sentences"]:
    """Whether each output equals its reference as a whole: 1 or 0.

    Args:
        hypotheses: the outputs, each a text or a sequence of tokens.
        references: the right outputs, in the same order.

    Raises:
        ValueError: if the numbers of sentences differ or are 0.
        TypeError: if one text comes in place of a list of sentences, or a text is to
            be compared with tokens.

    Example:
        >>> exact_match([["ein", "und"], ["zwei"]], [("ein",), ("zwei",)])
        array([0., 1.])
    """
    _check_pairs(hypotheses, references)
    same = []
    for number, pair in enumerate(zip(hypotheses, references, strict=True)):
        ours, wanted = pair
        if isinstance(ours, str) != isinstance(wanted, str):
            raise TypeError(
                f"sentence {number} (from 0) and its reference must both be text or "
                f"both tokens, got {ours!r} and {wanted!r}"
            )
        # As lists: a list never equals a tuple, whatever is in them.
        same.append(float(list(ours) == list(wanted)))
    return np.array(same)


def token_accuracy(
    hypotheses: Sequence[Sequence[Any]], references: Sequence[Sequence[Any]]
) -> Float[np.ndarray, " sentences"]:
    """Fraction of right tokens of each output, position by position.

    A token is right if the reference has the same token at the same position. Missing
    and superfluous tokens at the end are wrong, so the fraction is of the longer of the
    two. One omitted word makes all words after it wrong; BLEU is a measure that does
    not depend on positions.

    Args:
        hypotheses: the outputs, as sequences of tokens, without <bos> and <eos>.
        references: the right outputs, in the same order.

    Raises:
        ValueError: if the numbers of sentences differ or are 0.
        TypeError: if a sentence is text, whose characters are not tokens.

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


def _reference_columns(
    hypotheses: Sequence[str], references: Sequence[str] | Sequence[Sequence[str]]
) -> list[list[str | None]]:
    """References as sacrebleu takes them: first ones, second ones, and so on."""
    rows = [[row] if isinstance(row, str) else list(row) for row in references]
    for number, (text, row) in enumerate(zip(hypotheses, rows, strict=True)):
        if not row:
            raise ValueError(f"references[{number}] must hold at least one text")
        if not all(isinstance(one, str) for one in (text, *row)):
            raise TypeError(
                f"sentence {number} (from 0) and its references must be text, got "
                f"{text!r} and {row}: join tokens by spaces"
            )
    return [list(column) for column in zip_longest(*rows)]


def _check_pairs(hypotheses: Sequence[Any], references: Sequence[Any]) -> None:
    for name, texts in ("hypotheses", hypotheses), ("references", references):
        if isinstance(texts, str):
            raise TypeError(f"{name} must be a list of sentences, got {texts!r}")
    if len(hypotheses) != len(references):
        raise ValueError(
            f"hypotheses ({len(hypotheses)}) and references ({len(references)}) must "
            "be equally many"
        )
    if not len(hypotheses):
        raise ValueError("hypotheses must not be empty")

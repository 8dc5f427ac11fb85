"""BLEU against its definition, matches sentence by sentence."""

import math
from collections import Counter

import pytest
import sacrebleu
from torch.testing import assert_close

from attention_book.evaluation.metrics import corpus_bleu, exact_match, token_accuracy

HYPOTHESES = ["The cat sat on the mat .", "a dog ran", "two birds sing in the tree"]
REFERENCES = ["the cat sat on a mat .", "a dog runs", "two birds sing in a tall tree"]


def plain_bleu(hypotheses, references):
    """Papineni et al. 2002: brevity penalty and four clipped precisions."""
    log_precision = 0.0
    for n in range(1, 5):
        right = total = 0
        for ours, wanted in zip(hypotheses, references, strict=True):
            grams = [
                Counter(zip(*(words[i:] for i in range(n)), strict=False))
                for words in (ours.split(), wanted.split())
            ]
            right += (grams[0] & grams[1]).total()
            total += grams[0].total()
        log_precision += math.log(right / total) / 4
    ours, wanted = (
        sum(len(text.split()) for text in texts) for texts in (hypotheses, references)
    )
    return 100 * min(1.0, math.exp(1 - wanted / ours)) * math.exp(log_precision)


def test_bleu_is_the_definition():
    bleu = corpus_bleu(HYPOTHESES, REFERENCES, tokenize="none")
    assert_close(bleu.score, plain_bleu(HYPOTHESES, REFERENCES))
    lower = corpus_bleu(HYPOTHESES, REFERENCES, tokenize="none", lowercase=True)
    assert_close(lower.score, plain_bleu([h.lower() for h in HYPOTHESES], REFERENCES))
    assert lower.score > bleu.score
    assert (bleu.low, bleu.high) == (None, None)


def test_signature_says_how_it_was_computed():
    bleu = corpus_bleu(HYPOTHESES, REFERENCES)
    assert bleu.signature == (
        f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"
    )
    bleu = corpus_bleu(
        HYPOTHESES, REFERENCES, lowercase=True, tokenize="none", bootstrap=50
    )
    for part in ("bs:50", "case:lc", "tok:none"):
        assert part in bleu.signature.split("|")


def test_bleu_interval():
    ours, wanted = HYPOTHESES * 5, REFERENCES * 5
    bleu = corpus_bleu(ours, wanted, bootstrap=100)
    assert 0 < bleu.low < bleu.score < bleu.high < 100
    assert corpus_bleu(ours, wanted, bootstrap=100) == bleu
    perfect = corpus_bleu(wanted, wanted, bootstrap=20)
    assert_close((perfect.low, perfect.high), (100.0, 100.0))


def test_exact_match_of_words_and_of_text():
    assert exact_match(["a b", "a  b", ""], ["a b", "a b", ""]).tolist() == [1, 0, 1]
    assert exact_match([(1, 2), [3], []], [[1, 2], [3, 3], ()]).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("ours", "wanted", "fraction"),
    [
        ("a b c", "a b c", 1.0),
        ("a x c", "a b c", 2 / 3),
        ("a b", "a b c", 2 / 3),
        ("a b c d e", "a b c", 3 / 5),
        ("b c", "a b c", 0.0),
        ("", "a b c", 0.0),
        ("", "", 1.0),
    ],
)
def test_token_accuracy(ours, wanted, fraction):
    got = token_accuracy([ours.split(), ["z"]], [tuple(wanted.split()), ["z"]])
    assert_close(got.tolist(), [fraction, 1.0])


def test_text_has_no_tokens():
    with pytest.raises(TypeError, match="sequence of tokens, got str"):
        token_accuracy(["a b"], [["a", "b"]])


@pytest.mark.parametrize("metric", [corpus_bleu, exact_match, token_accuracy])
def test_unequal_and_empty(metric):
    with pytest.raises(ValueError, match=r"hypotheses \(2\) and references \(1\) must"):
        metric(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="hypotheses must not be empty"):
        metric([], [])


def test_negative_bootstrap():
    with pytest.raises(ValueError, match="bootstrap must not be negative, got -1"):
        corpus_bleu(["a"], ["a"], bootstrap=-1)

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


@pytest.mark.parametrize("bootstrap", [-1, 1])
def test_an_interval_needs_two_resampled_test_sets(bootstrap):
    message = f"bootstrap must be 0 or at least 2, got {bootstrap}"
    with pytest.raises(ValueError, match=message):
        corpus_bleu(HYPOTHESES, REFERENCES, bootstrap=bootstrap)


@pytest.mark.parametrize("metric", [corpus_bleu, exact_match, token_accuracy])
def test_one_text_is_no_list_of_sentences(metric, no_shape_checks):
    with pytest.raises(TypeError, match="hypotheses must be a list of sentences"):
        metric("abcd", ["abcd"])
    with pytest.raises(TypeError, match=r"references must be a list of .*'abcd'"):
        metric(["a", "b", "c", "d"], "abcd")


def test_sentences_of_bleu_are_text(no_shape_checks):
    with pytest.raises(TypeError, match=r"sentence 1 .* must be text.*join tokens"):
        corpus_bleu(["a b", ["c", "d"]], ["a b", "c d"])
    with pytest.raises(TypeError, match=r"sentence 0 .* must be text, got 'a' and \[3"):
        corpus_bleu(["a"], [[3]])


def test_bleu_of_several_references():
    """A clipped count is at most the largest of any reference; the closest length."""
    ours = ["the cat sat on the mat"]
    one, other = "a cat sat on the mat today", "the cat lay on the mat"
    both = corpus_bleu(ours, [[one, other]], tokenize="none")
    right = [6, 5, 3, 2]  # of n-grams 1 to 4, each in one reference or the other
    precisions = [right[n] / (6 - n) for n in range(4)]
    assert_close(both.score, 100 * math.prod(precisions) ** (1 / 4))
    assert both.score > corpus_bleu(ours, [one], tokenize="none").score
    assert both.score > corpus_bleu(ours, [other], tokenize="none").score
    assert both.signature.startswith("nrefs:2|")


def test_numbers_of_references_may_differ():
    references = [["x", REFERENCES[0]], REFERENCES[1], [REFERENCES[2]]]
    bleu = corpus_bleu(HYPOTHESES, references, bootstrap=20)
    assert bleu.score == corpus_bleu(HYPOTHESES, REFERENCES).score
    assert bleu.low < bleu.score < bleu.high
    with pytest.raises(
        ValueError, match=r"references\[1\] must hold at least one text"
    ):
        corpus_bleu(HYPOTHESES, [["a"], [], ["b"]])


def test_short_sentences_have_no_4_grams():
    assert corpus_bleu(["yes"], ["yes"]).score == 0
    assert corpus_bleu(["yes it is so"], ["yes it is so"]).score == pytest.approx(100)


def test_tokenizers_that_do_not_work(monkeypatch):
    with pytest.raises(ValueError, match=r"tokenize must be one of 13a, .*got 'moses'"):
        corpus_bleu(["a"], ["a"], tokenize="moses")

    # sacrebleu asks for a package, or fetches a file where it is not there yet.
    def fetch(self, **_):
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr(sacrebleu.metrics.BLEU, "__init__", fetch)
    with pytest.raises(
        RuntimeError, match=r"tokenize is 'zh', which does not .*: no network"
    ):
        corpus_bleu(["a"], ["a"], tokenize="zh")


@pytest.mark.parametrize("pair", [("ein und", ["ein", "und"]), (["ein"], "ein")])
def test_text_is_not_matched_with_tokens(pair):
    ours, wanted = pair
    with pytest.raises(
        TypeError, match=r"sentence 1 \(from 0\) and its reference must"
    ):
        exact_match([ours, ours], [ours, wanted])

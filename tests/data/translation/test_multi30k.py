"""Multi30k: the whole real files, where the mirror is there."""

import pytest
import sacrebleu

from attention_book.data.translation.multi30k import multi30k, multi30k_lines

SIZES = {"train": 29_000, "val": 1014, "test2016": 1000, "test2017": 1000}


@pytest.mark.parametrize("split", SIZES)
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_lines(mirror, split, language):
    lines = multi30k_lines(split, language)
    assert len(lines) == SIZES[split]
    assert all(line.strip() for line in lines)


@pytest.mark.parametrize("split", ["val", "test2016", "test2017"])
@pytest.mark.parametrize("languages", [("de", "en"), ("en", "fr")])
def test_pairs(mirror, split, languages):
    pairs = multi30k(split, *languages)
    assert len(pairs) == SIZES[split]
    assert multi30k(split, *languages, limit=3) == pairs[:3]
    for pair in pairs:
        assert pair.alignment is None
        for words in (pair.source, pair.target):
            assert all(
                word == word.lower() and word.split() == [word] for word in words
            )


def test_train_pairs(mirror):
    pairs = multi30k("train")
    assert len(pairs) == 29_000
    assert " ".join(pairs[0].source) == (
        "zwei junge weiße männer sind im freien in der nähe vieler büsche ."
    )
    assert " ".join(pairs[0].target) == (
        "two young , white males are outside near many bushes ."
    )


def test_joined_words_score_100_against_the_raw_lines(mirror):
    hypotheses = [" ".join(pair.target) for pair in multi30k("test2016")]
    bleu = sacrebleu.corpus_bleu(
        hypotheses, [multi30k_lines("test2016", "en")], lowercase=True
    )
    assert bleu.score == pytest.approx(100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dev",), "split must be one of train, val, test2016, test2017, got 'dev'"),
        (("val", "cs", "en"), "language must be one of en, de, fr, got 'cs'"),
        (("val", "en", "xx"), "language must be one of en, de, fr, got 'xx'"),
        (("val", "en", "en"), "source and target must differ, got 'en' twice"),
    ],
)
def test_bad_arguments(arguments, message, tmp_path, monkeypatch):
    # A stand-in for the English file, so that nothing is downloaded before the error.
    monkeypatch.setattr(
        "attention_book.data.translation.multi30k.fetch", lambda name: tmp_path
    )
    with pytest.raises(ValueError, match=message):
        multi30k(*arguments)

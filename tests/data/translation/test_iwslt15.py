"""IWSLT'15: the whole real files, where the mirror is there; a stand-in for "train"."""

import hashlib

import pytest
import sacrebleu

from attention_book.data import downloads
from attention_book.data.downloads import Download, DownloadError, is_here, table
from attention_book.data.translation.iwslt15 import (
    has_training_files,
    iwslt15,
    iwslt15_lines,
)

SIZES = {"train": 133_317, "tst2012": 1553, "tst2013": 1268}
TESTS = ["tst2012", "tst2013"]
TRAIN = ["iwslt15_en_vi/train.en", "iwslt15_en_vi/train.vi"]


@pytest.fixture
def own_train(tmp_path, monkeypatch):
    """A cache with a training set of five lines, three of them with both sides."""
    texts = {
        "en": "I &apos;m here .\n\nYes .\n \nI see .\n",
        "vi": "Tôi ở đây .\nVâng .\n\n\nTôi\u00a0thấy .\n",
    }
    cache = tmp_path / "cache"
    monkeypatch.setenv("ATTENTION_BOOK_CACHE", str(cache))
    monkeypatch.delenv("ATTENTION_BOOK_MIRROR", raising=False)
    entries = {}
    for name in TRAIN:
        raw = texts[name[-2:]].encode()
        digest = hashlib.sha256(raw).hexdigest()
        entries[name] = Download(
            name, len(raw), f"sha256:{digest}", "https://x.invalid"
        )
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_bytes(raw)
    monkeypatch.setattr(downloads, "table", lambda: entries)
    return cache


@pytest.mark.parametrize("split", TESTS)
@pytest.mark.parametrize("language", ["en", "vi"])
def test_lines(mirror, split, language):
    lines = iwslt15_lines(split, language)
    assert len(lines) == SIZES[split]
    # Tokenized: words with one space between them, of no other kind.
    assert all(line and " ".join(line.split()) == line for line in lines)


@pytest.mark.parametrize("split", TESTS)
def test_pairs_are_the_lines_in_both_directions(mirror, split):
    lines = [iwslt15_lines(split, language) for language in ("en", "vi")]
    pairs, turned = iwslt15(split), iwslt15(split, "vi", "en")
    assert [" ".join(pair.source) for pair in pairs] == lines[0]
    assert [" ".join(pair.target) for pair in pairs] == lines[1]
    assert [(pair.target, pair.source) for pair in turned] == [
        (pair.source, pair.target) for pair in pairs
    ]
    assert all(pair.alignment is None for pair in pairs)


def test_case_and_names_of_characters_stay(mirror):
    first = iwslt15("tst2013")[0]
    assert " ".join(first.source) == (
        "When I was little , I thought my country was the best on the planet , and I "
        "grew up singing a song called &quot; Nothing To Envy . &quot;"
    )
    assert first.target[:6] == ("Khi", "tôi", "còn", "nhỏ", ",", "Tôi")
    words = {word for pair in iwslt15("tst2012") for word in pair.source}
    assert words >= {"&apos;s", "&quot;", "&amp;", "&#91;", "&#93;"}


def test_joined_words_score_100_against_the_lines(mirror):
    hypotheses = [" ".join(pair.target) for pair in iwslt15("tst2013")]
    bleu = sacrebleu.corpus_bleu(
        hypotheses, [iwslt15_lines("tst2013", "vi")], tokenize="none"
    )
    assert bleu.score == pytest.approx(100)


def test_train_pairs(mirror):
    if not has_training_files():
        pytest.skip("the mirror does not hold the training files, of 32 MB")
    assert len(iwslt15_lines("train", "en")) == SIZES["train"]
    assert 0 <= SIZES["train"] - len(iwslt15("train")) < 1000


def test_train_leaves_out_pairs_with_an_empty_side(own_train):
    assert has_training_files()
    pairs = iwslt15("train", "vi", "en")
    assert [pair.source for pair in pairs] == [
        ("Tôi", "ở", "đây", "."),
        ("Tôi", "thấy", "."),
    ]
    assert [pair.target[0] for pair in pairs] == ["I", "I"]
    assert len(iwslt15_lines("train", "en")) == 5
    assert pairs[0].source[0] is pairs[1].source[0]  # one string for one word


@pytest.mark.parametrize("missing", TRAIN)
def test_training_files_are_here_only_together(own_train, missing):
    (own_train / missing).unlink()
    assert [is_here(name) for name in TRAIN] == [name != missing for name in TRAIN]
    assert not has_training_files()


def test_train_without_a_network_is_an_error(own_train, monkeypatch):
    (own_train / TRAIN[1]).unlink()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers there
    with pytest.raises(DownloadError, match=r"cannot get iwslt15_en_vi/train\.vi \("):
        iwslt15("train")


def test_table_knows_every_file():
    names = {f"iwslt15_en_vi/{split}.{end}" for split in SIZES for end in ("en", "vi")}
    assert names <= set(table())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dev",), "split must be one of train, tst2012, tst2013, got 'dev'"),
        (("tst2012", "de", "vi"), "language must be one of en, vi, got 'de'"),
        (("tst2012", "en", "en"), "source and target must differ, got 'en' twice"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        iwslt15(*arguments)

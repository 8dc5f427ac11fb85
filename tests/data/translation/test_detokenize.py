"""Detokenizer: words to text, and the whole real test set there and back."""

import pytest
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from attention_book.data.translation.detokenize import Detokenizer
from attention_book.data.translation.multi30k import multi30k, multi30k_lines


def test_punctuation_moves_back_to_its_word():
    join = Detokenizer("en")
    assert join(["two", "men", "(", "and", "a", "dog", ")", ",", "running", "."]) == (
        "two men (and a dog), running."
    )
    assert (
        join(iter(["the", "man's", '"', "red", '"', "hat"])) == 'the man\'s "red" hat'
    )
    assert join([]) == ""


def test_text_that_looks_like_an_entity_stays():
    assert Detokenizer("en")(["&amp;", "x"]) == "&amp; x"


def test_an_unknown_word_is_one_word_of_bleus_tokenizer():
    text = Detokenizer("de")(["ein", "<unk>", "und", "<unk>", "."])
    assert text == "ein ⁇ und ⁇."
    assert Tokenizer13a()(text).split() == ["ein", "⁇", "und", "⁇", "."]
    assert len(Tokenizer13a()("ein <unk>").split()) == 4


def test_one_string_is_refused():
    with pytest.raises(
        TypeError, match="must be a list of words, got the string 'a b'"
    ):
        Detokenizer("en")("a b")


@pytest.mark.parametrize(
    ("source", "target", "exact"), [("de", "en", 999), ("en", "de", 998)]
)
def test_the_test_set_comes_back(mirror, source, target, exact):
    join, tokenizer = Detokenizer(target), Tokenizer13a()
    lines = [line.lower() for line in multi30k_lines("test2016", target)]
    texts = [join(pair.target) for pair in multi30k("test2016", source, target)]
    same = sum(text == line for text, line in zip(texts, lines, strict=True))
    assert same == exact
    assert list(map(tokenizer, texts)) == list(map(tokenizer, lines))

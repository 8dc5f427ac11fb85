"""Moses: words to text and back, and the whole real test set."""

import pytest
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from attention_book.data.translation.moses import Moses
from attention_book.data.translation.multi30k import multi30k, multi30k_lines


def test_punctuation_moves_back_to_its_word():
    join = Moses("en").text
    assert join(["two", "men", "(", "and", "a", "dog", ")", ",", "running", "."]) == (
        "two men (and a dog), running."
    )
    assert (
        join(iter(["the", "man's", '"', "red", '"', "hat"])) == 'the man\'s "red" hat'
    )
    assert join([]) == ""


def test_characters_are_not_replaced_by_entities():
    assert Moses("en").text(["&amp;", "x"]) == "&amp; x"
    assert Moses("en").words('the man\'s "a & b"') == (
        ["the", "man", "'s", '"', "a", "&", "b", '"']
    )
    assert Moses("de").words("") == []


def test_an_unknown_word_is_one_word_of_bleus_tokenizer():
    text = Moses("de").text(["ein", "<unk>", "und", "<unk>", "."])
    assert text == "ein ⁇ und ⁇."
    assert Tokenizer13a()(text).split() == ["ein", "⁇", "und", "⁇", "."]
    assert Moses("de").words(text) == ["ein", "⁇", "und", "⁇", "."]
    assert len(Tokenizer13a()("ein <unk>").split()) == 4


def test_one_string_is_refused():
    with pytest.raises(
        TypeError, match="must be a list of words, got the string 'a b'"
    ):
        Moses("en").text("a b")


def test_as_many_words_as_in_a_public_test_set(mirror):
    # "reflen" in github.com/LividWo/Revisit-MMT, README-baseline
    lines = (line.lower() for line in multi30k_lines("test2016", "de"))
    assert sum(len(Moses("de").words(line)) for line in lines) == 12_103


@pytest.mark.parametrize(
    ("source", "target", "exact"), [("de", "en", 999), ("en", "de", 998)]
)
def test_the_test_set_comes_back(mirror, source, target, exact):
    join, tokenizer = Moses(target).text, Tokenizer13a()
    lines = [line.lower() for line in multi30k_lines("test2016", target)]
    texts = [join(pair.target) for pair in multi30k("test2016", source, target)]
    same = sum(text == line for text, line in zip(texts, lines, strict=True))
    assert same == exact
    assert list(map(tokenizer, texts)) == list(map(tokenizer, lines))

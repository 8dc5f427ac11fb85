"""Vocab: which ids, in which order, and back."""

import pytest

from attention_book.data.vocab import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, Vocab


def test_order_is_by_falling_count_then_alphabet():
    vocab = Vocab(["b", "a", "c", "b", "d", "a"])
    assert vocab.decode(range(4, len(vocab))) == ["a", "b", "c", "d"]
    assert vocab.encode(["a", "b", "c", "d"]) == [4, 5, 6, 7]
    assert len(vocab) == 8


def test_special_tokens_have_the_first_ids():
    assert [PAD, BOS, EOS, UNK] == [0, 1, 2, 3]
    assert SPECIAL_TOKENS == ("<pad>", "<bos>", "<eos>", "<unk>")


def test_same_words_in_another_order_give_the_same_ids():
    words = ["x", "y", "z", "y", "z", "z", "w"]
    assert Vocab(words).decode(range(4, 8)) == Vocab(words[::-1]).decode(range(4, 8))


def test_min_count_and_max_size_leave_rare_words_out():
    words = ["a", "a", "a", "b", "b", "c"]
    assert "c" not in Vocab(words, min_count=2)
    assert "b" in Vocab(words, min_count=2)
    small = Vocab(words, max_size=5)
    assert len(small) == 5
    assert small.encode(["a", "b"]) == [4, UNK]


def test_decode_stops_at_the_end_and_leaves_out_padding():
    vocab = Vocab(["a", "b"])
    assert vocab.decode([BOS, 5, UNK, PAD, 4, EOS, 5]) == ["b", "<unk>", "a"]


@pytest.mark.parametrize("special", SPECIAL_TOKENS)
def test_text_cannot_spell_a_special_token(special):
    vocab = Vocab(["a", special])
    assert len(vocab) == 5
    assert special not in vocab
    assert vocab.encode([special, "a"]) == [UNK, 4]


def test_no_words_encode_to_no_ids():
    assert Vocab(["a"]).encode([]) == []


@pytest.mark.parametrize("token_id", [-1, 5])
def test_id_out_of_range_is_an_error(token_id):
    with pytest.raises(ValueError, match=rf"from 0 to 4: {token_id}"):
        Vocab(["a"]).decode([token_id])


def test_id_that_is_no_integer_is_an_error(no_shape_checks):
    with pytest.raises(TypeError, match="integer"):
        Vocab(["a"]).decode([4.0])


@pytest.mark.parametrize(
    ("tokens", "options", "error", "message"),
    [
        ([], {}, ValueError, "hold a word 1 or more times"),
        (["a", "b"], {"min_count": 2}, ValueError, "hold a word 2 or more times"),
        (["<unk>"], {}, ValueError, "hold a word 1 or more times"),
        (["a", ""], {}, ValueError, "must not hold an empty string"),
        (["a"], {"min_count": 0}, ValueError, "min_count must be at least 1, got 0"),
        (["a"], {"max_size": 4}, ValueError, "max_size must be more .* got 4"),
        ("the cat", {}, TypeError, "list of words, got the string 'the cat'"),
        (["a", 7], {}, TypeError, "tokens must be strings, got 7"),
    ],
)
def test_bad_arguments(tokens, options, error, message, no_shape_checks):
    with pytest.raises(error, match=message):
        Vocab(tokens, **options)


def test_encoding_one_string_is_an_error():
    with pytest.raises(TypeError, match="list of words, got the string 'cat'"):
        Vocab(["cat"]).encode("cat")

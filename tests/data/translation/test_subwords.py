"""Subwords: byte pair encoding written out, and pieces that join to the text."""

import itertools
from collections import Counter

import pytest

from attention_book.data.translation.subwords import Subwords

LINES = ["low lower lowest", "new newer newest", "wide wider widest"] * 2
LINES += ["ein neuer hund schläft", "der hund läuft über den weg"]


def byte_pairs(lines, num_merges):
    """The pairs that are joined, from the first to the last, with their counts."""
    words = Counter("▁" + word for line in lines for word in line.split())
    cut = {word: list(word) for word in words}
    for _ in range(num_merges):
        pairs = Counter()
        for word, pieces in cut.items():
            for pair in itertools.pairwise(pieces):
                pairs[pair] += words[word]
        best = max(pairs.values())
        yield {pair for pair, count in pairs.items() if count == best}
        chosen = min(pair for pair, count in pairs.items() if count == best)
        for word, pieces in cut.items():
            joined = []
            for piece in pieces:
                if joined and (joined[-1], piece) == chosen:
                    joined[-1] += piece
                else:
                    joined.append(piece)
            cut[word] = joined


def test_the_pair_that_stands_together_most_often_is_joined_first():
    lines = ["aab aab aab aac", "aab dd"]
    characters = len(set("aabcd▁"))
    assert [pairs for pairs in byte_pairs(lines, 2)] == [
        {("a", "a"), ("▁", "a")},
        {("▁", "aa")} if ("a", "a") < ("▁", "a") else {("▁a", "a")},
    ]
    # <unk>, the characters, two merges: "▁aa" is whole, "b" is not yet joined to it.
    subwords = Subwords(lines, max_pieces=1 + characters + 2)
    assert subwords.encode("aab") == ["▁aa", "b"]
    assert Subwords(lines, max_pieces=1 + characters + 3).encode("aab") == ["▁aab"]


def test_frequent_words_are_whole_and_new_ones_are_cut():
    subwords = Subwords(LINES, max_pieces=40)
    assert subwords.encode("new low") == ["▁new", "▁low"]
    pieces = subwords.encode("lowestest")
    assert len(pieces) > 1
    assert "".join(pieces) == "▁lowestest"


@pytest.mark.parametrize("line", [*LINES, "hund", "über über", "widest  new ", ""])
def test_pieces_join_to_the_text(line):
    subwords = Subwords(LINES, max_pieces=40)
    assert subwords.decode(subwords.encode(line)) == " ".join(line.split())


def test_one_vocabulary_of_two_languages_and_never_more_than_allowed():
    subwords = Subwords(LINES, max_pieces=40)
    assert len(subwords) == 40
    assert len(Subwords(LINES, max_pieces=10_000)) < 200


def test_the_same_lines_give_the_same_pieces_without_a_word(
    capfd, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    first, second = (Subwords(iter(LINES), max_pieces=50) for _ in range(2))
    for line in LINES:
        assert first.encode(line) == second.encode(line)
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_an_unknown_character_is_kept_as_a_piece():
    subwords = Subwords(LINES, max_pieces=50)
    assert subwords.decode(subwords.encode("new 漢")) == "new 漢"


@pytest.mark.parametrize("lines", [[], [""], [" ", "\t"]])
def test_no_text_is_an_error(lines):
    with pytest.raises(ValueError, match="lines must hold a line with text"):
        Subwords(lines, max_pieces=50)


@pytest.mark.parametrize(
    "line",
    [
        "\uff21\uff22 \uff11\uff12 ｶﾅ",  # wide and narrow: NFKC would change them
        "½ ﬁ … ² Ⅳ",
        "e\u0301 é",  # composed and not
        "a\u00a0b\u3000c",  # white space of other kinds
        "▅ abc ▅▅",
        "zero\u200bwidth",
        "<s> </s> <unk>",
    ],
)
def test_characters_come_back_unchanged(line):
    for lines in [line], LINES:
        subwords = Subwords(lines, max_pieces=60)
        assert subwords.decode(subwords.encode(line)) == " ".join(line.split())


def test_lines_of_any_length_count():
    """Longer than the 4192 bytes that sentencepiece takes by default."""
    subwords = Subwords(["hello", "zyx " * 3000], max_pieces=30)
    assert subwords.encode("zyx") == ["▁zyx"]
    assert Subwords(["z " * 3000], max_pieces=30).encode("z") == ["▁z"]
    assert Subwords(["ä" * 5000], max_pieces=30).encode("ää") == ["▁ää"]


def test_one_character_needs_three_pieces():
    assert Subwords(["½"], max_pieces=3).encode("½½") == ["▁", "½", "½"]


def test_the_reserved_character_costs_no_line():
    assert Subwords(["▅ abc"], max_pieces=30).encode("abc") == ["▁abc"]
    with pytest.raises(ValueError, match="lines must hold a line with text"):
        Subwords(["▅"], max_pieces=30)


def test_the_mark_of_words_is_refused_in_text():
    message = r'a line must not hold "▁" \(U\+2581\).*got \'a▁b\''
    with pytest.raises(ValueError, match=message):
        Subwords(["a▁b"], max_pieces=30)
    with pytest.raises(ValueError, match=message):
        Subwords(["ab"], max_pieces=30).encode("a▁b")


def test_too_few_pieces_are_an_error():
    with pytest.raises(ValueError, match=r"at least 6.*got 5"):
        Subwords(["ab cd"], max_pieces=5)
    assert len(Subwords(["ab cd"], max_pieces=6)) == 6


def test_a_string_instead_of_a_list_is_an_error(no_shape_checks):
    with pytest.raises(TypeError, match="list of lines, got the string 'ab'"):
        Subwords("ab", max_pieces=9)
    with pytest.raises(TypeError, match="list, got the string '▁ab'"):
        Subwords(["ab"], max_pieces=9).decode("▁ab")

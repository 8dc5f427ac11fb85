"""Windows of fairy books: the frame, sentences, candidates; the whole real books."""

import pytest

from attention_book.data.cloze.fairy_books import (
    BOOKS,
    KINDS,
    MAX_CANDIDATES,
    WINDOW,
    cloze_windows,
    fairy_cloze,
    read_book,
)
from attention_book.data.cloze.questions import BLANK
from attention_book.data.downloads import fetch, table

SIZES = {
    ("word", "train"): 12360,
    ("word", "dev"): 2009,
    ("word", "test"): 1803,
    ("name", "train"): 4263,
    ("name", "dev"): 590,
    ("name", "test"): 680,
}


@pytest.mark.parametrize(("kind", "split"), SIZES)
def test_whole_books(mirror, kind, split):
    questions = fairy_cloze(split, kind=kind)
    assert len(questions) == SIZES[kind, split]
    for question in questions:
        assert question.can_be_pointed_at
        assert 2 <= len(question.candidates) <= MAX_CANDIDATES
        assert set(question.candidates) <= set(question.document)
        assert question.answer not in question.question
    assert fairy_cloze(split, kind=kind)[:9] == questions[:9]


def test_the_frame_is_cut_off(mirror):
    for names in BOOKS.values():
        for name in names:
            book = read_book(fetch(f"fairy_books/{name}"))
            words = {word for sentence in book for word in sentence}
            assert not {"Gutenberg", "EBook", "eBook"} & words


def test_table_knows_every_file():
    names = {f"fairy_books/{name}" for names in BOOKS.values() for name in names}
    assert names <= set(table())


def test_read_book(make_file):
    path = make_file(
        "A licence.",
        "*** START OF THIS BOOK ***",
        "THE FROG",
        "",
        "“A frog,” said",
        "she. It's old!",
        "End of Project Gutenberg's Book",
        "",
        "*** END OF THIS BOOK ***",
        "More.",
    )
    assert read_book(path) == [
        ("“", "A", "frog", ",", "”", "said", "she", "."),
        ("It's", "old", "!"),
    ]
    with pytest.raises(ValueError, match=r"pairs must have a line that .* 0 and 0"):
        read_book(make_file("no frame"))


def book(sentence):
    """Sentence after sentence about Ann and Ben; the last one is asked."""
    fillers = [
        f"then Ann met Ben near the pond{i % 3} .".split() for i in range(WINDOW)
    ]
    return [tuple(words) for words in [*fillers, sentence.split()]]


def test_windows_of_names():
    (question,) = cloze_windows(book("so Ben and Ben sang"), kind="name")
    assert question.question == ("so", BLANK, "and", BLANK, "sang")
    assert question.answer == "Ben"
    assert sorted(question.candidates) == ["Ann", "Ben"]
    assert len(question.document) == 8 * WINDOW
    assert cloze_windows(book("nobody sang"), kind="name") == []


def test_a_word_at_the_start_of_sentences_is_no_name():
    text = [("Then", *words[1:]) for words in book("Then it rained")]
    assert cloze_windows(text, kind="name") == []


def test_windows_of_words_that_are_not_frequent():
    letters = "abcdefghijk"
    frequent = tuple(f"q{a}{b}" for a in letters for b in letters)[:97] * 9
    text = book("near pools the reeds sang then")
    text[3] += ("pools", "reeds", "then", "near", "Reeds", "1st")
    # Of the window, Ann, Ben and the stop words have no lower case or are no content.
    text = [frequent + ("met", "near", "then") * 9, *text]
    answers = set()
    for seed in range(9):
        question = cloze_windows(text, kind="word", seed=seed)[-1]
        answers.add(question.answer)
        assert set(question.candidates) == {"pools", "reeds"}
    assert answers == {"pools", "reeds"}


def test_a_step_takes_fewer_windows():
    text = book("so Ben sang") * 3
    all_of_them = cloze_windows(text, kind="name")
    assert len(cloze_windows(text, kind="name", step=5)) < len(all_of_them) / 3


def test_wrong_arguments():
    with pytest.raises(ValueError, match=f"kind must be one of {', '.join(KINDS)}"):
        cloze_windows([], kind="verb")
    with pytest.raises(ValueError, match="step must be at least 1, got 0"):
        cloze_windows([], kind="name", step=0)
    with pytest.raises(ValueError, match="split must be one of train, dev, test"):
        fairy_cloze("valid")

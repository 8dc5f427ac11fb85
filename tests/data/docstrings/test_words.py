"""Sentences and words of docstrings."""

import pytest

from attention_book.data.docstrings.words import sentences, words


@pytest.mark.parametrize(
    ("paragraph", "parts"),
    [
        ("One sentence", ["One sentence"]),
        ("Sort them. Then stop.", ["Sort them.", "Then stop."]),
        ("Is it? It is! Yes.", ["Is it?", "It is!", "Yes."]),
        ("Use one, e.g. Numbers. Stop.", ["Use one, e.g. Numbers.", "Stop."]),
        ("Written by W. H. Press. Old.", ["Written by W. H. Press.", "Old."]),
        ("Version 2.0 is out. it says", ["Version 2.0 is out. it says"]),
    ],
)
def test_sentences(paragraph, parts):
    assert sentences(paragraph) == parts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A Sum, of 2-D Arrays!", ["a", "sum", "of", "2-d", "arrays"]),
        ("np.fft.fft2(x)", ["np", "fft", "fft2", "x"]),
        ("_private_ __init__ a_b", ["private", "init", "a_b"]),
        ("don't, Fréchet's", ["don't", "fréchet's"]),
        ("x - y -- z", ["x", "y", "z"]),
        ("... ---", []),
    ],
)
def test_words(text, found):
    assert words(text) == found

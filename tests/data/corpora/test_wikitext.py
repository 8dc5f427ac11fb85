"""WikiText-2: the real files, where the mirror is there; articles and sentences."""

import pytest

from attention_book.data.corpora.wikitext import SPLITS, read_wikitext, wikitext_2
from attention_book.data.downloads import table


@pytest.mark.parametrize("split", SPLITS)
def test_whole_files(mirror, split):
    articles = wikitext_2(split)
    assert len(articles) == 60
    text = " ".join(sentence for article in articles for sentence in article)
    assert " = = " not in text
    assert " @-@ " not in text
    assert "<unk>" in text
    longest = max(len(s.split()) for article in articles for s in article)
    assert longest < 300  # paragraphs are cut into sentences


def test_table_knows_the_files():
    assert {f"wikitext2/{split}.txt" for split in SPLITS} <= table().keys()


def test_titles_open_articles_and_headings_are_left_out(tmp_path):
    path = tmp_path / "valid.txt"
    path.write_text(
        " \n = X = \n \n One , two . Three 1 @.@ 5 ! \n = = Part = = \n"
        " = = = Smaller = = = \n Four . \n = 1 / s = \n \n = Y & Z = \n \n"
        " So @-@ called . \n"
    )
    assert read_wikitext(path) == [
        ["One , two .", "Three 1.5 !", "Four .", "= 1 / s ="],
        ["So-called ."],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" Too early . \n", r"valid\.txt:1: text before the first title: ' Too early"),
        (" = X = \n \n", r"valid\.txt holds no article"),
    ],
)
def test_wrong_files(tmp_path, text, message):
    path = tmp_path / "valid.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_wikitext(path)


def test_unknown_split():
    with pytest.raises(ValueError, match="split must be one of valid, test, got 'tr"):
        wikitext_2("train")

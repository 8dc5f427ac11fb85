"""The book's colours: those of Okabe and Ito, and no two alike."""

from attention_book.figures import colours

OKABE_ITO = {
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
}


def test_meanings_have_different_colours_of_the_palette():
    found = [colours.QUERY, colours.KEY, colours.VALUE, colours.CONTEXT]
    assert len(set(found)) == 4
    assert set(found) <= OKABE_ITO

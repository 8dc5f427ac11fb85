"""Docstrings with their library as the class: blanked names, parts without twins."""

import pytest

from attention_book.data.docstrings.classes import BLANK, docstring_classes
from attention_book.data.docstrings.documents import Document


def document(name, prose="Sum it up. Fast."):
    library = name.split(".")[0]
    return Document(library, name, "function", (), "", prose, ())


@pytest.fixture(scope="module")
def splits():
    return docstring_classes(
        [document(f"{lib}.fun{i}") for i in range(200) for lib in ("scipy", "numpy")]
    )


def test_labels_are_libraries(splits):
    assert splits.classes == ("numpy", "scipy")
    everything = [*splits.train, *splits.dev, *splits.test]
    assert len(everything) == 400
    assert sum(found.label for found in everything) == 200
    assert everything[0].sentences == (("sum", "it", "up"), ("fast",))
    assert everything[0].telling is None


def test_shares_of_the_parts(splits):
    assert len(splits.train) / 400 == pytest.approx(0.7, abs=0.07)
    assert len(splits.dev) / 400 == pytest.approx(0.1, abs=0.07)
    assert len(splits.test) / 400 == pytest.approx(0.2, abs=0.07)


def test_namesakes_share_a_part():
    documents = [
        document(f"{lib}.fun{i}", f"Number {i}.")
        for i in range(99)
        for lib in ("numpy", "scipy.sub", "torch")
    ]
    splits = docstring_classes(documents)
    parts = [
        {found.sentences[0][1] for found in part}
        for part in (splits.train, splits.dev, splits.test)
    ]
    assert sum(map(len, parts)) == 99
    assert len(set.union(*parts)) == 99


def test_names_are_blanked():
    prose = "Like numpy.mean or np.add, fit_it calls PyTorch's mean."
    documents = [document(f"scipy.fit_it{i or ''}", prose) for i in range(99)]
    splits = docstring_classes(documents)
    texts = {x.sentences[0] for x in (*splits.train, *splits.dev, *splits.test)}
    start = ("like", BLANK, "mean", "or", BLANK, "add")
    assert texts == {
        (*start, "fit_it", "calls", BLANK, "mean"),
        (*start, BLANK, "calls", BLANK, "mean"),  # the one that is called fit_it
    }


def test_order_is_random_and_always_the_same(splits):
    labels = [found.label for found in splits.train]
    assert labels != sorted(labels)
    again = docstring_classes(
        [document(f"{lib}.fun{i}") for lib in ("numpy", "scipy") for i in range(200)]
    )
    assert again == splits


def test_too_few_documents():
    with pytest.raises(ValueError, match="documents must be more: none is left for"):
        docstring_classes([document("numpy.add"), document("numpy.sub", "...")])

"""Functions of two libraries: found, told apart, and dealt out."""

import pytest

from attention_book.data.docstrings import shared_functions as module
from attention_book.data.docstrings.documents import Document
from attention_book.data.docstrings.shared_functions import (
    assign_folds,
    family_names,
    is_sentence,
    overlap,
    shared_functions,
)

REST = "The array has axes of any length, and elements of any type."


def document(name, summary, rest=REST, kind="function", others=(), see_also=()):
    return Document(
        library=name.split(".")[0],
        name=name,
        kind=kind,
        other_names=tuple(others),
        summary=summary,
        prose=f"{summary}\n{rest}",
        see_also=tuple(see_also),
    )


def names(documents):
    found, counts = shared_functions(documents)
    return [(pair.first.name, pair.second.name) for pair in found], counts


SORT = document("alib.sort", "Put the elements into rising order.")
SORTS = document("blib.sub.sort", "Returns a tensor arranged by its values.")


def test_a_pair_is_found_whatever_the_order():
    for documents in ([SORT, SORTS], [SORTS, SORT]):
        found, counts = shared_functions(documents)
        assert [(pair.first, pair.second) for pair in found] == [(SORT, SORTS)]
        assert found[0].family == "sort"
        assert counts == {"with a common name": 1, "left": 1}


@pytest.mark.parametrize(
    ("other", "rule"),
    [
        (
            document("blib.sort", "Choose a type of card.", "Nothing in common here."),
            "another meaning",
        ),
        (
            document("blib.sort", "Order by value.", f"{REST} As alib.sub.sort does."),
            "one names the other",
        ),
        (
            document("blib.sort", "Order all by value.", see_also=["alib.sort"]),
            "one names the other",
        ),
        (document("blib.sort", "Order them."), "too short or long"),
        (document("blib.sort", "Order them by value like this:"), "too short or long"),
        (document("blib.sort", "Very " * 40 + "long."), "too short or long"),
        (
            document("blib.sort", "Put elements into a rising order."),
            "near-copies",
        ),
    ],
)
def test_left_out(other, rule):
    found, counts = names([SORT, other])
    assert found == []
    assert counts == {"with a common name": 1, rule: 1, "left": 0}


def test_left_out_by_name(monkeypatch):
    monkeypatch.setattr(module, "OWN_MEANING", ("blib.sub",))
    assert names([SORT, SORTS])[1]["another meaning"] == 1


def test_mention_of_another_function_is_no_reason():
    other = document("blib.sort", "Order all by value.", f"{REST} Not alib.sorted.")
    assert names([SORT, other])[0] == [("alib.sort", "blib.sort")]


def test_methods_count_for_array_classes_only():
    method = document("torch.Tensor.sort", "Order all by their value.", kind="method")
    assert names([SORT, method])[1]["left"] == 1
    method = document("torch.List.sort", "Order all by their value.", kind="method")
    assert "with a common name" not in names([SORT, method])[1]


def test_other_names_join_families():
    documents = [
        document("alib.absolute", "Make all numbers positive.", others=["abs"]),
        document("blib.abs", "Returns the distance from zero."),
        document("blib.power", "Raise to a power.", others=["pow", "raise_"]),
        document("clib.pow", "Multiply by itself often."),
    ]
    families = family_names(documents)
    assert families == {
        "alib.absolute": "abs",
        "blib.abs": "abs",
        "blib.power": "pow",
        "clib.pow": "pow",
    }
    assert names(documents)[0][0] == ("alib.absolute", "blib.abs")


def test_deal():
    found, _ = shared_functions([SORT, SORTS])
    families = {"a.sort": "sort", "b.sort": "sort", "c": "c", "a": "a", "b": "b"}
    families |= {name: name for name in "zyx"}
    assert assign_folds(found, families) == {
        **{"sort": 0, "a": 1, "b": 2, "c": 3, "x": 4},
        **{"y": 0, "z": 1},
    }


def test_overlap_by_hand():
    # sorted, copy, array | sorted, list: 1 of 4
    assert overlap("A sorted copy of an array", "Returns the sorted list") == 0.25
    assert overlap("of the", "a") == 0


def test_is_sentence():
    assert is_sentence(SORT)
    assert not is_sentence(document("a.f", "Three words only."))

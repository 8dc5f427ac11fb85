"""make_documents: which docstrings become documents."""

import pytest

from attention_book.data.docstrings.documents import make_documents
from attention_book.data.docstrings.reader import RawDocstring


def raw(name, text):
    return name.split(".")[0], RawDocstring(name, "function", (), text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("See :func:`torch.add`.", "refer to another"),
        ("Alias for :func:`lib.abs`", "refer to another"),
        ("In-place version of `add`.", "refer to another"),
        ("Refer to `numpy.sum` for full documentation.", "refer to another"),
        ("Add numbers.\n\n.. deprecated:: 1.2\n   Use plus.", "deprecated"),
        ("DEPRECATED: use plus instead of it.", "deprecated"),
        ("A deprecated function that is old.", "deprecated"),
        ("f(x) -> int", "without prose"),
        ("Two words", "without prose"),
    ],
)
def test_left_out(text, rule):
    documents, counts = make_documents([raw("lib.f", text)])
    assert documents == []
    assert (counts["read"], counts[rule], counts["documents"]) == (1, 1, 0)


def test_a_deprecated_parameter_is_no_reason():
    text = """Add two numbers.

    Parameters
    ----------
    x : int
        One number.

        .. deprecated:: 1.2
           Use y.
    """
    documents, _ = make_documents([raw("lib.f", text)])
    assert documents[0].prose == "Add two numbers.\nOne number."


def test_boilerplate_with_the_own_name_in_it():
    def text(name):
        return f"Draw {len(name)} pictures of it.\n\nMore about {name} is elsewhere."

    names = [f"lib.{'x' * length}" for length in range(2, 8)]  # six of them
    few, counts = make_documents(
        raw(name, text(name.split(".")[1])) for name in names[:5]
    )
    assert counts["paragraphs of boilerplate"] == 0
    assert all("elsewhere" in document.prose for document in few)
    many, counts = make_documents(raw(name, text(name.split(".")[1])) for name in names)
    assert counts["paragraphs of boilerplate"] == 6
    assert not any("elsewhere" in document.prose for document in many)


def test_first_paragraphs_and_other_libraries_are_no_boilerplate():
    raws = [raw(f"lib{i}.f", f"Own text {i} here.\n\nCommon to all.") for i in range(9)]
    documents, _ = make_documents(raws)
    assert all(document.prose.endswith("Common to all.") for document in documents)
    raws = [raw(f"lib.f{i}", f"Begin it.\n\nOwn text {i} here.") for i in range(9)]
    documents, _ = make_documents(raws)
    assert all(document.summary == "Begin it." for document in documents)


def test_copies_stay_with_the_earliest_library_and_the_shortest_name():
    same = "Add two numbers."
    raws = [
        raw("zlib.deep.add", same),
        raw("zlib.plus", same),
        raw("zlib.add", same),
        raw("alib.add", same),
    ]
    documents, counts = make_documents(raws)
    assert [document.name for document in documents] == ["zlib.add"]
    assert counts["copies"] == 3


def test_ordered_by_name():
    names = ["b.y", "a.z", "b.x", "a.y"]
    documents, _ = make_documents(raw(x, f"Text of {x} alone.") for x in names)
    assert [document.name for document in documents] == sorted(names)
    assert documents[0].short_name == "y"


def test_what_each_paragraph_describes():
    text = """Add two numbers.

    Parameters
    ----------
    x : int
        One number.
    y : int
        The other number {}.
    """
    names = ["f", *(f"g{'x' * i}" for i in range(6))]
    documents, counts = make_documents(
        raw(f"lib.{name}", text.format(name)) for name in names
    )
    assert counts["paragraphs of boilerplate"] == 14
    assert [document.described for document in documents] == [("",)]
    (document,), _ = make_documents([raw("lib.f", text)])
    assert document.prose.split("\n")[1:] == ["One number.", "The other number {}."]
    assert document.described == ("", "x", "y")

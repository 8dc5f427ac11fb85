"""read_prose: what stays of a docstring, and what goes."""

import textwrap

import pytest

from attention_book.data.docstrings.text import read_prose


def paragraphs(docstring, name="f"):
    prose = read_prose(textwrap.dedent(docstring), name)
    return list(prose.paragraphs) if prose else []


NUMPYDOC = """
    f(x, *, out=None)

    Sum of the `elements` of an array [1]_. Fast.

    A longer *description*, see :func:`~pkg.mod.mean` and
    `the page <https://example.org/a>`_.

    Parameters
    ----------
    x : array_like
        The array to sum.
    axis, out : int, optional
        Where to
        put it.

    Returns
    -------
    float
        The sum itself.

    See Also
    --------
    mean : Mean of an array.
    pkg.mod.median, var : Two more.
        f is used here, and is no name of its own.

    Notes
    -----
    It is defined as

    .. math:: \\sum_i x_i

    where :math:`x_i` is large and :math:`\\text{x} > 0` holds.

    .. note::
       Mind the gap.

    .. versionadded:: 1.0
       Was not there.

    References
    ----------
    .. [1] Somebody, "Something", 1999.

    Examples
    --------
    Sum two numbers:

    >>> f([1, 2])
    3

    Do it like this::

        a literal block

    and stop here.
"""


def test_numpydoc():
    prose = read_prose(textwrap.dedent(NUMPYDOC), "f")
    assert prose.summary == "Sum of the elements of an array."
    assert prose.see_also == ("mean", "pkg.mod.median", "var")
    assert list(prose.paragraphs) == [
        "Sum of the elements of an array. Fast.",
        "A longer description, see pkg.mod.mean and the page.",
        "The array to sum.",
        "Where to put it.",
        "The sum itself.",
        "It is defined as",
        "where is large and x > 0 holds.",
        "Mind the gap.",
        "Sum two numbers:",
        "Do it like this:",
        "and stop here.",
    ]
    assert prose.described == ("", "", "x", "axis, out", *[""] * 7)


def test_google_style():
    docstring = """
        f(input, dim=None) -> Tensor

        Adds :attr:`other` to input.

        Args:
            input (Tensor): the tensor to add to.
            dim (int, optional): the dimension, and
                a second line of it.
            other: no type here.

        Shape:
            - Input: of any shape at all

        Example::

            >>> f(torch.ones(2))
            tensor([1., 1.])

        The end of it.
    """
    assert paragraphs(docstring) == [
        "Adds other to input.",
        "the tensor to add to.",
        "the dimension, and a second line of it.",
        "no type here.",
        "The end of it.",
    ]
    described = read_prose(textwrap.dedent(docstring), "f").described
    assert described == ("", "input", "dim", "other", "")


def test_names_of_parameters():
    docstring = """
        Do it well.

        Parameters
        ----------
        *args, **kwargs
            All the rest.

            - of a list
        `x` : int
            One number.
        1.5 : x y
            No name at all.

        Returns
        -------
        y : int
            Another number.
    """
    prose = read_prose(textwrap.dedent(docstring), "f")
    assert prose.described == ("", "args, kwargs", "args, kwargs", "x", "", "")


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("", []),
        ("f(x) -> int", []),
        ("other(x) calls it a day", ["other(x) calls it a day"]),
        (".. note:: Not first.\n\nThis is first.", ["This is first."]),
        ("Two words.\n\nword", ["Two words."]),
        ("Some text.\n\nx = f(3)\n\nobj.f(3)", ["Some text."]),
        ("Some text:\n\n- one thing\n- two things", ["Some text:", "one thing"]),
        ("Some text.\n\n==== ====\nBig  Small\n==== ====", ["Some text.", "Big Small"]),
        ("Visit https://example.org/x now.", ["Visit now."]),
        ("Returns\n-------\nThe sum of all.", ["The sum of all."]),
    ],
)
def test_pieces(docstring, expected):
    assert paragraphs(docstring)[: len(expected)] == expected
    assert bool(paragraphs(docstring)) == bool(expected)

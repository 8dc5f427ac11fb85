"""show_source: the page shows the code that runs."""

import ast
import importlib
import inspect
import textwrap

import pytest
import torch
from torch import nn

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.chapters.source import LIMIT, show_source, without_docstrings
from attention_book.functional import attend
from tools import import_graph


class Layer(nn.Module):
    r"""A layer with ``two`` methods.

    .. math:: \alpha
    """

    def forward(self, x):  # the forward pass
        """Double."""
        # why: an example
        return 2 * x

    @property
    def size(self):
        """Its size."""

        return 1

    def nothing(self):
        """Nothing."""


def long():
    """Too long."""
    return [
        # 1
        # 2
        # 3
        # 4
        # 5
        # 6
        # 7
        # 8
        # 9
        # 10
        # 11
        # 12
        # 13
        # 14
        # 15
        # 16
        # 17
        # 18
        # 19
        # 20
        # 21
        # 22
        # 23
        # 24
        # 25
        # 26
        # 27
        # 28
    ]


def test_a_method_without_its_docstring():
    shown = show_source(Layer.forward)
    assert repr(shown) == (
        "def forward(self, x):  # the forward pass\n"
        "    # why: an example\n"
        "    return 2 * x"
    )
    assert shown.pieces[0][0].endswith("test_source.Layer.forward")
    assert shown.pieces[0][2] == "Double."


def test_a_class_without_any_docstring():
    (_, code, doc) = show_source(Layer).pieces[0]
    assert code.splitlines()[:2] == [
        "class Layer(nn.Module):",
        "    def forward(self, x):  # the forward pass",
    ]
    assert code.endswith('def nothing(self):\n        """Nothing."""')
    assert doc.startswith("A layer with ``two`` methods.\n\n.. math:: \\alpha\n\n")
    assert doc.endswith("forward: Double.\n\nsize: Its size.")


def test_bound_methods_and_properties():
    assert repr(show_source(Layer().forward)) == repr(show_source(Layer.forward))
    assert repr(show_source(Layer.size)).endswith("def size(self):\n    return 1")


def test_several_objects_in_the_order_of_the_call():
    shown = show_source(attend, AdditiveAttention.forward)
    names = [name for name, _, _ in shown.pieces]
    assert names == [
        "attention_book.functional.attend",
        "attention_book.attention.bahdanau.AdditiveAttention.forward",
    ]
    assert repr(shown) == "\n\n".join(code for _, code, _ in shown.pieces)


def test_markdown_highlights_the_code_and_folds_the_docstring():
    text = show_source(Layer.forward)._repr_markdown_()
    first, code, summary, doc, end = text.split("\n\n")
    assert first.startswith("`")
    assert first.endswith("test_source.Layer.forward`")
    assert code == f"`````python\n{show_source(Layer.forward)!r}\n`````"
    assert summary == "<details><summary>Docstring</summary>"
    assert doc == "`````text\nDouble.\n`````"
    assert end == "</details>"


def test_code_without_a_docstring_folds_nothing():
    assert (
        "<details>"
        not in show_source(test_bound_methods_and_properties)._repr_markdown_()
    )


def test_every_function_of_the_package_is_shown_as_it_is():
    """The code and the docstring together are all that inspect.getsource returns."""
    seen = 0
    for name in import_graph.modules():
        module = importlib.import_module(f"attention_book.{name}".rstrip("."))
        for found in vars(module).values():
            if getattr(found, "__module__", None) != module.__name__:
                continue
            if not (inspect.isfunction(found) or inspect.isclass(found)):
                continue
            source = textwrap.dedent(inspect.getsource(inspect.unwrap(found)))
            code, docs = without_docstrings(source)
            same = ast.parse(source)
            for node in ast.walk(same):
                if (
                    isinstance(node, ast.FunctionDef | ast.ClassDef)
                    and ast.get_docstring(node)
                    and len(node.body) > 1
                ):
                    del node.body[0]
            assert ast.dump(ast.parse(code)) == ast.dump(same)
            lines = iter(source.splitlines())  # each line of the code, in this order
            assert all(line in lines for line in code.splitlines())
            if '"""' not in code:
                own = ast.get_docstring(ast.parse(source).body[0])
                assert docs.startswith(own or "")
            seen += 1
    assert seen > 100


def test_too_long_a_piece_is_refused():
    with pytest.raises(
        ValueError, match=rf"test_source\.long has 31 .* at most {LIMIT}"
    ):
        show_source(long)


@pytest.mark.parametrize("wrong", [3, torch.relu, nn.ReLU(), "attend"])
def test_what_has_no_source_is_refused(wrong):
    with pytest.raises(TypeError, match="methods or classes written in Python, got"):
        show_source(wrong)


def test_nothing_to_show_is_refused():
    with pytest.raises(ValueError, match="needs a function, method or class, got none"):
        show_source()

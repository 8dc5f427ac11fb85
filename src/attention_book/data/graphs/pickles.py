"""Read arrays out of a pickle without unpickling it: no code of the file ever runs."""

import os
import pickletools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Call(NamedTuple):
    """What a pickle would call; here it stays a name and its arguments.

    Attributes:
        name: of the function or class, "module name".
        arguments: the arguments.
        state: what the pickle would set afterwards: one entry, or none.
    """

    name: str
    arguments: tuple
    state: list[Any]


_MARK = object()


def read_pickle(path: str | Path) -> Any:
    """Interpret a pickle as data: numbers, texts, lists, tuples and dictionaries.

    The stream is cut into its operations by :mod:`pickletools`, which executes nothing.
    What a pickle would import and call becomes a :class:`Call`, which is inert: nothing
    is imported by its name.

    Args:
        path: a pickle as Python 2 wrote it (protocol 2), without shared or recursive
            objects other than names, numbers and texts.

    Raises:
        ValueError: naming the file, if it is damaged or has an operation that data of
            this kind do not need.
    """
    path = Path(os.path.expanduser(path))
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for operation, argument, _ in pickletools.genops(path.read_bytes()):
            if operation.name == "STOP":
                (value,) = stack
                return value
            _execute(operation.name, argument, stack, memo)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no pickle of plain data ({error})") from error
    raise ValueError(f"{path} is no pickle of plain data (it has no end)")


def _execute(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    """Change the stack as one operation says."""
    if name == "PROTO":
        return
    if name in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name in ("BININT", "BININT1", "BININT2", "SHORT_BINSTRING", "BINSTRING"):
        stack.append(argument)
    elif name in CONSTANTS:
        stack.append(CONSTANTS[name])
    elif name in ("EMPTY_LIST", "EMPTY_DICT"):
        stack.append([] if name == "EMPTY_LIST" else {})
    elif name == "GLOBAL":
        stack.append(Call(argument, (), []))
    elif name in ("REDUCE", "NEWOBJ"):
        arguments, called = stack.pop(), stack.pop()
        stack.append(Call(called.name, arguments, []))
    elif name == "BUILD":
        state = stack.pop()
        stack[-1].state.append(state)
    elif name == "APPEND":
        value = stack.pop()
        stack[-1].append(value)
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        size = int(name[-1])
        stack[-size:] = [tuple(stack[-size:])]
    else:
        _execute_marked(name, stack)


def _execute_marked(name: str, stack: list[Any]) -> None:
    """Operations on all that was put on the stack since a mark."""
    if name not in ("TUPLE", "APPENDS", "SETITEMS"):
        raise ValueError(f"operation {name}")
    start = len(stack) - 1 - stack[::-1].index(_MARK)
    values = stack[start + 1 :]
    del stack[start:]
    if name == "TUPLE":
        stack.append(tuple(values))
    elif name == "APPENDS":
        stack[-1].extend(values)
    else:
        owner = stack[-1]
        if isinstance(owner, Call):  # a dictionary of another class
            owner.state.append(dict(zip(values[::2], values[1::2], strict=True)))
        else:
            owner.update(zip(values[::2], values[1::2], strict=True))


CONSTANTS = {
    "MARK": _MARK,
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
}


def as_array(value: Call) -> np.ndarray:
    """Make the array that a pickle describes.

    Args:
        value: a call of NumPy's reconstruction, from :func:`read_pickle`.

    Raises:
        ValueError: if it is something else, or its bytes do not fit its shape.
    """
    if (
        not isinstance(value, Call)
        or value.name != "numpy.core.multiarray _reconstruct"
    ):
        raise ValueError(f"want an array, got {value!r:.60}")
    ((_, shape, kind, in_columns, content),) = value.state
    if kind.name != "numpy dtype" or kind.arguments[0] not in NUMBERS:
        raise ValueError(f"want numbers, got {kind.arguments!r:.60}")
    dtype = np.dtype(kind.arguments[0]).newbyteorder(kind.state[0][1])
    # pickletools decodes the strings of Python 2 as Latin-1: one character, one byte.
    array = np.frombuffer(content.encode("latin-1"), dtype)
    return array.reshape(shape, order="F" if in_columns else "C")


NUMBERS = ("f4", "f8", "i1", "i4", "i8")


class Entries(NamedTuple):
    """The entries of a sparse matrix that are not 0.

    Attributes:
        row: of each entry.
        column: of each entry.
        value: of each entry.
        shape: numbers of rows and columns.
    """

    row: np.ndarray
    column: np.ndarray
    value: np.ndarray
    shape: tuple[int, int]


def as_sparse(value: Call) -> Entries:
    """Make the sparse matrix that a pickle describes.

    Args:
        value: a call of SciPy's ``csr_matrix``, from :func:`read_pickle`.

    Raises:
        ValueError: if it is something else, or its parts do not fit each other.
    """
    if not isinstance(value, Call) or value.name != "scipy.sparse.csr csr_matrix":
        raise ValueError(f"want a sparse matrix, got {value!r:.60}")
    (state,) = value.state
    rows, columns = state["_shape"]
    values, column, ends = (as_array(state[x]) for x in ("data", "indices", "indptr"))
    lengths = np.diff(ends)
    if (
        len(lengths) != rows
        or not len(values) == len(column) == lengths.sum()
        or (lengths < 0).any()
        or not ((column >= 0) & (column < columns)).all()
    ):
        raise ValueError("the parts of the sparse matrix do not fit each other")
    return Entries(np.repeat(np.arange(rows), lengths), column, values, (rows, columns))

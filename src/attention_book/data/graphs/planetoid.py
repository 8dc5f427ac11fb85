"""Cora, Citeseer and Pubmed: papers and the citations between them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from attention_book.data.downloads import fetch
from attention_book.data.graphs.graph import Graph, row_normalised, undirected
from attention_book.data.graphs.pickles import (
    Call,
    as_array,
    as_sparse,
    read_pickle,
)
from attention_book.data.text_files import read_lines

NAMES = ("cora", "citeseer", "pubmed")
ENDS = ("x", "y", "tx", "ty", "allx", "ally", "graph", "test.index")
DEV = 500


def planetoid(name: str) -> Graph:
    """Load a citation graph with the split of Planetoid.

    A node is a paper, its features tell which words of a vocabulary occur in it (in
    Pubmed by TF-IDF), its class is a field of research. 20 nodes of each class are for
    training, the next 500 for development, 1,000 for test. Features are divided by
    their sum, as in GCN's and GAT's code.

    The files are pickles of Python 2. They are read as data and never unpickled, see
    :mod:`attention_book.data.graphs.pickles`. Three traps are taken care of. The rows
    of the test nodes are shuffled in the file. The list of neighbours has duplicates,
    and in Citeseer loops, which are both dropped. Citeseer lacks 15 test nodes: they
    have neighbours, but no features and no label (here 0); they are in no split.

    Size: Cora 2,708 nodes, 5,278 undirected edges, 1,433 features; Citeseer 3,327,
    4,552, 3,703; Pubmed 19,717, 44,324, 500. Download: 0.6, 1.0 and about 12 MB.
    Source: Yang, Cohen and Salakhutdinov, arXiv:1603.08861; the papers and citations
    were collected by Sen et al. (2008).
    Licence: not stated for the data. Nothing of it is in this package.

    Args:
        name: "cora", "citeseer" or "pubmed".

    Raises:
        ValueError: if there is no such graph, or a file is damaged.
        DownloadError: if a file is not available.
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    return read_planetoid({end: fetch(f"planetoid/ind.{name}.{end}") for end in ENDS})


def read_planetoid(paths: dict[str, Path]) -> Graph:
    """Read the eight files of a citation graph in Planetoid's form.

    Args:
        paths: by the end of the file's name, such as "allx" or "test.index".

    Raises:
        ValueError: naming a file, if it is damaged or does not fit the others.
    """
    order = _test_order(paths["test.index"])
    known = _read(paths["allx"], as_sparse)
    shuffled = _read(paths["tx"], as_sparse)
    targets = _read(paths["ally"], as_array), _read(paths["ty"], as_array)
    num_train = len(_read(paths["y"], as_array))
    num_nodes = int(order.max()) + 1
    if known.shape[0] < num_train + DEV:
        raise ValueError(
            f"{paths['allx']} must have at least {num_train + DEV} rows, those of "
            f"{paths['y'].name} and {DEV} for development, got {known.shape[0]}"
        )
    if known.shape[0] != len(targets[0]) or known.shape[0] > order.min():
        raise ValueError(
            f"{paths['allx']} must have one row for each row of {paths['ally'].name} "
            f"and none for a test node, got {known.shape[0]}"
        )
    if not len(order) == shuffled.shape[0] == len(targets[1]):
        raise ValueError(
            f"{paths['tx']} must have one row for each of the {len(order)} nodes in "
            f"{paths['test.index'].name}, got {shuffled.shape[0]}"
        )
    # Row i of the test nodes belongs to node order[i]; ids that do not occur stay 0.
    sparse = torch.sparse_coo_tensor(
        torch.from_numpy(
            np.stack(
                [
                    np.concatenate([known.row, order[shuffled.row]]),
                    np.concatenate([known.column, shuffled.column]),
                ]
            )
        ),
        torch.from_numpy(np.concatenate([known.value, shuffled.value])).float(),
        (num_nodes, known.shape[1]),
        check_invariants=True,
    )
    labels = np.zeros((num_nodes, targets[0].shape[1]))
    labels[: len(targets[0])], labels[order] = targets
    return Graph(
        features=row_normalised(sparse),
        edges=_edges(paths["graph"], num_nodes),
        labels=torch.from_numpy(labels.argmax(axis=1)),
        train=torch.arange(num_train),
        dev=torch.arange(num_train, num_train + DEV),
        test=torch.from_numpy(np.sort(order)),
        classes=tuple(f"class {number}" for number in range(labels.shape[1])),
    )


def _read(path: Path, convert: Any) -> Any:
    """An array or a matrix, with the name of the file in the message of an error."""
    try:
        return convert(read_pickle(path))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{path}: {error}") from error


def _edges(path: Path, num_nodes: int) -> torch.Tensor:
    adjacency = read_pickle(path)
    if not isinstance(adjacency, Call) or adjacency.name != "collections defaultdict":
        raise ValueError(f"{path}: want lists of neighbours, got {adjacency!r:.60}")
    edges = undirected(
        (node, other)
        for part in adjacency.state
        for node, others in part.items()
        for other in others
    )
    if len(edges.T) and not 0 <= int(edges.min()) <= int(edges.max()) < num_nodes:
        raise ValueError(
            f"{path} must have nodes 0 to {num_nodes - 1}, got {int(edges.min())} to "
            f"{int(edges.max())}"
        )
    return edges


def _test_order(path: Path) -> np.ndarray:
    nodes = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.isdecimal():
            raise ValueError(
                f"{path}:{number}: want the number of a node, got {line!r}"
            )
        nodes.append(int(line))
    if len(set(nodes)) < len(nodes) or not nodes:
        raise ValueError(f"{path} must name at least one node, and none twice")
    return np.array(nodes)

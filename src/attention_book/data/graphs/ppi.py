"""PPI: which proteins interact, in 24 tissues, and many labels for each of them."""

import io
import json
import os
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attention_book.data.downloads import fetch
from attention_book.data.graphs.graph import undirected

PPI = "ppi/ppi.zip"
PREFIXES = {"train": "train", "dev": "valid", "test": "test"}
"""How the names of the archive's files start, by split."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError)


@dataclass(frozen=True)
class MultiLabelGraph:
    """A graph whose nodes have any number of labels each; a batch of its own.

    Attributes:
        features: one vector per node.
        edges: in each column a source and a target. An undirected edge stands in two
            columns; no column twice, and no loops.
        labels: True where a node has a label.
    """

    features: Float[Tensor, "nodes features"]
    edges: Int[Tensor, "2 edges"]
    labels: Bool[Tensor, "nodes labels"]

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return len(self.labels)

    @property
    def num_tokens(self) -> int:
        """Number of predictions: yes or no, for each node and label."""
        return self.labels.numel()

    def to(self, device: torch.device) -> "MultiLabelGraph":
        """Return the same graph on ``device``."""
        moved = {name: value.to(device) for name, value in vars(self).items()}
        return replace(self, **moved)


def ppi(split: str) -> list[MultiLabelGraph]:
    """Load the graphs of one split: whole tissues, which training has not seen.

    A node is a protein in one tissue, an edge an interaction. The labels are 121
    functions of proteins, of which a protein has any number. Features tell which sets
    of genes it belongs to, standardised over the training nodes.

    Size: 20 graphs "train" with 44,906 nodes, 2 "dev" with 6,514 and 2 "test" with
    5,524; 793,632 undirected edges, 50 features, 121 labels. Download: 7 MB.
    Source: Zitnik and Leskovec, arXiv:1707.04638; Hamilton et al., arXiv:1706.02216; in
    the form of DGL, which PyG and GAT's readers use too. It adds a loop to each node,
    which is dropped here, and counts the parts of a tissue that are not connected with
    its largest one as parts of the first graph.
    Licence: not stated for the data. Nothing of it is in this package.

    Args:
        split: "train", "dev" or "test".

    Raises:
        ValueError: if there is no such split, or the archive is damaged.
        DownloadError: if the archive is not available.
    """
    _check_split(split)
    return read_ppi(fetch(PPI), split)


def read_ppi(path: str | Path, split: str) -> list[MultiLabelGraph]:
    """Read the graphs of one split from an archive, which is not unpacked.

    Args:
        path: a zip file with ``train_graph.json`` (nodes and links, as NetworkX writes
            them), ``train_feats.npy``, ``train_labels.npy`` and ``train_graph_id.npy``,
            one row for each node, and the same for ``valid`` and ``test``. Arrays of
            objects, which would be pickles, are refused.
        split: "train", "dev" or "test".

    Returns:
        One graph for each number in ``graph_id``, in their order.

    Raises:
        ValueError: if there is no such split; naming the archive and the file in it, if
            one is missing or damaged, or they do not fit each other.
    """
    _check_split(split)
    path = Path(os.path.expanduser(path))
    prefix = PREFIXES[split]
    arrays = []
    try:
        with zipfile.ZipFile(path) as archive:
            for part in ("feats", "labels", "graph_id"):
                name = f"{prefix}_{part}.npy"
                arrays.append(_read_array(archive.read(name), f"{path}, {name}"))
            name = f"{prefix}_graph.json"
            content = archive.read(name)
    except KeyError as error:
        raise ValueError(f"{path} must hold {name}") from error
    except _DAMAGED as error:
        raise ValueError(f"{path} is no whole archive of graphs ({error})") from error
    name = f"{path}, {name}"
    nodes, links = _read_links(content, name)
    if any(len(array) != nodes for array in arrays):
        raise ValueError(
            f"{name} must have as many nodes as the arrays have rows, got {nodes} for "
            f"{', '.join(str(len(array)) for array in arrays)}"
        )
    features, labels, owner = arrays
    apart = owner[links[:, 0]] != owner[links[:, 1]]
    if apart.any():
        a, b = links[apart][0]
        raise ValueError(f"{name}: the link from {a} to {b} joins two graphs")
    graphs = []
    for graph in np.unique(owner):
        members = np.flatnonzero(owner == graph)
        number = np.zeros(nodes, dtype=np.int64)
        number[members] = np.arange(len(members))
        own = number[links[owner[links[:, 0]] == graph]]
        graphs.append(
            MultiLabelGraph(
                features=torch.from_numpy(features[members]).float(),
                edges=undirected((a, b) for a, b in own.tolist()),
                labels=torch.from_numpy(labels[members] != 0),
            )
        )
    return graphs


def _read_array(content: bytes, name: str) -> np.ndarray:
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, *_DAMAGED) as error:
        raise ValueError(f"{name} is no array of numbers ({error})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise ValueError(f"{name} is no array of numbers")
    return array


def _read_links(content: bytes, name: str) -> tuple[int, np.ndarray]:
    """The number of nodes, and the ends of each link."""
    try:
        saved = json.loads(content)
        nodes = sorted(int(node["id"]) for node in saved["nodes"])
        ends = [[int(link["source"]), int(link["target"])] for link in saved["links"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{name} holds no nodes and links ({error!r})") from error
    if nodes != list(range(len(nodes))):
        raise ValueError(f"{name} must number its {len(nodes)} nodes from 0")
    links = np.array(ends, dtype=np.int64).reshape(-1, 2)
    if links.size and not 0 <= links.min() <= links.max() < len(nodes):
        raise ValueError(
            f"{name} must link nodes 0 to {len(nodes) - 1}, got {links.min()} to "
            f"{links.max()}"
        )
    return len(nodes), links


def _check_split(split: str) -> None:
    if split not in PREFIXES:
        raise ValueError(f"split must be one of {', '.join(PREFIXES)}, got {split!r}")

"""Graphs: citations, references between docstrings, and dictionaries to look up."""

from attention_book.data.graphs.dictionary_lookup import (
    LookupBatch,
    LookupSplits,
    lookup_batch,
    lookup_splits,
)
from attention_book.data.graphs.graph import (
    Graph,
    homophily,
    random_edges,
    random_split,
    row_normalised,
    undirected,
)
from attention_book.data.graphs.pickles import Entries, as_array, as_sparse, read_pickle
from attention_book.data.graphs.planetoid import planetoid, read_planetoid
from attention_book.data.graphs.ppi import MultiLabelGraph, ppi, read_ppi
from attention_book.data.graphs.see_also import see_also_graph, see_also_pairs

__all__ = [
    "Entries",
    "Graph",
    "LookupBatch",
    "LookupSplits",
    "MultiLabelGraph",
    "as_array",
    "as_sparse",
    "homophily",
    "lookup_batch",
    "lookup_splits",
    "planetoid",
    "ppi",
    "random_edges",
    "random_split",
    "read_pickle",
    "read_planetoid",
    "read_ppi",
    "row_normalised",
    "see_also_graph",
    "see_also_pairs",
    "undirected",
]

"""The weights of all mechanisms on one sentence, and facts about each."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.han import LearnedQueryAttention
from attention_book.attention.soft_hard import HardAttention
from attention_book.chapters.taxonomy import AXES, MECHANISMS
from attention_book.observe import record_weights
from attention_book.recipes.mechanisms import (
    NUM_DIGITS,
    WORD_DIM,
    WORD_KINDS,
    MechanismCost,
    call_mechanism,
    compared_weights,
    neighbour_edges,
    word_vectors,
)

# What the tables of `compared_weights` are called here, and whose they are.
_ACROSS = {
    "additive": ("additive", "additive"),
    "dot, not scaled": ("projected dot", "projected dot"),
    "hard, one draw": ("hard, one draw", "hard"),
    "location, W = 0": ("global, location", "global"),
    "local-m": ("local-m", "local"),
    "local-p": ("local-p", "local"),
    "match score (ABCNN)": ("ABCNN-1", "ABCNN-1"),
    "dot, scaled": ("scaled dot", "scaled dot"),
    "head 1 of 2 (digits)": ("multi-head, across, head 1", "multi-head"),
    "head 2 of 2 (kinds)": ("multi-head, across, head 2", "multi-head"),
}


class WeightTable(NamedTuple):
    """The weights of a mechanism, with their labels.

    Attributes:
        mechanism: its name in the table of mechanisms.
        weights: one row for each query.
        queries: a label for each row.
        keys: a label for each column.
    """

    mechanism: str
    weights: Float[Tensor, "queries keys"]
    queries: Sequence[str]
    keys: Sequence[str]


@torch.no_grad()
def weight_tables(
    layers: Mapping[str, Any], queries: Sequence[str], keys: Sequence[str]
) -> dict[str, WeightTable]:
    """Compute the weights of every mechanism, given two sentences or the first alone.

    Args:
        layers: from :func:`~attention_book.recipes.mechanisms.build_mechanisms`, after
            :func:`~attention_book.recipes.mechanisms.compare_by_content`.
        queries: words of the sentence that attends, or that attends to itself.
        keys: words of the other sentence.

    Returns:
        By a name for each table; a mechanism with several rows of weights, such as
        heads, has several.

    Example:
        >>> from attention_book.recipes.mechanisms import build_mechanisms
        >>> layers = build_mechanisms(20, 8, hidden_dim=40)
        >>> tables = weight_tables(layers, ["drei", "zwei"], ["two", "three"])
        >>> tables["views"].keys
        ['digit', 'kind']
    """
    ours, theirs = word_vectors([*queries]), word_vectors([*keys])
    found = {
        name: WeightTable(mechanism, weights, queries, keys)
        for label, weights in compared_weights(layers, ours, theirs).items()
        for name, mechanism in (_ACROSS[label],)
    }

    def weights(name: str) -> Tensor:
        return call_mechanism(layers, name, ours, theirs)[1][0]

    whole = ["the sentence"]
    found["global, general"] = WeightTable("global", weights("global"), queries, keys)
    found["location-aware"] = WeightTable(
        "location-aware", weights("location-aware"), queries, keys
    )
    found["input"] = WeightTable("input", weights("input"), whole, keys)
    found["ABCNN-2"] = WeightTable("ABCNN-2", weights("ABCNN-2"), queries, keys)
    with record_weights(layers["ABCNN-3"]) as recorded:
        call_mechanism(layers, "ABCNN-3", ours, theirs)
    levels = zip(recorded.values(), (1, 2), strict=True)
    for (matrix,), width in levels:
        name = "ABCNN-3, words" if width == 1 else "ABCNN-3, phrases"
        rows, columns = (_phrases(words, width) for words in (queries, keys))
        found[name] = WeightTable("ABCNN-3", matrix[0], rows, columns)
    both = call_mechanism(layers, "AoA", ours, theirs)
    found["AoA"] = WeightTable("AoA", both.weights[0], whole, keys)
    found["AoA, word by word"] = WeightTable("AoA", both.key_weights[0], queries, keys)
    found["AoA, over the query"] = WeightTable(
        "AoA", both.query_weights, whole, queries
    )
    for name in ("memory", "NTM"):
        found[name] = WeightTable(name, weights(name), queries, keys)
    readers = {"CMLA": ("digits", "kinds"), "MA-CNN": ("digits", "kinds")}
    for name, labels in readers.items():
        found[name] = WeightTable(name, weights(name), labels, queries)

    def own(name: str, table: Tensor, mechanism: str | None = None) -> None:
        found[name] = WeightTable(mechanism or name, table, queries, queries)

    own("self-attention", weights("self-attention"))
    in_heads = "multi-head", "relative", "rotary", "distance bias"
    for mechanism in (*in_heads, "Transformer-XL", "sparse", "Gaussian"):
        for head, table in enumerate(weights(mechanism), start=1):
            own(f"{mechanism}, head {head}", table, mechanism)
    for mechanism in ("edges", "GAT", "GATv2"):
        edges = neighbour_edges(len(queries))
        own(mechanism, graph_weights(layers[mechanism], ours[0], edges))
    right = layers["quadratic"].centre.tolist().index([0.0, 1.0])
    pixels = weights("quadratic")[right].unflatten(1, (3, len(queries) + 2))
    own("quadratic, one to the right", pixels[:, 1, 1:-1], "quadratic")
    ones = NUM_DIGITS + WORD_KINDS.index("ones")
    own("token2token, feature ones", weights("token2token")[ones], "token2token")
    kinds = {kind: NUM_DIGITS + at for at, kind in enumerate(WORD_KINDS)}
    features = {f"digit {digit}": digit for digit in (2, 3, 4)} | kinds
    each = weights("source2token")[list(features.values()), 0]
    found["source2token"] = WeightTable("source2token", each, list(features), queries)
    learned = weights("learned query")
    found["learned query"] = WeightTable(
        "learned query", learned, ["a learned vector"], queries
    )
    views = weights("views")
    found["views"] = WeightTable("views", views, queries, ["digit", "kind"])
    order = [mechanism.name for mechanism in MECHANISMS]
    ordered = sorted(found.items(), key=lambda item: order.index(item[1].mechanism))
    return dict(ordered)


class LevelWeights(NamedTuple):
    """What a word has of a document that is read in two levels.

    Attributes:
        words: for each sentence one weight for each of its words.
        sentences: one weight for each sentence.
        at_once: weights of all words of the document in one level.
    """

    words: list[Float[Tensor, " _"]]
    sentences: Float[Tensor, " sentences"]
    at_once: Float[Tensor, " words"]


@torch.no_grad()
def weigh_document(document: Sequence[Sequence[str]], digit: int) -> LevelWeights:
    """Weigh words, then sentences, by a query that looks for a digit.

    Args:
        document: the words of each sentence.
        digit: what the query, which is set by hand, looks for on both levels.

    Example:
        >>> found = weigh_document([["zwei"], ["drei", "vierzig"]], digit=4)
        >>> found.sentences.argmax().item()
        1
    """
    layer = LearnedQueryAttention(WORD_DIM, WORD_DIM)
    nn.init.eye_(layer.key_proj.weight)
    nn.init.zeros_(layer.key_proj.bias)
    layer.query.zero_()[0, digit] = 3.0
    below = [layer(word_vectors([*words])) for words in document]
    vectors = torch.cat([context for context, _ in below], dim=1)  # one per sentence
    _, sentences = layer(vectors)
    _, at_once = layer(word_vectors([word for words in document for word in words]))
    words = [weights[0, 0] for _, weights in below]
    return LevelWeights(words, sentences[0, 0], at_once[0, 0])


class HardDraws(NamedTuple):
    """Many draws of hard attention, compared with its soft context.

    Attributes:
        chosen: for each of the first draws the position of the key of each query.
        one: distance of a single draw from the soft context, mean over the queries.
        mean: distance of the mean of all draws.
    """

    chosen: Int[Tensor, "draws queries"]
    one: float
    mean: float


@torch.no_grad()
def draw_hard(
    layer: HardAttention,
    query: Float[Tensor, "1 queries dim"],
    key: Float[Tensor, "1 keys dim"],
    *,
    draws: int,
) -> HardDraws:
    """Draw a key for each query, many times.

    Args:
        layer: hard attention.
        query: vectors that attend.
        key: vectors that are scored, and of which one is returned; all differ.
        draws: number of draws, from PyTorch's global generator.
    """
    keys = key.expand(draws, -1, -1)
    contexts, weights, _ = layer(query.expand(draws, -1, -1), keys, keys)
    soft = weights[0] @ key[0]
    same = (contexts[:, :, None] == key[0]).all(dim=-1)
    return HardDraws(
        same.int().argmax(dim=-1),
        (contexts[0] - soft).norm(dim=-1).mean().item(),
        (contexts.mean(dim=0) - soft).norm(dim=-1).mean().item(),
    )


def graph_weights(
    layer: Any, nodes: Float[Tensor, "nodes dim"], edges: Int[Tensor, "2 edges"]
) -> Float[Tensor, "nodes nodes"]:
    """Return weights along edges as a table: a row for each node that attends.

    Args:
        layer: an attention along edges, with one head.
        nodes: the vectors of the nodes, as queries, keys and values.
        edges: in each column a source and a target.

    Returns:
        The weights, 0 where there is no edge.

    Example:
        >>> from attention_book.attention.graph_attention.edges import edge_attention
        >>> graph_weights(edge_attention, torch.zeros(2, 1), torch.tensor([[0], [1]]))
        tensor([[0., 0.],
                [1., 0.]])
    """
    heads = nodes[:, None]
    weights = layer(heads, heads, heads, edges)[1][:, 0]
    table = nodes.new_zeros(len(nodes), len(nodes))
    table[edges[1], edges[0]] = weights.detach()
    return table


def complete_edges(count: int) -> Int[Tensor, "2 edges"]:
    """Link each node to each, itself included.

    Example:
        >>> complete_edges(2).tolist()
        [[0, 1, 0, 1], [0, 0, 1, 1]]
    """
    nodes = torch.arange(count)
    return torch.cartesian_prod(nodes, nodes).T.flip(0)


def mechanism_facts(name: str, cost: MechanismCost) -> dict[str, str]:
    """Say what a mechanism is and costs, by the names of facts that all share.

    Args:
        name: of the mechanism.
        cost: from :func:`~attention_book.recipes.mechanisms.mechanism_costs`.

    Raises:
        KeyError: if there is no such mechanism.

    Example:
        >>> mechanism_facts("additive", MechanismCost(8256, 10**6, 0.5))["parameters"]
        '8,256'
    """
    row = {mechanism.name: mechanism for mechanism in MECHANISMS}[name]
    facts = {axis: " and ".join(getattr(row, axis)) for axis in AXES}
    for column in ("query", "key", "value", "score", "normaliser", "architecture"):
        facts[column] = getattr(row, column)
    names = "parameters", "million operations", "milliseconds"
    facts |= dict(zip(names, cost_cells(cost), strict=True))
    return facts | {"chapter": row.chapter, "first appeared": row.appeared}


def cost_cells(cost: MechanismCost) -> tuple[str, str, str]:
    """Write a cost as text: parameters, millions of operations, milliseconds.

    Example:
        >>> cost_cells(MechanismCost(8256, 10**6, 0.5))
        ('8,256', '2.00', '500.00')
    """
    operations = 2 * cost.multiplications / 1e6
    return f"{cost.parameters:,}", f"{operations:.2f}", f"{1e3 * cost.seconds:.2f}"


def _phrases(words: Sequence[str], width: int) -> list[str]:
    """The words, or the pairs that a convolution of width 2 with padding sees."""
    if width == 1:
        return [*words]
    return [f"{a} {b}".strip() for a, b in pairwise(["", *words, ""])]

"""The table of all mechanisms, which prose, figures, hooks and tests share.

The axes and the architectures are those of Chaudhari, Mithal, Polatkan and Ramanath,
arXiv:1904.02874. Where a mechanism belongs on them follows from the survey's
definitions and is our reading; it is not copied from the survey's own table.

Nothing of the package is imported before :meth:`Mechanism.load` is called.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

AXES = {
    "sequences": ("distinctive", "co-attention", "self"),
    "levels": ("single", "multi"),
    "positions": ("soft", "hard", "global", "local"),
    "representations": ("single", "multi-representational", "multi-dimensional"),
}
"""The survey's four axes and the values on each; soft and global weigh all keys."""

ARCHITECTURES = (
    "encoder-decoder",
    "memory network",
    "without recurrence",
    "graph network",
    "none of these",
)
"""The survey's three, graph networks from its journal version, and the rest."""

TRAITS = {
    "queries": (
        "decoder state",
        "tokens or nodes",
        "a whole text",
        "positions",
        "learned",
        "none",
    ),
    "scored by": ("dot product", "additive", "distance", "position", "network"),
    "distribution": ("softmax", "one key drawn", "softmax times Gaussian", "other"),
    "heads": ("one", "several", "one per feature"),
}
"""Further questions, which are ours and not the survey's, and their answers."""

CALLS = {
    "query key value": "layer(query, key, value, mask)",
    "heads": "layer(query, key, value, mask), with an axis of heads after the batch",
    "sequence": "as heads; queries, keys and values are projections of one sequence",
    "pair": "layer(query, key, mask): the keys are the values, or there are none",
    "key": "layer(key, mask): there is no query",
    "views": "layer(views, mask): the views of one token are its keys",
    "edges": "layer(query, key, value, edges), one vector per node and head",
    "image": "layer(image): the pixels are the values",
    "block": "made of other mechanisms, which have their own rows",
}
"""How a mechanism is called; options follow by keyword."""

LAWS = {
    "sum": "the weights of a query sum to 1",
    "blocked": "the weight of a blocked key is exactly 0",
    "padding": "padding changes nothing",
    "order": "keys permuted with their values change nothing",
    "batch": "a batch equals its rows one by one",
    "no keys": "a query without keys gets zeros and finite gradients",
    "dtype": "float32, float64 and bfloat16 come back as they went in",
    "device": "everything is computed on the device of the inputs",
    "copy": "a deep copy and a pickled copy compute the same",
    "compile": "it compiles to one graph",
    "export": "it can be exported",
}
"""What every mechanism keeps, unless its row says which law it breaks and why."""


DECISION = "What do you have?"
"""The first question of the chart that leads from a task to a mechanism."""

DECISIONS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "one sequence that attends to another": (
        "Which keys may have weight?",
        {
            "all of them": ("additive", "projected dot", "global"),
            "all, in several subspaces": ("multi-head", "scaled dot"),
            "those in a window": ("local",),
            "all, read in order from the last weights": ("location-aware",),
            "one, drawn at random": ("hard",),
            "facts, looked up repeatedly": ("memory",),
            "a memory, by content or in order": ("NTM",),
        },
    ),
    "two texts of equal standing": (
        "What is wanted?",
        {
            "how similar they are": ("input", "ABCNN-1", "ABCNN-2", "ABCNN-3"),
            "an answer that stands in one of them": ("AoA",),
        },
    ),
    "one text, to be summarised": (
        "What gets a weight?",
        {
            "each word, then each sentence": ("learned query",),
            "each word, by two attentions": ("CMLA",),
            "each location, once for each part": ("MA-CNN",),
            "each feature of a word": ("source2token",),
            "each embedding of a word": ("views",),
        },
    ),
    "one sequence, each token to be changed": (
        "Who may attend to whom?",
        {
            "all to all; order does not matter": ("self-attention", "multi-head"),
            "all to all; distance matters": (
                "relative",
                "rotary",
                "distance bias",
                "Gaussian",
            ),
            "a segment and those before it": ("Transformer-XL",),
            "some earlier ones, by position": ("sparse",),
            "all to all, feature by feature": ("token2token",),
            "neighbours in a graph": ("edges", "GAT", "GATv2"),
            "pixels, by their offset": ("quadratic",),
        },
    ),
}
"""For each answer to :data:`DECISION` the next question, and where its answers lead."""


QUESTIONS = (
    (
        "positions",
        "hard",
        "Hard attention draws one key from the weights of soft attention. Number of "
        "positions?",
    ),
    (
        "sequences",
        "views",
        "The views of a word are scored against a learned vector; no word attends to "
        "another. Number of sequences?",
    ),
    (
        "levels",
        "learned query",
        "A learned query weighs the words of each sentence, then another the "
        "sentences. Number of levels?",
    ),
    (
        "representations",
        "multi-head",
        "A head has one weight for a whole token, which it sees through matrices of "
        "its own. Number of representations?",
    ),
    ("sequences", "memory", "A question attends to facts. Number of sequences?"),
)
"""Questions for readers: an axis, a mechanism, and what is asked about its place."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """An object that a mechanism is built with, named by its path.

    Attributes:
        path: its class, below ``attention_book``.
        arguments: arguments of the class, by name.
    """

    path: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> Any:
        """Import the class and build the object.

        Example:
            >>> Part(path="attention.mpcnn.InputAttention").build()
            InputAttention()
        """
        arguments = {
            name: value.build() if isinstance(value, Part) else value
            for name, value in self.arguments.items()
        }
        return _load(self.path)(**arguments)


@dataclass(frozen=True, kw_only=True)
class Example:
    """One way to build and call a mechanism, small and with sizes that all differ.

    Attributes:
        sizes: size of a vector for each input, and the number of ``heads``.
        arguments: arguments of the class, by name.
        options: options of a call, by name.
        breaks: for each of :data:`LAWS` that does not hold, the reason.
    """

    sizes: Mapping[str, Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    breaks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """A mechanism: its source, what it computes, and where it belongs.

    Attributes:
        name: as in the book's tables.
        paper: its key in the bibliography.
        appeared: year and month of the first version, "2014-09".
        chapter: the slug of the chapter that explains it.
        path: the class or function, below ``attention_book``.
        query: what attends; "nothing" if there is no query.
        key: what is scored against the queries.
        value: vectors that are averaged; "the keys" if these are the values.
        score: how a key is scored against a query.
        normaliser: how scores become weights.
        sequences: whose tokens are the keys; a mechanism may have several uses.
        levels: at how many granularities it attends.
        positions: to which keys a query attends.
        representations: which representations of a token are weighted.
        architecture: the kind of model in which the paper has it; or this book, where
            the book has it elsewhere.
        asked_by: whose vectors the queries are, of :data:`TRAITS`.
        scored_by: what a score is made of: a dot product or cosine, an additive score,
            a distance between vectors, the positions, or a network without a query.
        distribution: what the weights of a query are; "other" than a softmax are ReLU
            and unnormalised match scores.
        heads: how many rows of weights a query has.
        call: how it is called, one of :data:`CALLS`.
        examples: how to build it; none for a block made of other mechanisms.
    """

    name: str
    paper: str
    appeared: str
    chapter: str
    path: str
    query: str
    key: str
    value: str = "the keys"
    score: str
    normaliser: str = "softmax"
    sequences: tuple[str, ...]
    levels: tuple[str, ...] = ("single",)
    positions: tuple[str, ...] = ("soft",)
    representations: tuple[str, ...] = ("single",)
    architecture: str
    asked_by: tuple[str, ...]
    scored_by: tuple[str, ...]
    distribution: tuple[str, ...] = ("softmax",)
    heads: tuple[str, ...] = ("one",)
    call: str = "query key value"
    examples: tuple[Example, ...] = ()

    @property
    def year(self) -> int:
        """The year of publication, as in the key of the paper.

        Raises:
            ValueError: if there is no year in the key.
        """
        year = re.search(r"\d{4}", self.paper)
        if year is None:
            raise ValueError(f"paper must contain a year, got {self.paper!r}")
        return int(year[0])

    def load(self) -> Any:
        """Import and return the class or function.

        Example:
            >>> MECHANISMS[0].load().__name__
            'AdditiveAttention'
        """
        return _load(self.path)

    def build(self, example: Example) -> Any:
        """Build one of the examples; a function is returned unchanged.

        Example:
            >>> MECHANISMS[0].build(MECHANISMS[0].examples[0]).query_proj.in_features
            3
        """
        found = self.load()
        if not isinstance(found, type):
            return found
        return Part(path=self.path, arguments=example.arguments).build()


@dataclass(frozen=True, kw_only=True)
class System:
    """A whole model of the book, and the mechanisms in it.

    Attributes:
        name: as its paper or the book calls it.
        paper: its key in the bibliography.
        appeared: year and month of the first version, "2014-09".
        chapter: the slug of the chapter that trains or explains it.
        path: the class, below ``attention_book``.
        mechanisms: names of those of :data:`MECHANISMS` that it can have; none for an
            encoder-decoder without attention.
        sequences: whose tokens the keys are in this system, as for a mechanism.
    """

    name: str
    paper: str
    appeared: str
    chapter: str
    path: str
    mechanisms: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()

    def load(self) -> Any:
        """Import and return the class.

        Example:
            >>> SYSTEMS[0].load().__name__
            'RNNEncoderDecoder'
        """
        return _load(self.path)


def by_axis(axis: str) -> dict[str, list[Mechanism]]:
    """Sort the mechanisms by their values on an axis.

    Args:
        axis: one of :data:`AXES`, or "architecture".

    Returns:
        For each value, the mechanisms that have it, in the order of the table. One with
        two values appears twice; a value may have none.

    Raises:
        ValueError: if there is no such axis.

    Example:
        >>> [mechanism.name for mechanism in by_axis("positions")["local"]]
        ['local']
    """
    if axis not in (*AXES, "architecture"):
        raise ValueError(
            f"axis must be one of {', '.join(AXES)}, architecture, got {axis!r}"
        )
    if axis == "architecture":
        return {
            value: [m for m in MECHANISMS if m.architecture == value]
            for value in ARCHITECTURES
        }
    return {
        value: [m for m in MECHANISMS if value in getattr(m, axis)]
        for value in AXES[axis]
    }


def facets() -> dict[str, dict[str, list[int]]]:
    """Sort the rows of the table by all axes, architectures and traits.

    Returns:
        For each question, and for each of its answers, the positions of the mechanisms
        of which it holds, in :data:`MECHANISMS`.

    Example:
        >>> [MECHANISMS[row].name for row in facets()["representations"]["single"]][:2]
        ['additive', 'projected dot']
    """
    fields = {"queries": "asked_by", "scored by": "scored_by"}
    questions = {**AXES, **TRAITS, "architecture": ARCHITECTURES}
    found: dict[str, dict[str, list[int]]] = {}
    for question, answers in questions.items():
        name = fields.get(question, question)
        found[question] = {answer: [] for answer in answers}
        for row, mechanism in enumerate(MECHANISMS):
            given = getattr(mechanism, name)
            for answer in (given,) if isinstance(given, str) else given:
                found[question][answer].append(row)
    return found


def nearest(place: Sequence[str]) -> list[str]:
    """The names of the mechanisms that agree with a place on most axes.

    Args:
        place: a value for each of :data:`AXES`.

    Raises:
        ValueError: if a value is missing or not one of the axis.

    Example:
        >>> nearest(["self", "single", "soft", "multi-representational"])
        ['MA-CNN', 'views']
    """
    if len(place) != len(AXES) or any(
        value not in values for value, values in zip(place, AXES.values(), strict=True)
    ):
        raise ValueError(f"place must have one value of each of {AXES}, got {place}")
    agree = {
        mechanism.name: sum(
            value in getattr(mechanism, axis)
            for axis, value in zip(AXES, place, strict=True)
        )
        for mechanism in MECHANISMS
    }
    return [name for name, count in agree.items() if count == max(agree.values())]


def table() -> tuple[list[str], list[list[str]]]:
    """The table as text: the names of its columns, and a row for each mechanism."""
    header = ["mechanism", *AXES, "query", "key", "value", "score", "normaliser"]
    header += ["heads", "architecture", "chapter", "year"]
    rows = []
    for mechanism in MECHANISMS:
        cells = [getattr(mechanism, name) for name in header[1:-1]]
        texts = [
            cell if isinstance(cell, str) else " and ".join(cell) for cell in cells
        ]
        rows.append([mechanism.name, *texts, str(mechanism.year)])
    return header, rows


def systems_table() -> tuple[list[str], list[list[str]]]:
    """The systems as text: the names of the columns, and a row for each system."""
    rows = [
        [
            system.name,
            ", ".join(system.mechanisms) or "none",
            " and ".join(system.sequences) or "none",
            system.chapter,
        ]
        for system in SYSTEMS
    ]
    return ["system", "mechanisms", "sequences", "chapter"], rows


def _load(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"attention_book.{module}"), name)


# Columns that several rows share.
_VASWANI: dict[str, Any] = {"paper": "vaswani2017", "appeared": "2017-06"}
_YIN: dict[str, Any] = {"paper": "yin2016", "appeared": "2015-12", "chapter": "abcnn"}
_SHEN: dict[str, Any] = {
    "paper": "shen2018",
    "appeared": "2017-09",
    "chapter": "taxonomy",
}
_DECODER: dict[str, Any] = {
    "query": "decoder state",
    "asked_by": ("decoder state",),
    "architecture": "encoder-decoder",
    "sequences": ("distinctive",),
}
_PAIR: dict[str, Any] = {
    "sequences": ("co-attention",),
    "architecture": "none of these",
    "call": "pair",
}
_TOKENS: dict[str, Any] = {
    "query": "tokens",
    "key": "tokens",
    "asked_by": ("tokens or nodes",),
    "architecture": "without recurrence",
}
_ENCODING: dict[str, Any] = {
    **_TOKENS,
    "chapter": "positions",
    "scored_by": ("dot product", "position"),
    "heads": ("several",),
    "sequences": ("self",),
    "call": "sequence",
}

_LATER: dict[str, Any] = {**_ENCODING, "chapter": "later"}

# Sizes and arguments of examples, and reasons for broken laws, that several share.
_THREE = {"query": 3, "key": 5, "value": 7}
_HIDDEN = {"query_dim": 3, "key_dim": 5, "hidden_dim": 11}
_LUONG = {"query_dim": 3, "key_dim": 5}
_ONE = {"query": 12, "key": 12, "value": 12}
_HEADS = {"query": 6, "key": 6, "value": 6, "heads": 4}
_BY_POSITION = {"order": "the scores depend on the positions of the keys"}
_LAST_WEIGHTS = {
    "order": "the last weights are read around each key, so that neighbours matter"
}
_MATCH = {"sum": "match scores are not normalised"}
_NO_MASK = "it has no mask: a frame of zeros surrounds the image"
_FIXED_VIEWS = "the number of views is fixed, and each has its own projection"
_EDGES = "edges take the part of a mask: a missing edge has no weight"
_GRAPH: dict[str, Any] = {
    "asked_by": ("tokens or nodes",),
    "scored_by": ("additive",),
    "heads": ("several",),
    "query": "nodes, projected",
    "key": "neighbours of a node, projected",
    "sequences": ("self",),
    "architecture": "graph network",
    "call": "edges",
    "examples": (
        Example(
            sizes={"query": 6, "key": 6, "value": 7, "heads": 4},
            arguments={"num_heads": 4, "head_dim": 6},
            breaks={"blocked": _EDGES},
        ),
    ),
}

# One keyword per line would make the table four times as long.
# fmt: off
MECHANISMS = (
    Mechanism(
        name="additive", paper="bahdanau2015", appeared="2014-09", chapter="bahdanau",
        path="attention.bahdanau.AdditiveAttention", **_DECODER,
        key="source words", scored_by=("additive",), score="additive",
        examples=(Example(sizes=_THREE, arguments=_HIDDEN),)),
    Mechanism(  # one head's score, but not scaled; the recurrent translator is ours
        name="projected dot", **_VASWANI, chapter="bahdanau",
        path="attention.bahdanau.MultiplicativeAttention", **_DECODER,
        key="source words", scored_by=("dot product",), score="dot",
        examples=(Example(sizes=_THREE, arguments=_HIDDEN),)),
    Mechanism(
        name="hard", paper="xu2015", appeared="2015-02", chapter="soft_hard",
        path="attention.soft_hard.HardAttention", **_DECODER,
        key="locations in an image", scored_by=("additive",),
        distribution=("softmax", "one key drawn"), score="additive",
        normaliser="softmax, one key drawn", positions=("hard", "soft"),
        examples=(
            Example(sizes=_THREE, arguments=_HIDDEN, options={"mode": "argmax"}),)),
    Mechanism(
        name="global", paper="luong2015", appeared="2015-08", chapter="global_local",
        path="attention.global_local.layers.GlobalAttention", **_DECODER,
        key="source words", scored_by=("dot product", "additive", "position"),
        score="dot, general, concat or location",
        positions=("global",),
        examples=(
            Example(sizes=_THREE, arguments={**_LUONG, "score": "general"}),
            Example(sizes=_THREE, arguments={**_LUONG, "score": "concat"}),
            Example(
                sizes={"query": 3, "key": 3, "value": 7},
                arguments={"query_dim": 3, "key_dim": 3, "score": "dot"}),
            Example(
                sizes=_THREE,
                arguments={**_LUONG, "score": "location", "max_keys": 11},
                breaks=_BY_POSITION))),
    Mechanism(
        name="local", paper="luong2015", appeared="2015-08", chapter="global_local",
        path="attention.global_local.layers.LocalAttention", **_DECODER,
        key="source words in a window", scored_by=("dot product", "additive"),
        distribution=("softmax", "softmax times Gaussian"),
        score="dot, general or concat",
        normaliser="softmax (local-m), times a Gaussian (local-p)",
        positions=("local",),
        examples=(
            Example(
                sizes=_THREE,
                arguments={**_LUONG, "window": 1, "predictive": False},
                breaks=_BY_POSITION),
            Example(
                sizes=_THREE,
                arguments={**_LUONG, "window": 2, "score": "concat"},
                breaks={
                    **_BY_POSITION,
                    "sum": "the Gaussian comes after the softmax"}))),
    Mechanism(
        name="location-aware", paper="chorowski2015", appeared="2015-06",
        chapter="encoders", path="attention.location_aware.LocationAwareAttention",
        **_DECODER, key="frames of speech", scored_by=("additive", "position"),
        score="additive, of key and last weights around it",
        normaliser="softmax or normalised sigmoid",
        examples=(
            Example(
                sizes=_THREE, arguments={**_HIDDEN, "num_filters": 4, "width": 3},
                breaks=_LAST_WEIGHTS),
            Example(
                sizes=_THREE,
                arguments={**_HIDDEN, "num_filters": 4, "width": 5,
                           "normaliser": "sigmoid"},
                options={"window": 2},
                breaks=_LAST_WEIGHTS))),
    Mechanism(
        name="input", paper="he2016semeval", appeared="2016-06", chapter="mpcnn",
        path="attention.mpcnn.InputAttention",
        query="the other sentence, summed", key="words",
        value="the keys, each in its position", score="cosine",
        asked_by=("a whole text",), scored_by=("dot product",), **_PAIR,
        examples=(Example(
            sizes={"query": 3, "key": 3},
            breaks={"no keys": "a word keeps its vector beside the weighted one"}),)),
    Mechanism(
        name="ABCNN-1", **_YIN, path="attention.abcnn.AttentionMaps",
        query="words", key="words of the other sentence",
        value="one learned vector per position",
        asked_by=("tokens or nodes",), scored_by=("distance",),
        distribution=("other",), score="1 / (1 + distance)", normaliser="none", **_PAIR,
        examples=(Example(
            sizes={"query": 3, "key": 3},
            arguments={"dim": 3, "max_tokens": 11},
            breaks={**_MATCH, "order": "the values belong to positions"}),)),
    Mechanism(
        name="ABCNN-2", **_YIN, path="attention.abcnn.AttentionPooling",
        query="all phrases of the other sentence", key="phrases",
        value="the keys, in windows",
        asked_by=("a whole text",), scored_by=("distance",),
        distribution=("other",), score="1 / (1 + distance)", normaliser="none",
        **_PAIR,
        examples=(Example(
            sizes={"query": 3, "key": 3},
            arguments={"width": 2},
            breaks={**_MATCH, "order": "the sums run over neighbouring columns"}),)),
    Mechanism(
        name="ABCNN-3", **_YIN, path="models.abcnn.block.ABCNNBlock",
        query="words, then phrases", key="words, then phrases",
        value="as in ABCNN-1, then -2",
        asked_by=("tokens or nodes", "a whole text"), scored_by=("distance",),
        distribution=("other",), score="1 / (1 + distance)", normaliser="none",
        levels=("multi",), **{**_PAIR, "call": "block"}),
    Mechanism(
        name="AoA", paper="cui2017", appeared="2016-07",
        chapter="attention_over_attention",
        path="attention.attention_over_attention.AttentionOverAttention",
        query="words of a question", key="words of a document",
        asked_by=("tokens or nodes",), scored_by=("dot product",),
        score="dot", normaliser="softmax over keys, weighed by one over queries",
        **_PAIR, examples=(
            Example(sizes={"query": 5, "key": 5}),
            Example(sizes={"query": 5, "key": 5}, arguments={"merge": "mean"}))),
    Mechanism(
        name="memory", paper="sukhbaatar2015", appeared="2015-03",
        chapter="memory_network", path="attention.memory_network.MemoryRead",
        query="the question, then what was read", key="facts, embedded to be found",
        value="facts, embedded to be read",
        asked_by=("a whole text",), scored_by=("dot product",),
        distribution=("softmax", "other"), score="dot",
        normaliser="softmax, none during a linear start",
        sequences=("distinctive",), architecture="memory network",
        examples=(
            Example(sizes={"query": 5, "key": 5, "value": 7}),
            Example(
                sizes={"query": 5, "key": 5, "value": 7}, options={"linear": True},
                breaks={"sum": "the weights are the scores"}))),
    Mechanism(
        name="learned query", paper="yang2016", appeared="2016-06", chapter="han",
        path="attention.han.LearnedQueryAttention",
        query="a learned vector", key="words, then sentences",
        asked_by=("learned",), scored_by=("additive",), score="additive",
        sequences=("self",), levels=("multi",), architecture="none of these",
        call="key",
        examples=(Example(
            sizes={"key": 3}, arguments={"key_dim": 3, "hidden_dim": 11}),)),
    Mechanism(
        name="scaled dot", **_VASWANI, chapter="self_attention",
        path="attention.dot_product.dot_product_attention", **_TOKENS,
        value="any, one per key", scored_by=("dot product",), heads=("one", "several"),
        score="scaled dot",
        sequences=("self", "distinctive"), call="heads",
        examples=(Example(sizes={"query": 6, "key": 6, "value": 7, "heads": 4}),)),
    Mechanism(
        name="self-attention", **_VASWANI, chapter="self_attention",
        path="attention.self_attention.layer.SelfAttention", **_TOKENS,
        value="the tokens, projected", scored_by=("dot product", "additive"),
        distribution=("softmax", "other"), score="scaled dot or additive",
        normaliser="softmax or ReLU", sequences=("self",),
        examples=(
            Example(sizes=_ONE, arguments={"embed_dim": 12, "attention_dim": 7}),
            Example(
                sizes=_ONE,
                arguments={"embed_dim": 12, "attention_dim": 7, "score": "additive",
                           "normaliser": "relu"},
                breaks={"sum": "ReLU divides by the number of keys"}))),
    Mechanism(  # the form of graph attention, whose paper has another score
        name="edges", paper="velickovic2018", appeared="2017-10",
        chapter="graph_attention",
        path="attention.graph_attention.edges.edge_attention",
        query="nodes", key="neighbours of a node", value="any, one per node",
        asked_by=("tokens or nodes",), scored_by=("dot product",),
        heads=("one", "several"),
        score="scaled dot", sequences=("self",), architecture="graph network",
        call="edges",
        examples=(Example(
            sizes={"query": 6, "key": 6, "value": 7, "heads": 4},
            breaks={"blocked": _EDGES}),)),
    Mechanism(
        name="GAT", paper="velickovic2018", appeared="2017-10",
        chapter="graph_attention",
        path="attention.graph_attention.scores.GATAttention",
        score="a sum of one number for each node", **_GRAPH),
    Mechanism(
        name="GATv2", paper="brody2022", appeared="2021-05", chapter="graph_attention",
        path="attention.graph_attention.scores.GATv2Attention",
        score="additive, of both nodes", **_GRAPH),
    Mechanism(
        name="quadratic", paper="cordonnier2020", appeared="2019-11",
        chapter="self_attention",
        path="attention.self_attention.convolution.QuadraticAttention",
        query="pixel positions",
        key="pixel positions", value="the pixels",
        asked_by=("positions",), scored_by=("distance", "position"),
        heads=("several",), score="squared distance",
        sequences=("self",), architecture="without recurrence", call="image",
        examples=(Example(
            sizes={"image": 5},
            arguments={"in_channels": 5, "out_channels": 7, "kernel_size": 3},
            breaks={**_BY_POSITION, "blocked": _NO_MASK, "padding": _NO_MASK,
                    "no keys": _NO_MASK}),)),
    Mechanism(
        name="multi-head", **_VASWANI, chapter="multi_head",
        path="attention.multi_head.layer.MultiHeadAttention", **_TOKENS,
        value="the tokens, projected", scored_by=("dot product",), heads=("several",),
        score="scaled dot in each head",
        sequences=("self", "distinctive"),
        examples=(Example(sizes=_ONE, arguments={"embed_dim": 12, "num_heads": 4}),)),
    Mechanism(
        name="relative", paper="shaw2018", appeared="2018-03", **_ENCODING,
        path="attention.positions.relative.RelativePositions",
        value="the tokens, plus a vector for the distance",
        score="scaled dot with key plus a vector for the distance",
        examples=(Example(
            sizes=_HEADS, arguments={"head_dim": 6, "max_distance": 2},
            breaks=_BY_POSITION),)),
    Mechanism(
        name="rotary", paper="su2021", appeared="2021-04", **_ENCODING,
        path="attention.positions.rotary.RotaryAttention",
        value="the tokens, projected", score="scaled dot of rotated vectors",
        examples=(Example(sizes=_HEADS, breaks=_BY_POSITION),)),
    Mechanism(  # ALiBi; with other rules that of T5
        name="distance bias", paper="press2022", appeared="2021-08", **_ENCODING,
        path="attention.positions.alibi.DistanceBias", value="the tokens, projected",
        score="scaled dot plus a bias for the distance",
        examples=(
            Example(
                sizes=_HEADS, breaks=_BY_POSITION,
                arguments={"rule": Part(
                    path="attention.positions.alibi.ALiBi",
                    arguments={"num_heads": 4})}),
            Example(
                sizes=_HEADS, breaks=_BY_POSITION,
                arguments={"rule": Part(
                    path="attention.positions.t5_bias.T5RelativeBias",
                    arguments={"num_heads": 4, "num_buckets": 8,
                               "max_distance": 3})}))),
    Mechanism(
        name="NTM", paper="graves2014", appeared="2014-10", chapter="later",
        path="attention.later.addressing.NTMAddressing",
        query="a key that the controller outputs", key="rows of a memory",
        value="any, one per row",
        asked_by=("decoder state",), scored_by=("dot product", "position"),
        score="cosine; then the last weights, shifted",
        normaliser="softmax, sharpened",
        sequences=("distinctive",), architecture="memory network",
        examples=(
            Example(
                sizes={"query": 5, "key": 5, "value": 7}, options={"scale": 2.0}),
            Example(
                sizes={"query": 5, "key": 5, "value": 7},
                options={"shift": (0.1, 0.2, 0.7), "sharpening": 1.5},
                breaks={"order": "a shift leads to the next row of the memory",
                        "padding": "a shift leads around the end of the memory"}))),
    Mechanism(
        name="CMLA", paper="wang2017", appeared="2017-02", chapter="later",
        path="attention.later.coupled.CoupledAttention",
        query="two learned vectors, then what both have read", key="words",
        asked_by=("learned",), scored_by=("network",),
        score="a recurrent network over bilinear products with both queries",
        sequences=("co-attention", "self"), levels=("multi",),
        architecture="none of these", call="key",
        examples=(Example(
            sizes={"key": 3}, arguments={"dim": 3, "num_slices": 4},
            breaks={"order": "a recurrent network reads the keys in their order"}),)),
    Mechanism(
        name="MA-CNN", paper="zheng2017", appeared="2017-10", chapter="later",
        path="attention.later.parts.PartAttention",
        query="nothing; channel weights from the average key",
        key="locations in an image", asked_by=("none",), scored_by=("dot product",),
        score="dot with the channel weights of a part, squashed",
        normaliser="softmax of four times its logarithm",
        sequences=("self",), representations=("multi-representational", "single"),
        architecture="none of these", call="key",
        examples=(Example(
            sizes={"key": 3},
            arguments={"channels": 3, "num_parts": 2, "hidden_dim": 7}),)),
    Mechanism(
        name="Transformer-XL", paper="dai2019", appeared="2019-01", **_LATER,
        path="attention.later.segment_recurrence.TransformerXLAttention",
        value="the tokens, projected",
        score="scaled dot with the key, and with a vector for the distance",
        examples=(Example(
            sizes=_HEADS, arguments={"num_heads": 4, "head_dim": 6},
            breaks=_BY_POSITION),)),
    Mechanism(
        name="sparse", paper="child2019", appeared="2019-04", **_LATER,
        path="attention.later.sparse.SparseAttention",
        value="the tokens, projected",
        score="scaled dot, with keys in a fixed set of positions",
        examples=(
            Example(sizes=_HEADS, arguments={"stride": 2}, breaks=_BY_POSITION),
            Example(
                sizes=_HEADS, arguments={"stride": 2, "pattern": "fixed"},
                breaks=_BY_POSITION))),
    Mechanism(
        name="Gaussian", paper="guo2019", appeared="2019-01", **_LATER,
        path="attention.later.gaussian.GaussianAttention",
        value="the tokens, projected",
        score="scaled dot minus the squared distance",
        examples=(Example(sizes=_HEADS, breaks=_BY_POSITION),)),
    Mechanism(
        name="views", paper="kiela2018", appeared="2018-04", chapter="taxonomy",
        path="attention.taxonomy.meta_embedding.DynamicMetaEmbedding",
        query="a learned vector", key="views of one word",
        asked_by=("learned",), scored_by=("dot product",), score="dot",
        sequences=("self",), representations=("multi-representational",),
        architecture="none of these", call="views",
        examples=(Example(
            sizes={"views": (3, 5, 7, 11, 13)},
            arguments={"view_dims": (3, 5, 7, 11, 13), "dim": 6},
            breaks={"padding": _FIXED_VIEWS, "order": _FIXED_VIEWS}),)),
    Mechanism(
        name="source2token", **_SHEN,
        path="attention.taxonomy.multi_dimensional.SourceToToken",
        query="nothing", key="words",
        asked_by=("none",), scored_by=("network",), heads=("one per feature",),
        score="a small network, one output per feature",
        sequences=("self",), representations=("multi-dimensional",),
        architecture="without recurrence", call="key",
        examples=(Example(sizes={"key": 7}, arguments={"dim": 7}),)),
    Mechanism(
        name="token2token", **_SHEN,
        path="attention.taxonomy.multi_dimensional.TokenToToken",
        **_TOKENS, scored_by=("additive",), heads=("one per feature",),
        score="additive, one output per feature", sequences=("self",),
        representations=("multi-dimensional",),
        examples=(Example(
            sizes={"query": 7, "key": 7, "value": 7}, arguments={"dim": 7}),)),
)
"""All mechanisms of the book, one row for each."""
# fmt: on

# fmt: off
SYSTEMS = (
    System(
        name="RNN encoder-decoder", paper="cho2014", appeared="2014-06",
        chapter="seq2seq", path="models.seq2seq.gru.RNNEncoderDecoder"),
    System(
        name="LSTM encoder-decoder", paper="sutskever2014", appeared="2014-09",
        chapter="seq2seq", path="models.seq2seq.lstm.Seq2Seq"),
    System(
        name="RNNsearch", paper="bahdanau2015", appeared="2014-09", chapter="bahdanau",
        path="models.bahdanau.RNNSearch", mechanisms=("additive", "projected dot"),
        sequences=("distinctive",)),
    System(
        name="Neural Turing Machine", paper="graves2014", appeared="2014-10",
        chapter="later", path="models.later.ntm.NTM", mechanisms=("NTM",),
        sequences=("distinctive",)),
    System(
        name="Show, Attend and Tell", paper="xu2015", appeared="2015-02",
        chapter="soft_hard", path="models.soft_hard.model.ShowAttendTell",
        mechanisms=("hard",),
        sequences=("distinctive",)),
    System(
        name="MemN2N", paper="sukhbaatar2015", appeared="2015-03",
        chapter="memory_network", path="models.memory_network.MemN2N",
        mechanisms=("memory",),
        sequences=("distinctive",)),
    System(
        name="one decoder, any encoder", paper="chorowski2015", appeared="2015-06",
        chapter="encoders", path="models.encoder_decoder.EncoderDecoder",
        mechanisms=("additive", "location-aware"),
        sequences=("distinctive",)),
    System(
        name="Luong's translator", paper="luong2015", appeared="2015-08",
        chapter="global_local", path="models.global_local.LuongTranslator",
        mechanisms=("global", "local"),
        sequences=("distinctive",)),
    System(
        name="ABCNN", **_YIN, path="models.abcnn.model.ABCNN",
        mechanisms=("ABCNN-1", "ABCNN-2", "ABCNN-3"),
        sequences=("co-attention",)),
    System(
        name="MPCNN", paper="he2016semeval", appeared="2016-06", chapter="mpcnn",
        path="models.mpcnn.model.MPCNN", mechanisms=("input",),
        sequences=("co-attention",)),
    System(
        name="HAN", paper="yang2016", appeared="2016-06", chapter="han",
        path="models.han.HAN", mechanisms=("learned query",),
        sequences=("self",)),
    System(
        name="cloze reader", paper="cui2017", appeared="2016-07",
        chapter="attention_over_attention",
        path="models.attention_over_attention.ClozeReader", mechanisms=("AoA",),
        sequences=("co-attention",)),
    System(
        name="coupled tagger", paper="wang2017", appeared="2017-02", chapter="later",
        path="models.later.taggers.CoupledTagger", mechanisms=("CMLA",),
        sequences=("co-attention", "self")),
    System(
        name="Transformer", **_VASWANI, chapter="transformer",
        path="models.transformer.model.Transformer", mechanisms=("multi-head",),
        sequences=("self", "distinctive")),
    System(
        name="part network", paper="zheng2017", appeared="2017-10", chapter="later",
        path="models.later.parts.PartNet", mechanisms=("MA-CNN",),
        sequences=("self",)),
    System(
        name="graph attention network", paper="velickovic2018", appeared="2017-10",
        chapter="graph_attention", path="models.graph_attention.networks.GAT",
        mechanisms=("GAT", "GATv2"),
        sequences=("self",)),
    System(
        name="BERT", paper="devlin2019", appeared="2018-10", chapter="bert",
        path="models.bert.model.Bert", mechanisms=("multi-head",),
        sequences=("self",)),
    System(
        name="Transformer-XL", paper="dai2019", appeared="2019-01", chapter="later",
        path="models.later.transformer_xl.TransformerXL",
        mechanisms=("Transformer-XL",),
        sequences=("self",)),
    System(
        name="Evolved Transformer", paper="so2019", appeared="2019-01",
        chapter="later", path="models.later.evolved.EvolvedEncoderCell",
        mechanisms=("multi-head",),
        sequences=("self", "distinctive")),
)
"""The systems of the book, by the month of their papers."""
# fmt: on

"""Every mechanism of the book in its place: one table for prose, figures and tests.

The axes and the architectures are those of Chaudhari, Mithal, Polatkan and Ramanath,
arXiv:1904.02874. Where a mechanism stands on them follows from the survey's definitions
and is our reading: it is not copied from the survey's own table.

Nothing of the package is imported before :meth:`Mechanism.load` is called.
"""

import re
from dataclasses import dataclass
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
"""The survey's three, graph networks from its journal version, and what is left."""


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """A mechanism: where it comes from, what it computes and where it stands.

    Attributes:
        name: as in the book's tables.
        paper: its key in the bibliography.
        appeared: year and month of the first version, "2014-09".
        chapter: the slug of the chapter that explains it.
        path: the class or function, below ``attention_book``.
        query: what asks; "nothing" if there is no query.
        key: what is compared with the queries.
        value: what is averaged; "the keys" if that is the same.
        score: how a key is compared with a query.
        normaliser: what makes weights of scores.
        sequences: of whom is asked; a mechanism may be used in more than one way.
        levels: at how many granularities.
        positions: at which keys a query looks.
        representations: what of a token is weighed.
        architecture: in which kind of model the paper has it; or this book, where the
            book has it elsewhere.
        call: how it is called, one of :data:`CALLS`.
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
    call: str = "query key value"

    @property
    def year(self) -> int:
        """The year of publication, as in the key of the paper."""
        return int(re.search(r"\d{4}", self.paper)[0])

    def load(self) -> Any:
        """Import and return the class or function.

        Example:
            >>> MECHANISMS[0].load().__name__
            'AdditiveAttention'
        """
        module, _, name = self.path.rpartition(".")
        return getattr(import_module(f"attention_book.{module}"), name)


def by_axis(axis: str) -> dict[str, list[Mechanism]]:
    """Sort the mechanisms by their values on an axis.

    Args:
        axis: one of :data:`AXES`, or "architecture".

    Returns:
        For each value, those that have it, in the order of the table. One with two
        values is found twice; a value may have none.

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


_VASWANI = {"paper": "vaswani2017", "appeared": "2017-06"}
_YIN = {"paper": "yin2016", "appeared": "2015-12", "chapter": "abcnn"}
_SHEN = {"paper": "shen2018", "appeared": "2017-09", "chapter": "taxonomy"}
_DECODER = {"query": "decoder state", "architecture": "encoder-decoder"}
_PAIR = {"sequences": ("co-attention",), "architecture": "none of these"}
_TOKENS = {"query": "tokens", "key": "tokens", "architecture": "without recurrence"}
_HEADS = {"chapter": "positions", "sequences": ("self",), **_TOKENS}

# One keyword a line would make the table four times as long.
# fmt: off
MECHANISMS = (
    Mechanism(
        name="additive", paper="bahdanau2015", appeared="2014-09", chapter="bahdanau",
        path="attention.bahdanau.AdditiveAttention", **_DECODER,
        key="source words", score="additive", sequences=("distinctive",)),
    Mechanism(  # one head's score, but not scaled; the recurrent translator is ours
        name="projected dot", **_VASWANI, chapter="bahdanau",
        path="attention.bahdanau.MultiplicativeAttention", **_DECODER,
        key="source words", score="dot", sequences=("distinctive",)),
    Mechanism(
        name="hard", paper="xu2015", appeared="2015-02", chapter="soft_hard",
        path="attention.soft_hard.HardAttention", **_DECODER,
        key="places of a picture", score="additive",
        normaliser="softmax, one key drawn", sequences=("distinctive",),
        positions=("hard", "soft")),
    Mechanism(
        name="global", paper="luong2015", appeared="2015-08", chapter="global_local",
        path="attention.global_local.layers.GlobalAttention", **_DECODER,
        key="source words",
        score="dot, general, concat or location", sequences=("distinctive",),
        positions=("global",)),
    Mechanism(
        name="local", paper="luong2015", appeared="2015-08", chapter="global_local",
        path="attention.global_local.layers.LocalAttention", **_DECODER,
        key="source words in a window", score="dot, general or concat",
        normaliser="softmax (local-m), times a Gaussian (local-p)",
        sequences=("distinctive",), positions=("local",)),
    Mechanism(
        name="input", paper="he2016semeval", appeared="2016-06", chapter="mpcnn",
        path="attention.mpcnn.InputAttention", call="pair",
        query="the other sentence, summed", key="words",
        value="the keys, each in its place", score="cosine", **_PAIR),
    Mechanism(
        name="ABCNN-1", **_YIN, path="attention.abcnn.AttentionMaps", call="pair",
        query="words", key="words of the other sentence",
        value="a learned vector a position",
        score="1 / (1 + distance)", normaliser="none", **_PAIR),
    Mechanism(
        name="ABCNN-2", **_YIN, path="attention.abcnn.AttentionPooling", call="pair",
        query="all phrases of the other sentence", key="phrases",
        value="the keys, in windows", score="1 / (1 + distance)", normaliser="none",
        **_PAIR),
    Mechanism(
        name="ABCNN-3", **_YIN, path="models.abcnn.block.ABCNNBlock", call="block",
        query="words, then phrases", key="words, then phrases",
        value="as in ABCNN-1, then -2", score="1 / (1 + distance)", normaliser="none",
        levels=("multi",), **_PAIR),
    Mechanism(
        name="scaled dot", **_VASWANI, chapter="self_attention",
        path="attention.dot_product.dot_product_attention", **_TOKENS,
        value="any, one a key", score="scaled dot", sequences=("self", "distinctive")),
    Mechanism(
        name="self-attention", **_VASWANI, chapter="self_attention",
        path="attention.self_attention.layer.SelfAttention", **_TOKENS,
        value="the tokens, projected", score="scaled dot or additive",
        normaliser="softmax or ReLU", sequences=("self",)),
    Mechanism(  # the form of graph attention, whose paper has another score
        name="edges", paper="velickovic2018", appeared="2017-10",
        chapter="self_attention", path="attention.graph_attention.edges.edge_attention",
        query="nodes", key="neighbours of a node", value="any, one a node",
        score="scaled dot", sequences=("self",), architecture="graph network"),
    Mechanism(
        name="quadratic", paper="cordonnier2020", appeared="2019-11",
        chapter="self_attention",
        path="attention.self_attention.convolution.QuadraticAttention",
        query="pixel positions",
        key="pixel positions", value="the pixels", score="squared distance",
        sequences=("self",), architecture="without recurrence"),
    Mechanism(
        name="multi-head", **_VASWANI, chapter="multi_head",
        path="attention.multi_head.layer.MultiHeadAttention", **_TOKENS,
        value="the tokens, projected", score="scaled dot in each head",
        sequences=("self", "distinctive")),
    Mechanism(
        name="relative", paper="shaw2018", appeared="2018-03", **_HEADS,
        path="attention.positions.relative.RelativePositions",
        value="the tokens, plus a vector for the distance",
        score="scaled dot with key plus a vector for the distance"),
    Mechanism(
        name="rotary", paper="su2021", appeared="2021-04", **_HEADS,
        path="attention.positions.rotary.RotaryAttention",
        value="the tokens, projected", score="scaled dot of turned vectors"),
    Mechanism(  # ALiBi; with other rules that of T5
        name="distance bias", paper="press2022", appeared="2021-08", **_HEADS,
        path="attention.positions.alibi.DistanceBias", value="the tokens, projected",
        score="scaled dot plus a number for the distance"),
    Mechanism(
        name="views", paper="kiela2018", appeared="2018-04", chapter="taxonomy",
        path="attention.taxonomy.meta_embedding.DynamicMetaEmbedding",
        query="a learned vector", key="views of one word", score="dot",
        sequences=("self",), representations=("multi-representational",),
        architecture="none of these"),
    Mechanism(
        name="source2token", **_SHEN,
        path="attention.taxonomy.multi_dimensional.SourceToToken",
        query="nothing", key="words", score="a small network, one output a feature",
        sequences=("self",), representations=("multi-dimensional",),
        architecture="without recurrence"),
    Mechanism(
        name="token2token", **_SHEN,
        path="attention.taxonomy.multi_dimensional.TokenToToken",
        **_TOKENS, score="additive, one output a feature", sequences=("self",),
        representations=("multi-dimensional",)),
)
"""Every mechanism of the book: one table for all that asks for them."""
# fmt: on

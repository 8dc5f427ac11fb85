"""All mechanisms of the book side by side: built alike, called, counted, timed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.attention.location_aware import LocationAwareAttention
from attention_book.attention.positions.alibi import ALiBi
from attention_book.chapters.taxonomy import AXES, MECHANISMS, SYSTEMS
from attention_book.evaluation.cost import multiplications, seconds_in_turns
from attention_book.models.abcnn.config import ABCNNConfig

WORD_KINDS = ("ones", "tens", "power", "joint")
NUM_DIGITS = 10
WORD_DIM = 20

_MEANINGS: dict[str, tuple[int | None, str]] = {
    "forty": (4, "tens"),
    "three": (3, "ones"),
    "thousand": (None, "power"),
    "two": (2, "ones"),
    "drei": (3, "ones"),
    "und": (None, "joint"),
    "vierzig": (4, "tens"),
    "tausend": (None, "power"),
    "zwei": (2, "ones"),
}


def word_vectors(words: list[str]) -> Float[Tensor, "1 words dim"]:
    """Make vectors by hand for words of numbers, English and German.

    Of the 20 features the first ten say which digit a word stands for, the next four
    what kind of word it is; each is 0 or 3.

    Args:
        words: of *forty three thousand two* and *drei und vierzig tausend zwei*.

    Raises:
        ValueError: if a word is another.

    Example:
        >>> word_vectors(["vierzig"])[0, 0].nonzero().flatten().tolist()
        [4, 11]
    """
    vectors = torch.zeros(1, len(words), WORD_DIM)
    for row, word in enumerate(words):
        if word not in _MEANINGS:
            raise ValueError(
                f"words must be among {', '.join(_MEANINGS)}, got {word!r}"
            )
        digit, kind = _MEANINGS[word]
        if digit is not None:
            vectors[0, row, digit] = 3.0
        vectors[0, row, NUM_DIGITS + WORD_KINDS.index(kind)] = 3.0
    return vectors


def build_mechanisms(
    dim: int, num_tokens: int, *, window: int = 1, hidden_dim: int | None = None
) -> dict[str, Any]:
    """Build one of each mechanism for vectors of one size.

    Options are two heads, parts and slices, a stride of two, phrases of two words, the
    general score of Luong and others, local-p, and one filter that sees the last
    weights of three neighbouring keys.

    Args:
        dim: size of all vectors, an even number.
        num_tokens: most tokens of a sentence.
        window: half the width of the local window, in tokens.
        hidden_dim: units in the hidden layer of additive, hard and location-aware
            attention; None: as many as ``dim``.

    Returns:
        By name, in the order of the table; functions are as they are.
    """
    made = {mechanism.name: mechanism.load() for mechanism in MECHANISMS}
    block = ABCNNConfig(
        embed_dim=dim,
        variant="ABCNN-3",
        num_filters=dim,
        width=2,
        max_tokens=num_tokens,
    )
    arguments: dict[str, tuple[Any, ...]] = {
        "additive": (dim, dim, hidden_dim or dim),
        "projected dot": (dim, dim, dim),
        "hard": (dim, dim, hidden_dim or dim),
        "global": (dim, dim, "general"),
        "input": (),
        "ABCNN-1": (dim, num_tokens),
        "ABCNN-2": (2,),
        "ABCNN-3": (dim, block),
        "AoA": (),
        "memory": (),
        "NTM": (),
        "CMLA": (dim, 2),
        "MA-CNN": (dim, 2, dim),
        "learned query": (dim, dim),
        "self-attention": (dim, dim),
        "quadratic": (dim, dim, 3),
        "multi-head": (dim, 2),
        "GAT": (1, dim),
        "GATv2": (1, dim),
        "views": ([dim // 2, dim // 2], dim),
        "source2token": (dim,),
        "token2token": (dim,),
    }
    built = {name: made[name](*given) for name, given in arguments.items()}
    built["location-aware"] = made["location-aware"](
        dim, dim, hidden_dim or dim, num_filters=1, width=3
    )
    built["local"] = made["local"](dim, dim, "general", window=window)
    in_heads = {
        "relative": lambda: made["relative"](dim // 2, max_distance=2),
        "rotary": lambda: made["rotary"](),
        "distance bias": lambda: made["distance bias"](ALiBi(2)),
        "Transformer-XL": lambda: made["Transformer-XL"](2, dim // 2),
        "sparse": lambda: made["sparse"](2),
        "Gaussian": lambda: made["Gaussian"](),
    }
    for name, make in in_heads.items():
        built[name] = made["multi-head"](dim, 2, attention_fn=make())
    return {m.name: built.get(m.name, made[m.name]) for m in MECHANISMS}


@torch.no_grad()
def compare_by_content(layers: Mapping[str, Any]) -> None:
    r"""Set the parameters by hand, so that layers compare words without having learned.

    Each square matrix becomes the identity and each bias 0. The additive scores count
    what a query has and a key lacks (:func:`count_unmet`); the general score is scaled
    by :math:`1 / \sqrt{d}`; local-p's window stays in the middle of the sentence; a
    relative position favours the next word; location-aware attention, beside its
    additive score, prefers the key after the last one. GAT prefers words with many
    features, and words of tens above all; a hidden unit of GATv2 is large where both
    words have the feature.

    Args:
        layers: from :func:`build_mechanisms` for vectors of :data:`WORD_DIM` and twice
            as many hidden units; they are changed.

    Raises:
        ValueError: if they are of other sizes.
    """
    for layer in layers.values():
        for name, part in _linear_parts(layer):
            rows, columns = part.weight.shape
            if rows == 3 * columns:  # queries, keys and values in one matrix
                part.weight.copy_(torch.eye(columns).repeat(3, 1))
            elif name != "out_proj" or rows == columns:
                nn.init.eye_(part.weight)
            if part.bias is not None:
                part.bias.zero_()
    count_unmet(layers["additive"])
    count_unmet(layers["hard"].scorer)
    aware = layers["location-aware"]
    count_unmet(aware)
    aware.location_conv.weight.copy_(torch.tensor([[[1.0, 0.0, 0.0]]]))
    # The units of a key's features: those that the key has are saturated already.
    aware.location_proj.weight.zero_()[WORD_DIM:] = 0.1
    for name in ("global", "local"):
        layers[name].score.query_proj.weight.div_(WORD_DIM**0.5)
    layers["local"].centre.centre_proj.weight.zero_()
    tables = layers["relative"].attention_fn
    tables.key_table.zero_()[tables.max_distance + 1] = 2.0
    gat, v2 = layers["GAT"], layers["GATv2"]
    gat.query_score.fill_(-0.5)
    gat.key_score.fill_(1 / 3)[:, NUM_DIGITS + WORD_KINDS.index("tens")] = 2 / 3
    v2.score.fill_(1.0)
    v2.bias.fill_(-3.0)
    _set_learned_queries(layers)


@torch.no_grad()
def count_unmet(layer: AdditiveAttention | LocationAwareAttention) -> None:
    r"""Set an additive score by hand to twice the features that a key lacks, negative.

    .. math:: e = 2 \sum_f \bigl(\tanh k_f - \tanh(q_f + k_f)\bigr)

    With features that are 0 or large, a term is 0 unless the query has the feature and
    the key has not; then it is -1.

    Args:
        layer: with twice as many hidden units as a query has features; it is changed.

    Raises:
        ValueError: if it has another number of hidden units.

    Example:
        >>> layer = AdditiveAttention(2, 2, 4)
        >>> count_unmet(layer)
        >>> wish = torch.tensor([[[9.0, 9.0]]])
        >>> offers = torch.tensor([[[9.0, 0.0], [0.0, 0.0]]])
        >>> layer(wish, offers, offers)[1].log().diff().round().item()
        -2.0
    """
    hidden_dim, dim = layer.query_proj.weight.shape
    if hidden_dim != 2 * dim or layer.key_proj.in_features != dim:
        raise ValueError(
            f"layer must have {2 * dim} hidden units and keys of size {dim}, got "
            f"{hidden_dim} and {layer.key_proj.in_features}"
        )
    nn.init.eye_(layer.query_proj.weight)  # the first half of the units alone
    layer.key_proj.weight.copy_(torch.eye(dim).repeat(2, 1))
    layer.score_proj.weight[:, :dim] = -2.0
    layer.score_proj.weight[:, dim:] = 2.0


def neighbour_edges(count: int) -> Int[Tensor, "2 edges"]:
    """Link each token with the next one, both ways.

    Example:
        >>> neighbour_edges(3).tolist()
        [[0, 1, 1, 2], [1, 2, 0, 1]]
    """
    i = torch.arange(count)
    right = torch.stack([i[:-1], i[1:]])
    return torch.cat([right, right.flip(0)], dim=1)


def call_mechanism(
    layers: Mapping[str, Any],
    name: str,
    query: Float[Tensor, "1 queries dim"],
    key: Float[Tensor, "1 keys dim"],
) -> Any:
    """Call a mechanism on two sentences, or on the first alone, as it takes them.

    Args:
        layers: from :func:`build_mechanisms`.
        name: of the mechanism.
        query: the sentence that attends, where there are two; else the only one: as
            tokens, as a graph in which neighbours are linked, as an image one pixel
            high, or as two views of each word.
        key: the other sentence.

    Returns:
        What the mechanism returns: context and weights, mostly.
    """
    layer, how = layers[name], {m.name: m.call for m in MECHANISMS}[name]
    if how == "pair":
        return layer(query, key)
    if how == "block":
        real = [torch.ones(x.shape[:2], dtype=torch.bool) for x in (query, key)]
        return layer((query, key), tuple(real))
    if how == "edges":
        nodes = query[0][:, None]  # one head
        edges = neighbour_edges(query.shape[1])
        context, weights = layer(nodes, nodes, nodes, edges)
        return context[:, 0], weights[:, 0]
    if how == "image":
        return layer(query.mT[:, :, None], need_weights=True)
    if how in ("key", "views"):
        return layer(query if how == "key" else query.chunk(2, dim=-1))
    plain = "additive", "projected dot", "hard", "location-aware", "memory", "NTM"
    if name in plain:
        return layer(query, key, key)
    if name in ("global", "local", "scaled dot"):
        return layer(query, key, key, need_weights=True)
    if name == "token2token":
        return layer(query, query, query)
    return layer(query, query, query, need_weights=True)


@torch.no_grad()
def compared_weights(
    layers: Mapping[str, Any],
    query: Float[Tensor, "1 queries dim"],
    key: Float[Tensor, "1 keys dim"],
) -> dict[str, Float[Tensor, "queries keys"]]:
    """Compute how one sentence sees another, in all mechanisms that can tell.

    Beside those of ``layers`` there are a location score that prefers nothing and
    local-m, neither of which looks at the words.

    Args:
        layers: from :func:`build_mechanisms`, after :func:`compare_by_content`.
        query: the sentence that attends.
        key: the sentence that it attends to.

    Returns:
        Weights by the words that the chapter has for the mechanism; of ABCNN its match
        scores, which are not normalised.
    """
    dim, num_keys = key.shape[-1], key.shape[1]
    heads = layers["multi-head"](query, key, key, need_weights=True)[1][0]
    local_m = type(layers["local"])(dim, dim, "dot", window=1, predictive=False)
    location = type(layers["global"])(dim, dim, "location", max_keys=num_keys)
    nn.init.zeros_(location.score.query_proj.weight)
    drawn = layers["hard"](query, key, key)[0][0]

    def weights(name: str) -> Tensor:
        return call_mechanism(layers, name, query, key)[1][0]

    return {
        "additive": weights("additive"),
        "dot, not scaled": weights("projected dot"),
        "dot, scaled": weights("scaled dot"),
        "head 1 of 2 (digits)": heads[0],
        "head 2 of 2 (kinds)": heads[1],
        "location, W = 0": location(query, key, key, need_weights=True)[1][0],
        "local-m": local_m(query, key, key, need_weights=True)[1][0],
        "local-p": weights("local"),
        "hard, one draw": (drawn[:, None] == key[0]).all(dim=-1).float(),
        "match score (ABCNN)": weights("ABCNN-1"),
    }


def expected_multiplications(name: str, n: int, m: int, d: int, window: int) -> int:
    """Count the multiplications of a mechanism in matrix products, by formula.

    Args:
        name: of the mechanism, as :func:`build_mechanisms` builds it.
        n: tokens that attend.
        m: tokens that are attended to, where there are two sentences.
        d: size of the vectors.
        window: D, half the width of the local window.

    Example:
        >>> expected_multiplications("scaled dot", 2, 3, 5, 1)
        60
    """
    heads, dots = 4 * n * d * d + 2 * n * n * d, 2 * n * m * d
    framed = 3 * (n + 2)  # the image, one pixel high, with zeros around it
    return {
        **dict.fromkeys(("additive", "projected dot", "hard"), (n + m) * d * d + dots),
        **dict.fromkeys(("ABCNN-1", "memory", "NTM", "scaled dot"), dots),
        **dict.fromkeys(("multi-head", "rotary", "distance bias"), heads),
        **dict.fromkeys(("sparse", "Gaussian"), heads),
        "global": n * d * d + 2 * n * m * d,
        "local": 2 * n * d * d + n * d + 2 * n * (2 * window + 1) * d,
        "location-aware": (n + m) * d * d + n * m * (3 + 3 * d),
        "input": n * m * d,
        "ABCNN-2": 0,
        "ABCNN-3": 2 * n * m * d + 4 * d * d * (n + m + 2),
        "AoA": n * m * d + n * m + m * d,
        # Two layers, two slices of two kinds: four numbers for each token.
        "CMLA": 2 * (8 * d * d + 10 * n * d + (12 * 4 + 2) * 4 * n) + 2 * d * d,
        "MA-CNN": 4 * d * d + 4 * n * d,
        "learned query": n * d * d + 2 * n * d,
        "self-attention": 3 * n * d * d + 2 * n * n * d,
        "edges": 0,
        "GAT": 2 * n * d,
        "GATv2": 2 * (n - 1) * d,  # one for each edge, to the word before and after
        "quadratic": 9 * n * framed * (d + 3) + 9 * n * d * d,
        "relative": heads + 2 * n * 5 * d,
        "Transformer-XL": heads + (2 * n - 1) * (d * d + n * d),
        "views": n * d * d + 4 * n * d,
        "source2token": 2 * n * d * d + n * d,
        "token2token": 2 * n * d * d + n * n * d,
    }[name]


@dataclass(frozen=True)
class MechanismCost:
    """What one call of a mechanism costs.

    Attributes:
        parameters: numbers that are learned.
        multiplications: in products of matrices, as PyTorch counts them.
        seconds: time of the fastest of some calls, the truest: other programs can
            only make a call slower.
    """

    parameters: int
    multiplications: int
    seconds: float


@torch.no_grad()
def mechanism_costs(
    layers: Mapping[str, Any],
    query: Float[Tensor, "1 queries dim"],
    key: Float[Tensor, "1 keys dim"],
    *,
    rounds: int,
) -> dict[str, MechanismCost]:
    """Count and time a call of each mechanism.

    Args:
        layers: from :func:`build_mechanisms`.
        query: as for :func:`call_mechanism`.
        key: the other sentence.
        rounds: how often each is timed, in turns.
    """

    def call(name: str) -> Any:
        return lambda: call_mechanism(layers, name, query, key)

    counted = {name: multiplications(call(name)) for name in layers}
    times = seconds_in_turns({name: call(name) for name in layers}, rounds=rounds)
    return {
        name: MechanismCost(_num_parameters(layer), counted[name], min(times[name]))
        for name, layer in layers.items()
    }


def publications() -> list[tuple[str, str, str, str]]:
    """List the papers of mechanisms and systems for a time line.

    Returns:
        For each the month of its first version, its author and year, its mechanisms, or
        its systems where it has no mechanism of its own, and whose words the keys are.
    """
    papers: dict[str, list[Any]] = {}
    for mechanism in MECHANISMS:
        papers.setdefault(mechanism.paper, []).append(mechanism)
    rows = []
    for key, members in papers.items():
        values = {value for mechanism in members for value in mechanism.sequences}
        rows.append(
            (
                members[0].appeared,
                _author_and_year(key),
                ", ".join(mechanism.name for mechanism in members),
                _joined(values),
            )
        )
    for system in SYSTEMS:
        if system.paper not in papers:
            label = _author_and_year(system.paper)
            group = _joined(system.sequences)
            rows.append((system.appeared, label, system.name, group))
    return rows


def _joined(sequences: Collection[str]) -> str:
    """Values of the first axis as text, the last one first."""
    known = [value for value in reversed(AXES["sequences"]) if value in sequences]
    return " and ".join(known) or "no attention"


def _author_and_year(key: str) -> str:
    """Author and year of a key of the bibliography, such as "yang2016"."""
    author, year = key[: key.index("2")], key[key.index("2") :][:4]
    return f"{author.capitalize().replace('Velickovic', 'Veličković')} {year}"


def _set_learned_queries(layers: Mapping[str, Any]) -> None:
    """Look for all features alike; with two queries for digits, and for kinds.

    In Transformer-XL the distance and the learned queries count for nothing.
    """
    layers["learned query"].query.fill_(1.0)
    layers["views"].score_proj.weight.fill_(1.0)
    coupled, parts = layers["CMLA"], layers["MA-CNN"]
    distances = layers["Transformer-XL"].attention_fn
    for layer in (coupled, parts, distances):
        for parameter in layer.parameters():
            parameter.zero_()
    both = slice(NUM_DIGITS), slice(NUM_DIGITS, WORD_DIM)
    for number, features in enumerate(both):
        coupled.prototypes[number, features] = 1.0
        parts.out[number] = -1.0
        parts.out[number, :, features] = 1.0
    for matrix in (*coupled.own.flatten(0, 1), *coupled.other.flatten(0, 1)):
        nn.init.eye_(matrix)
    coupled.input_gates[:, :, -coupled.feature_dim :] = torch.eye(coupled.feature_dim)
    coupled.score.fill_(1.0)
    parts.hidden.fill_(1.0)


def _linear_parts(layer: Any) -> list[tuple[str, nn.Linear]]:
    if not isinstance(layer, nn.Module):
        return []
    parts = layer.named_modules()
    return [(name, part) for name, part in parts if isinstance(part, nn.Linear)]


def _num_parameters(layer: Any) -> int:
    if not isinstance(layer, nn.Module):
        return 0
    return sum(parameter.numel() for parameter in layer.parameters())

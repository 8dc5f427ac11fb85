"""Every earlier mechanism as one call of :func:`query_key_value`."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.attention.abcnn import AttentionMaps, AttentionPooling, match_scores
from attention_book.attention.attention_over_attention import AttentionOverAttention
from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.attention.global_local.layers import GlobalAttention, LocalAttention
from attention_book.attention.global_local.scores import ConcatScore
from attention_book.attention.han import LearnedQueryAttention
from attention_book.attention.memory_network import MemoryRead
from attention_book.attention.mpcnn import InputAttention
from attention_book.attention.self_attention import query_key_value
from attention_book.attention.soft_hard import HardAttention
from attention_book.functional import (
    Mask,
    additive_scores,
    dot_scores,
    masked_softmax,
)

ScoreFunction = Callable[[Tensor, Tensor], Tensor]
NormaliserFunction = Callable[[Tensor, Mask | None], Tensor]
_Result = tuple[Tensor, Tensor]


class MechanismCase(NamedTuple):
    """A mechanism by its own layer, and by the form that all share.

    Attributes:
        name: of the mechanism.
        chapter: its slug.
        query: the queries, in words.
        key: the keys, in words.
        value: the values, in words.
        score: how a query and a key are compared.
        normaliser: how weights are made of the scores.
        own: context and weights of the mechanism's own layer.
        general: the same from :func:`query_key_value`.
    """

    name: str
    chapter: str
    query: str
    key: str
    value: str
    score: str
    normaliser: str
    own: _Result
    general: _Result


def additive_score(layer: AdditiveAttention | ConcatScore) -> ScoreFunction:
    """The score with one hidden layer, as a function of queries and keys.

    Args:
        layer: whose weights it has.
    """
    return lambda query, key: additive_scores(
        layer.query_proj(query), layer.key_proj(key), layer.score_proj.weight
    )


def unnormalised(scores: Tensor, mask: Mask | None = None) -> Tensor:
    """Take the scores as weights, as ABCNN does; blocked ones are 0."""
    return scores if mask is None else scores.masked_fill(~mask, 0.0)


def largest_only(scores: Tensor, mask: Mask | None = None) -> Tensor:
    """Give all weight to the key of the largest score: hard attention's "argmax"."""
    weights = masked_softmax(scores, mask)
    return F.one_hot(weights.argmax(dim=-1), scores.shape[-1]).to(scores)


def windowed(
    centre: Float[Tensor, "batch queries"], window: int, *, factors: bool = True
) -> NormaliserFunction:
    r"""The normaliser of local attention, which knows where the keys stand.

    .. math:: \alpha_s = \mathrm{softmax}_{|s - p| \le D}(e)_s
        \exp\Bigl(-\frac{(s - p)^2}{2 (D / 2)^2}\Bigr)

    Args:
        centre: :math:`p`, one for each query.
        window: :math:`D`.
        factors: whether the softmax is multiplied by the bell curve, as in local-p.

    Source: arXiv:1508.04025, 3.2.
    """

    def normalise(scores: Tensor, mask: Mask | None = None) -> Tensor:
        distance = torch.arange(scores.shape[-1]).to(scores) - centre[..., None]
        inside = distance.abs() <= window
        weights = masked_softmax(scores, inside if mask is None else inside & mask)
        if factors:
            weights = weights * torch.exp(-(distance**2) / (2 * (window / 2) ** 2))
        return weights

    return normalise


@torch.no_grad()
def earlier_cases() -> list[MechanismCase]:
    """Call the mechanisms of the chapters before self-attention in both ways.

    Parameters and inputs are drawn from PyTorch's global generator.

    Example:
        >>> case = earlier_cases()[0]
        >>> case.name, torch.allclose(case.own[0], case.general[0], atol=1e-6)
        ('additive', True)
    """
    cases = [*_of_decoders(), *_of_windows(), *_of_pairs(), *_of_documents()]
    return cases


def _of_decoders() -> list[MechanismCase]:
    """Bahdanau, Xu, and the global attention of Luong."""
    s, h = torch.randn(2, 3, 5), torch.randn(2, 6, 7)
    same_size = torch.randn(2, 6, 5)
    asks = "decoder state", "encoder state", "the same"
    locations = "decoder state", "location of an image", "the same"
    bahdanau, image = AdditiveAttention(5, 7, 4), HardAttention(5, 7, 4)
    additive = additive_score(image.scorer)
    soft = image(s, h, h, expected=torch.ones(2, dtype=torch.bool))
    hard = image(s, h, h, mode="argmax")
    # Hard attention reports the distribution, not the choice.
    chosen = F.one_hot(hard.weights.argmax(dim=-1), 6).to(h)
    cases = [
        MechanismCase(
            "additive", "bahdanau", *asks, "hidden layer", "softmax",
            bahdanau(s, h, h),
            query_key_value(s, h, h, score=additive_score(bahdanau)),
        ),
        MechanismCase(
            "soft, on an image", "soft_hard", *locations, "hidden layer", "softmax",
            (soft.context, soft.weights),
            query_key_value(s, h, h, score=additive),
        ),
        MechanismCase(
            "hard, on an image", "soft_hard", *locations, "hidden layer",
            "all to one key", (hard.context, chosen),
            query_key_value(s, h, h, score=additive, normaliser=largest_only),
        ),
    ]  # fmt: skip
    for name in ("dot", "general", "concat", "location"):
        keys = same_size if name == "dot" else h
        more = {"max_keys": 6} if name == "location" else {}
        layer = GlobalAttention(5, keys.shape[-1], name, **more)
        score: ScoreFunction = layer.score
        if isinstance(layer.score, ConcatScore):
            score = additive_score(layer.score)
        words = {
            "dot": "dot product",
            "general": "dot product with a matrix between",
            "concat": "hidden layer",
            "location": "of the query alone",
        }
        context, weights = layer(s, keys, keys, need_weights=True)
        general = query_key_value(s, keys, keys, score=score)
        cases.append(
            MechanismCase(
                f"global, {name}", "global_local", *asks, words[name], "softmax",
                (context, weights), general,
            )
        )  # fmt: skip
    return cases


def _of_windows() -> list[MechanismCase]:
    """The local attention of Luong."""
    s, h = torch.randn(2, 3, 5), torch.randn(2, 6, 7)
    asks = "decoder state", "encoder state", "the same", "dot product with a matrix"
    cases = []
    for predictive, name in ((False, "local-m"), (True, "local-p")):
        layer = LocalAttention(5, 7, "general", window=2, predictive=predictive)
        centre = layer.centres(s, torch.tensor([[6], [6]]))
        normaliser = windowed(centre, 2, factors=predictive)
        words = "softmax in a window" + ", times a bell curve" * predictive
        own = layer(s, h, h, need_weights=True)
        general = query_key_value(s, h, h, score=layer.score, normaliser=normaliser)
        cases.append(MechanismCase(name, "global_local", *asks, words, own, general))
    return cases


def _of_pairs() -> list[MechanismCase]:
    """MPCNN and ABCNN: the words of one sentence, and those of the other."""
    x, y = torch.randn(2, 4, 5), torch.randn(2, 6, 5)
    unit = F.normalize(x, dim=-1).sum(dim=1, keepdim=True), F.normalize(y, dim=-1)
    _, weights = InputAttention()(x, y)
    mpcnn = query_key_value(*unit, y, score=partial(dot_scores, scale=1.0))
    maps = AttentionMaps(5, max_tokens=7)
    (before, _), matches = maps(x, y)
    columns = maps.query_map[:6].expand(2, -1, -1)  # of W_0, one for each position
    (_, (weighted, _)), _ = AttentionPooling(2)(x, y)
    ones = torch.ones(2, 6, 1)
    after, _ = query_key_value(x, y, ones, score=match_scores, normaliser=unnormalised)
    return [
        MechanismCase(
            "weights of MPCNN", "mpcnn", "sum of the unit vectors of a sentence",
            "unit vector of a word of the other",
            "none: each word is scaled by its weight", "dot product", "softmax",
            (weights.mT * y, weights), (mpcnn[1].mT * y, mpcnn[1]),
        ),
        MechanismCase(
            "ABCNN-1", "abcnn", "word of a sentence", "word of the other",
            "learned column of the key's position", "match score", "none",
            (before, matches),
            query_key_value(x, y, columns, score=match_scores, normaliser=unnormalised),
        ),
        MechanismCase(
            "weight of a column in ABCNN-2", "abcnn", "column of a sentence",
            "column of the other", "the number 1", "match score", "none",
            (weighted, matches), (after * x, match_scores(x, y)),
        ),
    ]  # fmt: skip


def _of_documents() -> list[MechanismCase]:
    """Hierarchical attention, attention over attention, a memory's hop."""
    h = torch.randn(2, 6, 7)
    han = LearnedQueryAttention(7, 4)
    dot = partial(dot_scores, scale=1.0)
    learned = han.query.expand(2, 1, 4)
    question, document = torch.randn(2, 3, 5), torch.randn(2, 6, 5)
    both = AttentionOverAttention()(question, document)
    over = query_key_value(document, question, both.key_weights, score=dot)
    # One distribution for all words of the document: the mean of theirs.
    merged = over[0].mean(dim=1, keepdim=True), over[1].mean(dim=1)
    state, memories, others = torch.randn(2, 1, 5), *torch.randn(2, 2, 6, 5)
    return [
        MechanismCase(
            "hierarchical", "han", "a parameter", "hidden layer of a state",
            "the state", "dot product", "softmax",
            han(h), query_key_value(learned, han.key_proj(h).tanh(), h, score=dot),
        ),
        MechanismCase(
            "attention over attention", "attention_over_attention",
            "word of the document", "word of the question",
            "that word's attention to the document", "dot product",
            "softmax; then the mean over queries",
            (both.weights, both.query_weights), merged,
        ),
        MechanismCase(
            "hop of a memory network", "memory_network", "state", "input memory",
            "output memory", "dot product", "softmax",
            MemoryRead()(state, memories, others),
            query_key_value(state, memories, others, score=dot),
        ),
    ]  # fmt: skip


def intra_attention(
    words: Float[Tensor, "batch words dim"],
    network: nn.Module,
    distance_bias: Float[Tensor, " distances"],
) -> _Result:
    r"""Attend within a sentence as the decomposable attention model does.

    .. math::
        e_{ij} = F(a_i)^\top F(a_j) + d_{i-j}, \qquad
        a_i' = \sum_j \mathrm{softmax}_j(e_{ij})\, a_j

    Args:
        words: :math:`a`.
        network: :math:`F`, applied to each word alone.
        distance_bias: :math:`d`, an odd number of them; the middle one is that of
            distance 0, the first and the last one are those of all farther words.

    Returns:
        Contexts :math:`a'` and weights.

    Source: Parikh et al., arXiv:1606.01933, section 3.4, where all distances of more
        than 10 words share one bias.

    Example:
        >>> words = torch.randn(2, 5, 3)
        >>> context, weights = intra_attention(words, nn.Linear(3, 4), torch.zeros(21))
        >>> context.shape, weights.shape
        (torch.Size([2, 5, 3]), torch.Size([2, 5, 5]))
    """
    hidden, most = network(words), len(distance_bias) // 2
    at = torch.arange(words.shape[1], device=words.device)
    distance = (at[:, None] - at).clamp(-most, most) + most

    def score(query: Tensor, key: Tensor) -> Tensor:
        return dot_scores(query, key, scale=1.0) + distance_bias[distance]

    return query_key_value(hidden, hidden, words, score=score)


def structured_embedding(
    states: Float[Tensor, "batch words dim"],
    hidden: Float[Tensor, "hidden_dim dim"],
    rows: Float[Tensor, "rows hidden_dim"],
) -> _Result:
    r"""Summarise a sentence in several learned views (structured self-attention).

    .. math::
        A = \mathrm{softmax}\bigl(W_{s2} \tanh(W_{s1} H^\top)\bigr), \qquad M = A H

    Args:
        states: :math:`H`, of an encoder.
        hidden: :math:`W_{s1}`.
        rows: :math:`W_{s2}`, the learned queries, one for each view.

    Returns:
        :math:`M`, one row for each view, and :math:`A`.

    Source: Lin et al., arXiv:1703.03130, equations (6) and (7). Its penalty on equal
        rows is :func:`equal_rows_penalty`.

    Example:
        >>> M, A = structured_embedding(
        ...     torch.randn(2, 5, 3), torch.randn(4, 3), torch.randn(6, 4)
        ... )
        >>> M.shape, A.shape
        (torch.Size([2, 6, 3]), torch.Size([2, 6, 5]))
    """
    key = F.linear(states, hidden).tanh()
    query = rows.expand(len(states), -1, -1)
    return query_key_value(query, key, states, score=partial(dot_scores, scale=1.0))


def equal_rows_penalty(
    weights: Float[Tensor, "batch rows words"],
) -> Float[Tensor, " batch"]:
    r"""Punish views that look at the same words: :math:`\lVert A A^\top - I\rVert_F^2`.

    Args:
        weights: :math:`A`, of :func:`structured_embedding`.

    Source: Lin et al., arXiv:1703.03130, equation (8).

    Example:
        >>> same, different = torch.tensor([[1.0, 0], [1, 0]]), torch.eye(2)
        >>> equal_rows_penalty(torch.stack([same, different]))
        tensor([2., 0.])
    """
    product = weights @ weights.mT
    return (product - torch.eye(weights.shape[1]).to(weights)).square().sum((1, 2))

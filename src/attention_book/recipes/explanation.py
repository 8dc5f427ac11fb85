"""Is attention an explanation? What becomes of a decision if weights or text change."""

import operator
import random
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attention_book.data.documents.labelled import LabelledDocument
from attention_book.models.han import HAN
from attention_book.recipes.documents import (
    Documents,
    DocumentTask,
    DocumentWeights,
)

Importance = Sequence[Float[Tensor, " _"]]
"""For each document one number per sentence: the higher, the more it should count."""


class DecisionChange(NamedTuple):
    """What became of the decisions on some documents.

    Attributes:
        distance: of each document, the total variation distance of the probabilities
            before and after, from 0 to 1.
        flipped: of each document, 1 if its most probable class changed, otherwise 0.
    """

    distance: Float[np.ndarray, " documents"]
    flipped: Float[np.ndarray, " documents"]


def compare_decisions(
    before: Float[Tensor, "documents classes"],
    after: Float[Tensor, "documents classes"],
) -> DecisionChange:
    r"""Compare the probabilities of classes before and after an intervention.

    .. math:: \mathrm{TVD} = \tfrac{1}{2} \sum_c |p_c - p'_c|

    Args:
        before: :math:`p`, one row per document.
        after: :math:`p'`, of the same documents.

    Source: arXiv:1902.10186, 2.1.

    Example:
        >>> before, after = torch.tensor([[0.75, 0.25]]), torch.tensor([[0.25, 0.75]])
        >>> found = compare_decisions(before, after)
        >>> found.distance.item(), found.flipped.item()
        (0.5, 1.0)
    """
    distance = (before - after).abs().sum(1) / 2
    flipped = before.argmax(1) != after.argmax(1)
    return DecisionChange(distance.numpy(), flipped.double().numpy())


def sentence_gradients(
    task: DocumentTask, model: HAN, documents: Documents
) -> list[Float[Tensor, " _"]]:
    r"""Differentiate the probability of the chosen class by each sentence's weight.

    .. math:: g_i = \partial p_{\hat y} / \partial \alpha_i

    The states :math:`h_i` are held constant, and so is the sum of the weights ignored.

    Args:
        task: of the model.
        model: hierarchical, with attention.
        documents: the documents.

    Source: Serrano and Smith, arXiv:1906.03731, who rank sentences by it.
    """
    found = []
    for document, weights in zip(
        documents, task.weights(model, documents), strict=True
    ):
        batch = task.batch([document])
        given = weights.sentences[None].to(task.device).requires_grad_()
        logits = model(batch.words, batch.word_mask, sentence_weights=given)
        (gradient,) = torch.autograd.grad(logits.softmax(1).max(), given)
        found.append(gradient[0].cpu())
    return found


def random_scores(documents: Documents, seed: int) -> list[Float[Tensor, " _"]]:
    """Rank the sentences of each document at random.

    Args:
        documents: the documents.
        seed: of the order.
    """
    draw = torch.Generator().manual_seed(operator.index(seed))
    return [torch.rand(len(x.sentences), generator=draw) for x in documents]


def without_highest(
    documents: Documents, scores: Importance, count: int
) -> list[LabelledDocument]:
    """Remove the sentences with the highest scores from each document.

    Args:
        documents: each with more than ``count`` sentences.
        scores: one number per sentence.
        count: how many to remove.

    Returns:
        The shorter documents, whose ``telling`` is None.

    Raises:
        ValueError: if a document has no more than ``count`` sentences.

    Example:
        >>> document = LabelledDocument((("a",), ("b",), ("c",)), label=0)
        >>> without_highest([document], [torch.tensor([0.1, 0.7, 0.2])], 1)[0].sentences
        (('a',), ('c',))
    """
    shorter = []
    for document, row in zip(documents, scores, strict=True):
        if len(document.sentences) <= count:
            raise ValueError(
                f"documents must have more than {count} sentences, got one with "
                f"{len(document.sentences)}"
            )
        removed = set(row.argsort(descending=True)[:count].tolist())
        kept = tuple(s for i, s in enumerate(document.sentences) if i not in removed)
        shorter.append(LabelledDocument(kept, document.label))
    return shorter


def delete_highest(
    task: DocumentTask, model: HAN, documents: Documents, scores: Importance, count: int
) -> DecisionChange:
    """Remove sentences from the text and classify what is left.

    The model reads the shorter document anew, so that the remaining states change as
    well. (Setting weights to zero would leave them as they are.)

    Args:
        task: of the model.
        model: the model.
        documents: as for :func:`without_highest`.
        scores: as for :func:`without_highest`.
        count: as for :func:`without_highest`.
    """
    before = task.probabilities(model, documents)
    after = task.probabilities(model, without_highest(documents, scores, count))
    return compare_decisions(before, after)


def deletion_test(
    task: DocumentTask, model: HAN, documents: Documents, *, seed: int, most: int = 250
) -> dict[str, DecisionChange]:
    """Remove one sentence from each document, chosen by three rankings in turn.

    Args:
        task: of the model.
        model: hierarchical, with attention.
        documents: those of at least three sentences are used.
        seed: of the random ranking.
        most: largest number of documents, from the start.

    Returns:
        What became of the decisions when the sentence was chosen by "attention", by
        "gradient" (:func:`sentence_gradients`) and at "random".
    """
    documents = [x for x in documents if len(x.sentences) > 2][:most]
    rankings: dict[str, Importance] = {
        "attention": [entry.sentences for entry in task.weights(model, documents)],
        "gradient": sentence_gradients(task, model, documents),
        "random": random_scores(documents, seed),
    }
    return {
        name: delete_highest(task, model, documents, ranking, 1)
        for name, ranking in rankings.items()
    }


@torch.no_grad()
def permute_weights(
    task: DocumentTask,
    model: HAN,
    documents: Documents,
    *,
    level: Literal["words", "sentences"],
    times: int,
    seed: int,
) -> DecisionChange:
    """Shuffle the weights of one level, keep the states, and classify again.

    The weights of the words are shuffled within each sentence, those of the sentences
    within each document. What lies above the level is computed anew.

    Args:
        task: of the model.
        model: hierarchical, with attention.
        documents: the documents.
        level: whose weights are shuffled.
        times: number of permutations.
        seed: of the permutations.

    Returns:
        For each document the median of its distances over the permutations, and the
        share of permutations after which its class is another.

    Source: arXiv:1902.10186, 4.2.1.
    """
    draw = random.Random(seed)
    found = task.weights(model, documents)
    batch = task.batch(documents)
    before = model(batch.words, batch.word_mask).softmax(1).cpu()
    changes = []
    for _ in range(times):
        shuffled = [_shuffled(weights, level, draw) for weights in found]
        given = torch.zeros(batch.words.shape[: 3 if level == "words" else 2])
        for row, weights in zip(given, shuffled, strict=True):
            if level == "sentences":
                row[: len(weights.sentences)] = weights.sentences
                continue
            for inner, values in zip(row, weights.words, strict=False):
                inner[: len(values)] = values
        name = "word_weights" if level == "words" else "sentence_weights"
        imposed = {name: given.to(task.device)}
        after = model(batch.words, batch.word_mask, **imposed).softmax(1).cpu()
        changes.append(compare_decisions(before, after))
    return DecisionChange(
        np.median([x.distance for x in changes], axis=0),
        np.mean([x.flipped for x in changes], axis=0),
    )


@torch.no_grad()
def state_likeness(task: DocumentTask, model: HAN, documents: Documents) -> float:
    """Say how alike the states are that a model's sentence attention averages.

    Args:
        task: of the model.
        model: hierarchical; left in eval mode.
        documents: each with two sentences or more.

    Returns:
        The cosine of the states of two different sentences of a document, its mean over
        all pairs and documents.
    """
    model.eval()
    cosines = []
    for document in documents:
        batch = task.batch([document])
        vectors = model.read_words(batch.words, batch.word_mask)
        states = model.read_sentences(vectors, batch.word_mask.any(2))[0]
        unit = F.normalize(states, dim=1)
        others = ~torch.eye(len(unit), dtype=torch.bool, device=unit.device)
        cosines.append((unit @ unit.T)[others].mean().item())
    return float(np.mean(cosines))


def in_random_order(documents: Documents, seed: int) -> list[LabelledDocument]:
    """Shuffle the sentences of each document; what tells the class is forgotten.

    Args:
        documents: the documents.
        seed: of the order.
    """
    draw = random.Random(seed)
    return [
        LabelledDocument(tuple(draw.sample(x.sentences, len(x.sentences))), x.label)
        for x in documents
    ]


def shuffled_sentences(
    weights: Sequence[DocumentWeights], seed: int
) -> list[Float[Tensor, " _"]]:
    """Shuffle the weights of the sentences within each document.

    Args:
        weights: one entry per document.
        seed: of the permutations.
    """
    draw = random.Random(seed)
    return [_shuffled(entry, "sentences", draw).sentences for entry in weights]


def _shuffled(
    weights: DocumentWeights, level: str, draw: random.Random
) -> DocumentWeights:
    def shuffle(row: Tensor) -> Tensor:
        return row[draw.sample(range(len(row)), len(row))]

    if level == "sentences":
        return weights._replace(sentences=shuffle(weights.sentences))
    return weights._replace(words=tuple(shuffle(row) for row in weights.words))

"""Documents of sentences with a class each, and their batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import DataLoader

from attention_book.data.loader import make_loader
from attention_book.data.vocab import PAD, Vocab

Sentence = tuple[str, ...]


@dataclass(frozen=True)
class LabelledDocument:
    """A document, its class, and where the evidence is if that is known.

    Attributes:
        sentences: the words of each sentence.
        label: number of its class, from 0.
        telling: sentence, and word in it, that decide the class, both from 0; None
            where nobody knows.
    """

    sentences: tuple[Sentence, ...]
    label: int
    telling: tuple[int, int] | None = None


@dataclass(frozen=True)
class DocumentBatch:
    """Padded word ids of documents, and their classes.

    Attributes:
        words: an id for each word, ``PAD`` behind the last word of a sentence and in
            sentences behind the last one of a document.
        word_mask: True at real words.
        labels: number of each document's class.
        sentence_weights: weights that replace those of a model's sentence attention;
            None: the model computes its own.
    """

    words: Int[Tensor, "batch sentences words"]
    word_mask: Bool[Tensor, "batch sentences words"]
    labels: Int[Tensor, " batch"]
    sentence_weights: Float[Tensor, "batch sentences"] | None = None

    @property
    def num_tokens(self) -> int:
        """Number of predictions, one per document."""
        return len(self.labels)

    def to(self, device: torch.device | str) -> "DocumentBatch":
        """Return the same batch on ``device``."""
        weights = self.sentence_weights
        return DocumentBatch(
            self.words.to(device),
            self.word_mask.to(device),
            self.labels.to(device),
            None if weights is None else weights.to(device),
        )


def document_batch(
    documents: Sequence[LabelledDocument],
    vocab: Vocab,
    sentence_weights: Sequence[Float[Tensor, " _"]] | None = None,
) -> DocumentBatch:
    """Encode documents and pad them to one batch.

    Args:
        documents: the documents; at least one.
        vocab: gives each word its id.
        sentence_weights: for each document one weight per sentence; None: none are
            imposed on the model.

    Raises:
        ValueError: naming the document and the sentence, both from 0, if a document has
            no sentence or a sentence no word; if there are no documents; or if
            ``sentence_weights`` do not have one weight per sentence.

    Example:
        >>> documents = [
        ...     LabelledDocument((("a", "b"), ("c",)), label=1),
        ...     LabelledDocument((("c",),), label=0),
        ... ]
        >>> batch = document_batch(documents, Vocab(list("abc")))
        >>> batch.words
        tensor([[[4, 5],
                 [6, 0]],
        <BLANKLINE>
                [[6, 0],
                 [0, 0]]])
    """
    if not documents:
        raise ValueError("documents must hold at least one document, got none")
    for number, document in enumerate(documents):
        check_document(document, f"document {number}")
    num_sentences = max(len(document.sentences) for document in documents)
    num_words = max(len(s) for document in documents for s in document.sentences)
    # Plain lists: a tensor for each of thousands of sentences would take far longer.
    rows = []
    for document in documents:
        for sentence in document.sentences:
            ids = vocab.encode(sentence)
            rows.append(ids + [PAD] * (num_words - len(ids)))
        missing = num_sentences - len(document.sentences)
        rows += [[PAD] * num_words] * missing
    words = torch.tensor(rows).view(len(documents), num_sentences, num_words)
    weights = None
    if sentence_weights is not None:
        wanted = [len(document.sentences) for document in documents]
        given = [len(own) for own in sentence_weights]
        if given != wanted:
            raise ValueError(
                "sentence_weights must have one weight for each sentence of each "
                f"document, {wanted}, got {given}"
            )
        weights = torch.zeros(len(documents), num_sentences)
        for row, own in zip(weights, sentence_weights, strict=True):
            row[: len(own)] = own
    labels = torch.tensor([document.label for document in documents])
    return DocumentBatch(words, words != PAD, labels, weights)


def document_loader(
    documents: Sequence[LabelledDocument],
    vocab: Vocab,
    *,
    batch_size: int | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    sentence_weights: Sequence[Float[Tensor, " _"]] | None = None,
) -> DataLoader:
    """Batches of documents; see :func:`attention_book.data.loader.make_loader`.

    Args:
        documents: the documents; at least one.
        vocab: gives each word its id.
        batch_size: number of documents in a batch. Give this or ``max_tokens``.
        max_tokens: largest number of sentences in a batch, padding included; documents
            with about as many sentences then share a batch, as in the paper.
        seed: seed of the random order; None: the order of ``documents``.
        sentence_weights: as for :func:`document_batch`.

    Raises:
        ValueError: naming the document, if one has no sentence or an empty one, and as
            :func:`attention_book.data.loader.make_loader`.
    """
    for number, document in enumerate(documents):
        check_document(document, f"document {number}")

    def collate(numbers: list[int]) -> DocumentBatch:
        weights = None
        if sentence_weights is not None:
            weights = [sentence_weights[i] for i in numbers]
        return document_batch([documents[i] for i in numbers], vocab, weights)

    lengths = torch.tensor([len(document.sentences) for document in documents])
    return make_loader(
        range(len(documents)),
        collate,
        batch_size=batch_size,
        max_tokens=max_tokens,
        lengths=None if max_tokens is None else lengths,
        seed=seed,
    )


def check_document(document: LabelledDocument, name: str) -> None:
    """Check that a document can be encoded.

    Args:
        document: the document.
        name: what the message calls it: a number, or a file and a line.

    Raises:
        ValueError: if it has no sentence, or a sentence has no word.

    Example:
        >>> check_document(LabelledDocument((("fine",),), label=0), "document 7")
    """
    if not document.sentences:
        raise ValueError(f"{name} must have at least one sentence, got none")
    for number, sentence in enumerate(document.sentences):
        if not sentence:
            raise ValueError(
                f"{name} must have a word in each sentence, but sentence {number} "
                "(from 0) is empty"
            )


def shorten(
    document: LabelledDocument, *, max_sentences: int, max_words: int
) -> LabelledDocument:
    """Keep the first sentences of a document, and the first words of each.

    Args:
        document: the document.
        max_sentences: most sentences to keep.
        max_words: most words of a sentence to keep.

    Returns:
        The document cut short; ``telling`` is None if what it names was cut off.

    Raises:
        ValueError: if one of the limits is less than 1.

    Example:
        >>> long = LabelledDocument((("a", "b"), ("c",)), label=0)
        >>> shorten(long, max_sentences=1, max_words=1).sentences
        (('a',),)
    """
    if max_sentences < 1 or max_words < 1:
        raise ValueError(
            "max_sentences and max_words must be at least 1, got "
            f"{max_sentences} and {max_words}"
        )
    telling = document.telling
    if telling is not None:
        inside = telling[0] < max_sentences and telling[1] < max_words
        telling = telling if inside else None
    kept = tuple(sentence[:max_words] for sentence in document.sentences)
    return LabelledDocument(kept[:max_sentences], document.label, telling)


def document_words(documents: Sequence[LabelledDocument]) -> Iterator[str]:
    """All words of some documents, repeated as often as they occur, for a vocabulary.

    Example:
        >>> list(document_words([LabelledDocument((("a",), ("b", "a")), label=0)]))
        ['a', 'b', 'a']
    """
    for document in documents:
        for sentence in document.sentences:
            yield from sentence

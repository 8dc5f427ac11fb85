"""Word vectors."""

from attention_book.data.vectors.pretrained_vectors import (
    Source,
    best_source,
    read_vectors,
)
from attention_book.data.vectors.word_vectors import (
    WordVectors,
    ppmi,
    train_word_vectors,
)

__all__ = [
    "Source",
    "WordVectors",
    "best_source",
    "ppmi",
    "read_vectors",
    "train_word_vectors",
]

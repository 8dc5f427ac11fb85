"""Documents of sentences with a class each: planted, and read from public files."""

from attention_book.data.documents.labelled import (
    DocumentBatch,
    LabelledDocument,
    check_document,
    document_batch,
    document_loader,
    document_words,
    shorten,
)
from attention_book.data.documents.movie_reviews import read_movie_reviews
from attention_book.data.documents.planted import planted_documents
from attention_book.data.documents.review_files import imdb, read_imdb, read_yelp, yelp

__all__ = [
    "DocumentBatch",
    "LabelledDocument",
    "check_document",
    "document_batch",
    "document_loader",
    "document_words",
    "imdb",
    "planted_documents",
    "read_imdb",
    "read_movie_reviews",
    "read_yelp",
    "shorten",
    "yelp",
]

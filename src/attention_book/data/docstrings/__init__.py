"""The installed libraries' docstrings as a corpus."""

from attention_book.data.docstrings.classes import DocumentSplits, docstring_classes
from attention_book.data.docstrings.corpus import (
    Corpus,
    DocstringError,
    load_docstrings,
)
from attention_book.data.docstrings.documents import Document, make_documents
from attention_book.data.docstrings.file import write
from attention_book.data.docstrings.pairs import (
    DocstringPair,
    PairSplits,
    WrongSentences,
    docstring_pairs,
    hash_order,
)
from attention_book.data.docstrings.questions import (
    Candidate,
    Question,
    QuestionSplits,
    docstring_questions,
)
from attention_book.data.docstrings.reader import RawDocstring, read_library
from attention_book.data.docstrings.shared_functions import (
    SharedFunction,
    assign_folds,
    content_words,
    family_names,
    is_function,
    is_sentence,
    overlap,
)
from attention_book.data.docstrings.similarity import Similarity
from attention_book.data.docstrings.text import Prose, read_prose
from attention_book.data.docstrings.words import sentences

__all__ = [
    "Candidate",
    "Corpus",
    "DocstringError",
    "DocstringPair",
    "Document",
    "DocumentSplits",
    "PairSplits",
    "Prose",
    "Question",
    "QuestionSplits",
    "RawDocstring",
    "SharedFunction",
    "Similarity",
    "WrongSentences",
    "assign_folds",
    "content_words",
    "docstring_classes",
    "docstring_pairs",
    "docstring_questions",
    "family_names",
    "hash_order",
    "is_function",
    "is_sentence",
    "load_docstrings",
    "make_documents",
    "overlap",
    "read_library",
    "read_prose",
    "sentences",
    "write",
]

"""Cloze questions: which word is missing in a sentence about this document?"""

from attention_book.data.cloze.docstrings import ClozeSplits, docstring_cloze
from attention_book.data.cloze.facts import cloze_facts
from attention_book.data.cloze.fairy_books import (
    cloze_windows,
    fairy_cloze,
    read_book,
)
from attention_book.data.cloze.public import (
    childrens_book_test,
    cmrc2017,
    fairy_tales,
    read_cbt,
    read_numbered,
    read_tales,
)
from attention_book.data.cloze.questions import (
    BLANK,
    ClozeBatch,
    ClozeQuestion,
    cloze_batch,
    cloze_loader,
    cloze_words,
    rename,
)

__all__ = [
    "BLANK",
    "ClozeBatch",
    "ClozeQuestion",
    "ClozeSplits",
    "childrens_book_test",
    "cloze_batch",
    "cloze_facts",
    "cloze_loader",
    "cloze_windows",
    "cloze_words",
    "cmrc2017",
    "docstring_cloze",
    "fairy_cloze",
    "fairy_tales",
    "read_book",
    "read_cbt",
    "read_numbered",
    "read_tales",
    "rename",
]

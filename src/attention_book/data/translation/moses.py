"""Text to words and back by the rules of the Moses toolkit, as sacremoses has them."""

from collections.abc import Iterable

UNKNOWN = "<unk>"
"""The unknown word, as :class:`attention_book.data.vocab.Vocab` writes it."""
UNKNOWN_IN_TEXT = "\u2047"
"""One character for an unknown word: every tokenizer counts it as one word."""


class Moses:
    """Join words to text, and cut text into words.

    Papers can be compared by BLEU on text, which sacrebleu cuts into words by its own
    rules. Many older numbers are BLEU on words of this tokenizer or of one like it.

    An unknown word becomes one character, "⁇", as sentencepiece writes it; "<unk>"
    would be cut into three words.

    Of the 1,000 test sentences of Multi30k, cut into words by
    :func:`attention_book.data.translation.multi30k.multi30k`, 999 in English and 998 in
    German are joined to exactly what they were, and all have the same words for
    sacrebleu's tokenizer 13a.

    Args:
        language: code of the language, whose quotation marks and apostrophes differ.

    Source: Koehn et al. (2007), Moses: open source toolkit for statistical machine
        translation, in Python by sacremoses.

    Example:
        >>> moses = Moses("en")
        >>> moses.text(["a", "man's", "dog", ",", "a", "<unk>", "."])
        "a man's dog, a ⁇."
        >>> moses.words("a man's dog, a ⁇.")
        ['a', 'man', "'s", 'dog', ',', 'a', '⁇', '.']
    """

    def __init__(self, language: str) -> None:
        # Imported here: a reader of numbers does not need it.
        from sacremoses import MosesDetokenizer, MosesTokenizer

        self._tokenizer = MosesTokenizer(lang=language)
        self._detokenizer = MosesDetokenizer(lang=language)

    def text(self, words: Iterable[str]) -> str:
        """Return the text of words: punctuation moves back to its word.

        Raises:
            TypeError: if ``words`` is one string.
        """
        if isinstance(words, str):
            raise TypeError(f"words must be a list of words, got the string {words!r}")
        known = [UNKNOWN_IN_TEXT if word == UNKNOWN else word for word in words]
        text: str = self._detokenizer.detokenize(known, unescape=False)
        return text

    def words(self, text: str) -> list[str]:
        """Return the words of a text; characters are not replaced by XML entities."""
        words: list[str] = self._tokenizer.tokenize(text, escape=False)
        return words

"""From the words of a model's output back to text, by sacremoses."""

from collections.abc import Iterable

UNKNOWN = "<unk>"
"""The unknown word, as :class:`attention_book.data.vocab.Vocab` writes it."""
UNKNOWN_IN_TEXT = "\u2047"
"""One character for an unknown word: every tokenizer of sacrebleu counts it as one."""


class Detokenizer:
    """Join the words that a tokenizer has cut: punctuation moves back to its word.

    BLEU is compared between papers on text, as sacrebleu's own tokenizer cuts it, not
    on the words of whoever made the system. An unknown word becomes one character, "⁇",
    as sentencepiece writes it; "<unk>" would be cut into three words.

    Of the 1,000 test sentences of Multi30k, cut into words by
    :func:`attention_book.data.translation.multi30k.multi30k`, 999 in English and 998 in
    German come back exactly, and all have the same words for sacrebleu's tokenizer 13a.

    Args:
        language: code of the language, whose quotation marks and apostrophes differ.

    Source: the detokenizer of the Moses toolkit, in Python by sacremoses; for French
        and English contractions see its documentation.

    Example:
        >>> Detokenizer("en")(["a", "man", ",", "a", "<unk>", "."])
        'a man, a ⁇.'
    """

    def __init__(self, language: str) -> None:
        # Imported here: a reader of numbers does not need it.
        from sacremoses import MosesDetokenizer

        self._moses = MosesDetokenizer(lang=language)

    def __call__(self, words: Iterable[str]) -> str:
        """Return the text of words.

        Raises:
            TypeError: if ``words`` is one string.
        """
        if isinstance(words, str):
            raise TypeError(f"words must be a list of words, got the string {words!r}")
        known = (UNKNOWN_IN_TEXT if word == UNKNOWN else word for word in words)
        text: str = self._moses.detokenize(list(known), unescape=False)
        return text

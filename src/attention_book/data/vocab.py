"""Words to numbers and back."""

import operator
from collections import Counter
from collections.abc import Iterable

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIAL_TOKENS = ("<pad>", "<bos>", "<eos>", "<unk>")


class Vocab:
    """The words that a model knows, each with its id.

    Ids 0 to 3 are padding, the beginning and the end of a sentence, and the unknown
    word. The words follow by decreasing count, those of equal count in alphabetical
    order, so that the same text always gives the same ids. A word that is spelled like
    a special token counts as unknown, so that text cannot end a sentence early.

    Args:
        tokens: the words of the training text, repeated as often as they occur.
        min_count: smallest count of a word that is kept, from 1.
        max_size: largest size of the vocabulary, the four special tokens included;
            the most frequent words are kept. None: no limit.

    Raises:
        ValueError: if ``min_count`` or ``max_size`` is too small, if a token is an
            empty string, or if no token is left.
        TypeError: if ``tokens`` is one string, or a token is not a string.

    Example:
        >>> vocab = Vocab("the cat sees the dog".split())
        >>> vocab.encode(["the", "dog", "barks"])
        [4, 6, 3]
        >>> vocab.decode([1, 4, 6, 2, 0, 0])
        ['the', 'dog']
    """

    def __init__(
        self,
        tokens: Iterable[str],
        *,
        min_count: int = 1,
        max_size: int | None = None,
    ) -> None:
        if min_count < 1:
            raise ValueError(f"min_count must be at least 1, got {min_count}")
        if max_size is not None and max_size <= len(SPECIAL_TOKENS):
            raise ValueError(
                f"max_size must be more than the {len(SPECIAL_TOKENS)} special tokens, "
                f"got {max_size}"
            )
        counts = Counter(_not_one_string(tokens))
        for token in counts:
            if not isinstance(token, str):
                raise TypeError(f"tokens must be strings, got {token!r}")
            if not token:
                raise ValueError("tokens must not hold an empty string")
        for special in SPECIAL_TOKENS:
            counts.pop(special, None)
        words = [token for token, count in counts.items() if count >= min_count]
        if not words:
            raise ValueError(f"tokens must hold a word {min_count} or more times")
        words.sort(key=lambda token: (-counts[token], token))
        self._tokens = [*SPECIAL_TOKENS, *words][:max_size]
        self._ids = {
            token: i for i, token in enumerate(self._tokens) if i >= len(SPECIAL_TOKENS)
        }

    def __len__(self) -> int:
        return len(self._tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    @property
    def tokens(self) -> tuple[str, ...]:
        """All tokens in the order of their ids, the special ones first.

        Example:
            >>> Vocab(["a", "cat"]).tokens
            ('<pad>', '<bos>', '<eos>', '<unk>', 'a', 'cat')
        """
        return tuple(self._tokens)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of words, without adding special tokens.

        Args:
            tokens: the words of a sentence.

        Returns:
            An id for each word, ``UNK`` for one that the vocabulary does not know.

        Raises:
            TypeError: if ``tokens`` is one string.
        """
        return [self._ids.get(token, UNK) for token in _not_one_string(tokens)]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the words of ids up to the first ``EOS``, without ``BOS`` and ``PAD``.

        Args:
            ids: from 0, less than the size of the vocabulary.

        Returns:
            The words; ``<unk>`` where the id is ``UNK``.

        Raises:
            ValueError: if an id is out of range.
            TypeError: if an id is not an integer.
        """
        words = []
        for token_id in map(operator.index, ids):
            if token_id == EOS:
                break
            if not 0 <= token_id < len(self):
                raise ValueError(f"ids must be from 0 to {len(self) - 1}: {token_id}")
            if token_id not in (BOS, PAD):
                words.append(self._tokens[token_id])
        return words


def _not_one_string(tokens: Iterable[str]) -> Iterable[str]:
    # A string is an iterable of strings too: its letters would become the words.
    if isinstance(tokens, str):
        raise TypeError(f"tokens must be a list of words, got the string {tokens!r}")
    return tokens

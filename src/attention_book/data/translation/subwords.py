"""Subword units: byte pair encoding, by sentencepiece."""

import io
from collections.abc import Iterable

_WORD_START, _RESERVED = "\u2581", "\u2585"  # by sentencepiece


class Subwords:
    """Split text into pieces that are frequent in a training text, and join them again.

    Byte pair encoding starts from single characters and repeatedly merges the pair of
    neighbours that occurs most often. Frequent words end up whole, rare ones in parts,
    and no word is unknown as long as its characters are known. Trained on the lines of
    two languages together, it gives both one vocabulary of pieces.

    The first piece of each word starts with "▁" (U+2581), so that joining the pieces
    restores the spaces. Decoding an encoded line gives the line back, up to runs of
    white space, which become single spaces. All lines of the training text count,
    however long. The same lines always give the same pieces. The model is kept in
    memory: no file is written.

    A piece has at most 16 characters and does not mix digits with letters or one script
    with another, as is sentencepiece's default. The character "▅" (U+2585), which
    sentencepiece reserves, never has a piece of its own.

    Args:
        lines: the training text.
        max_pieces: largest number of pieces, including one for unknown characters; a
            small text has fewer.

    Raises:
        ValueError: if there is no text, ``max_pieces`` is too small for the characters
            of the text, or a line has the mark "▁".
        TypeError: if ``lines`` is one string.

    Source: Sennrich, Haddow and Birch, arXiv:1508.07909, as implemented by Kudo and
        Richardson, arXiv:1808.06226, who treat spaces as characters. Their default
        normalisation, NFKC, is off, because it replaces characters.

    Example:
        >>> subwords = Subwords(["low lowest newest"], max_pieces=14)
        >>> subwords.encode("lowest new")
        ['▁low', 'est', '▁', 'n', 'e', 'w']
        >>> subwords.decode(['▁low', 'est', '▁new'])
        'lowest new'
    """

    def __init__(self, lines: Iterable[str], *, max_pieces: int) -> None:
        if isinstance(lines, str):
            raise TypeError(f"lines must be a list of lines, got the string {lines!r}")
        lines = [_single_spaces(line) for line in lines]
        # sentencepiece would leave out the whole line, without a word.
        lines = [line.replace(_RESERVED, " ") for line in lines]
        if not any(line.strip() for line in lines):
            raise ValueError("lines must hold a line with text, got none")
        # <unk>, the mark of a word's beginning, and every character.
        least = 2 + len(set("".join("".join(line.split()) for line in lines)))
        if max_pieces < least:
            raise ValueError(
                f"max_pieces must be at least {least}, the number of characters and "
                f"two more, got {max_pieces}"
            )
        # Imported here: a reader of numbers does not need it.
        import sentencepiece

        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="bpe",
            vocab_size=max_pieces,
            hard_vocab_limit=False,  # fewer, where the text has no more
            character_coverage=1.0,
            normalization_rule_name="identity",
            # In bytes; longer lines would be left out. 10 is the least it takes.
            max_sentence_length=max(10, *(len(line.encode()) for line in lines)),
            unk_id=0,
            bos_id=-1,  # the book's vocabulary has its own
            eos_id=-1,
            num_threads=1,
            minloglevel=2,  # errors alone
        )
        self._processor = sentencepiece.SentencePieceProcessor(
            model_proto=model.getvalue()
        )

    def __len__(self) -> int:
        return self._processor.get_piece_size()

    def encode(self, line: str) -> list[str]:
        """Return the pieces of a line, from left to right.

        Raises:
            ValueError: if the line has the mark "▁".
        """
        return self._processor.encode(_single_spaces(line), out_type=str)

    def decode(self, pieces: Iterable[str]) -> str:
        """Return the text of pieces.

        Raises:
            TypeError: if ``pieces`` is one string.
        """
        if isinstance(pieces, str):
            raise TypeError(f"pieces must be a list, got the string {pieces!r}")
        return "".join(pieces).replace(_WORD_START, " ").strip()


def _single_spaces(line: str) -> str:
    if _WORD_START in line:
        raise ValueError(
            f'a line must not hold "{_WORD_START}" (U+2581), which marks the beginning '
            f"of a word, got {line!r}"
        )
    return " ".join(line.split())

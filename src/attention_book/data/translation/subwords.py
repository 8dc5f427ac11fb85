"""Words cut into pieces that occur often: byte pair encoding, by sentencepiece."""

import io
from collections.abc import Iterable


class Subwords:
    """Cut text into pieces that a training text often has, and join them again.

    Byte pair encoding starts from single characters and joins, again and again, the two
    neighbours that stand together most often. Frequent words end up whole, rare ones in
    parts, and no word is unknown as long as its characters are not. Trained on the
    lines of two languages together, it gives both one vocabulary of pieces.

    A piece that starts a word starts with "▁" (U+2581), so pieces can be joined without
    a doubt about spaces. The same lines always give the same pieces. The model is kept
    in memory: no file is written.

    Args:
        lines: the training text.
        max_pieces: most pieces that there may be, one for unknown characters included;
            a small text has fewer.

    Raises:
        ValueError: if there is no text, or ``max_pieces`` is too small for the
            characters of the text.
        TypeError: if ``lines`` is one string.

    Source: Sennrich, Haddow and Birch, arXiv:1508.07909, in the program of Kudo and
        Richardson, arXiv:1808.06226, which takes spaces for characters.

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
        lines = list(lines)
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
        """Return the pieces of a line, from left to right."""
        return self._processor.encode(line, out_type=str)

    def decode(self, pieces: Iterable[str]) -> str:
        """Return the text that pieces stand for.

        Raises:
            TypeError: if ``pieces`` is one string.
        """
        if isinstance(pieces, str):
            raise TypeError(f"pieces must be a list, got the string {pieces!r}")
        return "".join(pieces).replace("▁", " ").strip()

"""Lines of text files."""

import gzip
import os
import zlib
from pathlib import Path


def read_lines(path: str | Path) -> list[str]:
    r"""Read the lines of a UTF-8 file, gzip-compressed if its name ends in ``.gz``.

    Only ``\n`` and ``\r\n`` end a line: other characters that Unicode calls line ends
    occur inside sentences, and would shift one of two parallel files.

    Args:
        path: the file; "~" stands for the home folder.

    Returns:
        Its lines without line ends and without a byte order mark.

    Raises:
        ValueError: naming the file, and the line if it is not UTF-8.
    """
    path = Path(os.path.expanduser(path))
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw_lines = file.read().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is no whole gzip file ({error})") from error
    if not raw_lines[-1]:
        raw_lines.pop()
    lines = []
    for number, raw in enumerate(raw_lines, start=1):
        try:
            lines.append(raw.removesuffix(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}:{number}: not UTF-8 ({error})") from error
    return lines

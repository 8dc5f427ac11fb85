"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Write a file so that nobody ever sees it half written.

    The content goes to ``<name>.tmp`` in the same folder and is flushed to the disk;
    only then the file takes the name ``path``. Until that moment the old file stays.
    Missing folders are created. After an error nothing is left over; after ``kill -9``
    the temporary file is, until the next write overwrites it.

    Args:
        path: the file to write or to replace; "~" stands for the home folder.

    Yields:
        The open temporary file.

    Raises:
        ValueError: if ``path`` is a folder or a device such as ``/dev/null``, which a
            file must not replace.
    """
    path = Path(os.path.expanduser(path))
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} must be a file, but it is a folder or a device")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def require_writable(path: Path) -> None:
    """Check that :func:`atomic_write` can write a file, before work is lost to it.

    Args:
        path: the file; missing folders are created.

    Raises:
        ValueError: if it cannot be written; the message says why.
    """
    path = Path(os.path.expanduser(path))
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is a folder or a device")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.tmp")
        with temporary.open("wb"):
            pass
        temporary.unlink()
    except OSError as error:
        raise ValueError(
            f"checkpoint must be a file that can be written, got {path}: {error}"
        ) from error

"""The public files that the book uses: downloaded once, verified, cached."""

import csv
import errno
import os
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

MIRROR = "ATTENTION_BOOK_MIRROR"
CACHE = "ATTENTION_BOOK_CACHE"
MOST_BYTES = 2 * 10**9  # of a file whose size nobody has published

_fetched: dict[str, str] = {}


class DownloadError(RuntimeError):
    """A file is not available; the message says which, from where, and what to do."""


class Download(NamedTuple):
    """A line of ``downloads.tsv``.

    Attributes:
        path: name of the file here, and its place in the cache and in a mirror.
        bytes: its size; None where nobody has published it.
        hash: "sha256:" or "md5:" and the hexadecimal digits; MD5 only where no other
            hash of the file has been published, nothing where none has: then the
            number of bytes must be right.
        url: where it is, fixed to one version where the host has versions; nothing if
            only a mirror has it.
    """

    path: str
    bytes: int | None
    hash: str
    url: str


@cache
def table() -> dict[str, Download]:
    """The known files by name, from ``downloads.tsv``."""
    with Path(__file__).with_name("downloads.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {
            row["path"]: Download(
                path=row["path"],
                bytes=int(row["bytes"]) if row["bytes"] else None,
                hash=row["hash"],
                url=row["url"],
            )
            for row in rows
        }


def fetch(name: str) -> Path:
    """Return a file of the table, downloaded if it is not here yet.

    The file comes from the first of these sources that has it: the folder named by the
    environment variable ``ATTENTION_BOOK_MIRROR``, where it is used in place; the
    cache, see :func:`cache_folder`; its address. It is used only if its hash is the one
    in the table, and a failed download leaves nothing behind. A damaged file in the
    cache is downloaded again. A download ends where it exceeds the size in the table,
    or :data:`MOST_BYTES` where the table has none.

    Args:
        name: name of the file in the table, such as "multi30k/val.de.gz".

    Returns:
        Where the file is.

    Raises:
        ValueError: if the table has no such name.
        DownloadError: if the file is not available: no network, a server error, a
            wrong or truncated file (in the mirror too), a full disk, a cache that is
            not writable.
    """
    # Imported here so that the package loads fast where nothing is downloaded.
    import pooch

    file = _entry(name)
    in_mirror = _find_in_mirror(name)
    if in_mirror is not None:
        if not _is_right(in_mirror, file):
            raise DownloadError(
                f"{in_mirror} has {in_mirror.stat().st_size} bytes and is not the file "
                f"of {_size(file)} and hash {file.hash} at {file.url}: put that file "
                f"there, or unset {MIRROR} to download it"
            )
        _fetched[name] = file.hash
        return in_mirror
    if not file.url:
        raise DownloadError(
            f"{name} has no public address: set {MIRROR} to a folder that holds it"
        )
    place = cache_folder() / name
    # pooch keeps whatever is there where it has no hash to compare.
    if not file.hash and place.is_file() and not _is_right(place, file):
        place.unlink()
    pooch.get_logger().setLevel("ERROR")  # else it reports each download
    try:
        pooch.retrieve(
            file.url,
            known_hash=file.hash or None,
            fname=place.name,
            path=place.parent,
            downloader=_download_up_to(file.bytes or MOST_BYTES),
        )
        if not file.hash and not _is_right(place, file):
            size = place.stat().st_size
            place.unlink()
            raise ValueError(f"the download has {size} bytes")
    except (OSError, ValueError) as error:  # the errors of requests are OSErrors too
        raise DownloadError(
            f"cannot get {name} ({_size(file)}) from {file.url} into "
            f"{place.parent}: {error}. {_advice(error)}"
        ) from error
    _fetched[name] = file.hash
    return place


def fetched() -> dict[str, str]:
    """The files that this process has got from :func:`fetch`: their hashes by name."""
    return dict(sorted(_fetched.items()))


def is_here(name: str) -> bool:
    """Whether :func:`fetch` finds a file in the mirror or the cache.

    Nothing is downloaded, and nothing read: a damaged file counts.

    Args:
        name: name of the file in the table.

    Raises:
        ValueError: if the table has no such name.
        DownloadError: if the mirror is no folder.
    """
    _entry(name)
    return _find_in_mirror(name) is not None or (cache_folder() / name).is_file()


def cache_folder() -> Path:
    """Where downloads are kept.

    Returns:
        The folder that the environment variable ``ATTENTION_BOOK_CACHE`` names, in
        which "~" stands for the home folder; otherwise the user's cache folder. It may
        not exist yet.
    """
    import pooch

    folder = os.environ.get(CACHE)
    return Path(os.path.expanduser(folder or pooch.os_cache("attention-book")))


class _Bounded:
    """A file that takes no more than some number of bytes, whatever a server sends."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self.file, self.left, self.most = file, most, most

    def write(self, chunk: bytes) -> None:
        self.left -= len(chunk)
        if self.left < 0:
            raise ValueError(f"the download has more than {self.most} bytes")
        self.file.write(chunk)

    def flush(self) -> None:
        self.file.flush()


def _download_up_to(most: int) -> Any:
    """Make a downloader for pooch that stops after some number of bytes."""
    import pooch

    download = pooch.HTTPDownloader(progressbar=True, chunk_size=2**16)

    def download_bounded(url: str, target: str, caller: Any) -> None:
        with open(target, "wb") as file:
            download(url, _Bounded(file, most), caller)

    return download_bounded


def _is_right(path: Path, file: Download) -> bool:
    import pooch

    if file.hash:
        return pooch.hashes.hash_matches(str(path), file.hash)
    return path.stat().st_size == file.bytes


def _entry(name: str) -> Download:
    if name not in table():
        raise ValueError(f"name must be one of {', '.join(table())}, got {name!r}")
    return table()[name]


def _size(file: Download) -> str:
    return "unknown size" if file.bytes is None else f"{file.bytes} bytes"


def _find_in_mirror(name: str) -> Path | None:
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return None
    folder = Path(os.path.expanduser(mirror))
    if not folder.is_dir():
        raise DownloadError(
            f"{MIRROR} is {mirror!r}, which is not a folder, so it lacks {name}: set "
            "it to the folder that holds the files, or unset it to download them"
        )
    path = folder / name
    return path if path.is_file() else None


def _advice(error: Exception) -> str:
    """What to do about an error of a download."""
    import requests

    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return (
            "What came is not the file that the book was made with: it was cut off or "
            "changed on its way. Try again later, or report it if it happens again"
        )
    if isinstance(error, requests.RequestException):
        return (
            "Check the network connection and try again; or fetch the file elsewhere "
            f"and set {MIRROR} to the folder in which it lies under its name"
        )
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return f"Free some disk space, or set {CACHE} to a folder on another disk"
    return f"Set {CACHE} to a folder that you can write to"

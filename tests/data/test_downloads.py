"""fetch: the right file or a clear error, and never half a file."""

import errno
import functools
import gc
import hashlib
import http.server
import re
import threading
from urllib.parse import urlparse

import pooch
import pytest

from attention_book.data import downloads
from attention_book.data.downloads import (
    Download,
    DownloadError,
    cache_folder,
    fetch,
    is_here,
    table,
)

NAME = "set/words.gz"
CONTENT = b"the right bytes " * 1000
SIZE = len(CONTENT)


@pytest.fixture
def server(tmp_path):
    """The folder of a local web server, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def send_header(self, keyword, value):
            if self.path == "/cut" and keyword == "Content-Length":
                value = str(2 * int(value))  # then the connection ends too early
            super().send_header(keyword, value)

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no mirror."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ATTENTION_BOOK_CACHE", str(folder))
    monkeypatch.delenv("ATTENTION_BOOK_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


@pytest.fixture
def known(server, monkeypatch):
    """Make the table hold one file of the local server."""
    _, address = server

    def make(path="words.gz", algorithm="sha256", size=SIZE):
        digest = hashlib.new(algorithm, CONTENT).hexdigest() if algorithm else ""
        checked = f"{algorithm}:{digest}" if algorithm else ""
        entry = Download(NAME, size, checked, f"{address}/{path}" if path else "")
        monkeypatch.setattr(downloads, "table", lambda: {NAME: entry})

    return make


def files_under(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_download_then_cache(server, cache, known, capfd):
    known()
    (server[0] / "words.gz").write_bytes(CONTENT)
    path = fetch(NAME)
    assert path == cache / NAME
    assert path.read_bytes() == CONTENT
    (server[0] / "words.gz").unlink()  # from here on it must come from the cache
    assert fetch(NAME) == path
    assert files_under(cache) == [path]
    assert capfd.readouterr().out == ""


def test_a_proxy_of_the_environment_is_used(server, cache, known, monkeypatch):
    """It is asked for the whole address, which nobody else could answer."""
    known()
    entry = downloads.table()[NAME]._replace(url="http://host.invalid/words.gz")
    monkeypatch.setattr(downloads, "table", lambda: {NAME: entry})
    served = server[0] / "http:" / "host.invalid" / "words.gz"
    served.parent.mkdir(parents=True)
    served.write_bytes(CONTENT)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, server[1])
    assert fetch(NAME).read_bytes() == CONTENT


def test_damaged_cached_file_is_downloaded_again(server, cache, known):
    known()
    (server[0] / "words.gz").write_bytes(CONTENT)
    path = cache / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:100])
    assert fetch(NAME).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "served", "message"),
    [
        ("words.gz", b"something else", "cut off or changed on its way. Try again"),
        ("words.gz", CONTENT[:-1], "cut off or changed on its way. Try again"),
        ("cut", CONTENT, "Check the network connection and try again"),
        ("absent", CONTENT, "404.*Check the network connection"),
    ],
)
# requests leaves the socket of a refused answer to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_wrong_cut_off_or_missing_file(server, cache, known, path, served, message):
    known(path)
    (server[0] / ("words.gz" if path == "absent" else path)).write_bytes(served)
    with pytest.raises(DownloadError, match=message) as caught:
        fetch(NAME)
    assert NAME in str(caught.value)
    assert f"{server[1]}/{path}" in str(caught.value)
    assert files_under(cache) == []
    del caught  # it holds the answer
    gc.collect()


def test_failed_update_keeps_no_half_file(server, cache, known):
    known()
    path = cache / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"old and damaged")
    (server[0] / "words.gz").write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match="cut off"):
        fetch(NAME)
    assert files_under(cache) == [path]  # refused again by the next call
    (server[0] / "words.gz").write_bytes(CONTENT)
    assert fetch(NAME).read_bytes() == CONTENT


def test_no_network(server, cache, known, monkeypatch):
    known()
    address = urlparse(server[1])
    with http.server.HTTPServer(("127.0.0.1", 0), None) as unused:
        port = unused.server_port  # closed again below: nobody answers there
    entry = downloads.table()[NAME]
    url = entry.url.replace(str(address.port), str(port))
    monkeypatch.setattr(downloads, "table", lambda: {NAME: entry._replace(url=url)})
    with pytest.raises(DownloadError, match=r"connection .* ATTENTION_BOOK_MIR"):
        fetch(NAME)
    assert files_under(cache) == []


def test_full_disk(cache, known, monkeypatch):
    def fill_up(self, url, output_file, *args):
        output_file.write(CONTENT[:50])
        raise OSError(errno.ENOSPC, "No space left on device")

    known()
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", fill_up)
    with pytest.raises(DownloadError, match=r"No space.*Free some disk space"):
        fetch(NAME)
    assert files_under(cache) == []


@pytest.mark.parametrize("size", [SIZE - 1, None])
def test_a_download_ends_where_it_becomes_too_large(
    server, cache, known, monkeypatch, size
):
    most = SIZE - 1
    monkeypatch.setattr(downloads, "MOST_BYTES", most)
    known(size=size)
    (server[0] / "words.gz").write_bytes(CONTENT)  # its hash would be right
    with pytest.raises(DownloadError, match=f"has more than {most} bytes.*Try again"):
        fetch(NAME)
    assert files_under(cache) == []


@pytest.mark.parametrize("blocked", ["cache", "cache/set"])
def test_cache_that_cannot_be_written(cache, known, blocked):
    known()
    blocker = cache.parent / blocked
    blocker.parent.mkdir(exist_ok=True)
    blocker.write_text("a file where a folder should be")
    with pytest.raises(DownloadError, match="Set ATTENTION_BOOK_CACHE to a folder"):
        fetch(NAME)


def test_interrupted_download_leaves_nothing(cache, known, monkeypatch):
    def interrupt(self, url, output_file, *args):
        raise KeyboardInterrupt

    known()
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(NAME)
    assert files_under(cache) == []


def test_mirror_is_used_in_place(tmp_path, cache, known, monkeypatch):
    known("absent")
    path = tmp_path / "mirror" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    monkeypatch.setenv("ATTENTION_BOOK_MIRROR", str(tmp_path / "mirror"))
    assert fetch(NAME) == path
    assert files_under(cache) == []


def test_file_that_the_mirror_lacks_is_downloaded(
    server, tmp_path, cache, known, monkeypatch
):
    known()
    (server[0] / "words.gz").write_bytes(CONTENT)
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("ATTENTION_BOOK_MIRROR", str(tmp_path / "mirror"))
    assert fetch(NAME) == cache / NAME


def test_damaged_file_in_the_mirror_is_an_error(tmp_path, cache, known, monkeypatch):
    known()
    path = tmp_path / "mirror" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:-1])
    monkeypatch.setenv("ATTENTION_BOOK_MIRROR", str(tmp_path / "mirror"))
    message = rf"{re.escape(str(path))} has 15999 bytes .* 16000 bytes .* put that file"
    with pytest.raises(DownloadError, match=message):
        fetch(NAME)
    assert path.read_bytes() == CONTENT[:-1]


def test_mirror_that_is_no_folder_is_an_error(tmp_path, cache, known, monkeypatch):
    known()
    monkeypatch.setenv("ATTENTION_BOOK_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(DownloadError, match="nowhere', which is not a folder"):
        fetch(NAME)


def test_home_folder_in_cache_and_mirror(server, tmp_path, cache, known, monkeypatch):
    known()
    (server[0] / "words.gz").write_bytes(CONTENT)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ATTENTION_BOOK_CACHE", "~/kept")
    assert cache_folder() == tmp_path / "kept"
    assert not is_here(NAME)
    path = fetch(NAME)
    assert path == tmp_path / "kept" / NAME
    assert path.read_bytes() == CONTENT
    assert is_here(NAME)
    monkeypatch.setenv("ATTENTION_BOOK_MIRROR", "~/kept")
    assert fetch(NAME) == path
    assert not list(tmp_path.rglob("~"))
    monkeypatch.setenv("ATTENTION_BOOK_MIRROR", "~no one/kept")  # no such user
    with pytest.raises(DownloadError, match="'~no one/kept', which is not a folder"):
        fetch(NAME)


def test_md5_where_there_is_no_better_hash(server, cache, known):
    known(algorithm="md5", size=None)
    (server[0] / "words.gz").write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match=r"words\.gz \(unknown size\) .* cut off"):
        fetch(NAME)
    (server[0] / "words.gz").write_bytes(CONTENT)
    assert fetch(NAME) == cache / NAME


def test_size_where_there_is_no_hash(server, cache, known):
    known(algorithm="")
    served = server[0] / "words.gz"
    served.write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match=f"{SIZE - 1} bytes.*cut off or changed"):
        fetch(NAME)
    assert files_under(cache) == []
    served.write_bytes(CONTENT)
    path = cache / NAME
    path.write_bytes(CONTENT[:7])  # damaged since
    assert fetch(NAME).read_bytes() == CONTENT


def test_file_that_only_a_mirror_has(tmp_path, cache, known, monkeypatch):
    known("")
    with pytest.raises(DownloadError, match="no public address: set ATTENTION_BOOK_M"):
        fetch(NAME)
    (tmp_path / NAME).parent.mkdir(parents=True)
    (tmp_path / NAME).write_bytes(CONTENT)
    monkeypatch.setenv("ATTENTION_BOOK_MIRROR", str(tmp_path))
    assert fetch(NAME) == tmp_path / NAME


def test_is_here(server, tmp_path, cache, known, monkeypatch):
    known()
    assert not is_here(NAME)
    (server[0] / "words.gz").write_bytes(CONTENT)
    fetch(NAME)
    assert is_here(NAME)
    (cache / NAME).unlink()
    monkeypatch.setenv("ATTENTION_BOOK_MIRROR", str(tmp_path))
    assert not is_here(NAME)
    (tmp_path / NAME).parent.mkdir()
    (tmp_path / NAME).write_bytes(CONTENT)
    assert is_here(NAME)
    assert files_under(cache) == []


@pytest.mark.parametrize("function", [fetch, is_here])
def test_unknown_name_is_an_error(function):
    with pytest.raises(ValueError, match=r"one of .*multi30k/val\.de\.gz.*got 'x\.gz'"):
        function("x.gz")


# Their hosts keep one version, or know none.
UNVERSIONED = (
    "https://nlp.stanford.edu/",
    "https://github.com/jbrownlee/",
    "https://ai.stanford.edu/",
    "https://s3.amazonaws.com/fast-ai-nlp/",
    "https://data.dgl.ai/",
    "http://www.thespermwhale.com/",
)


def test_table_is_whole():
    assert len(table()) == 145
    for name, file in table().items():
        assert file.path == name
        assert file.bytes is None or file.bytes > 0
        assert file.hash or file.bytes
        assert re.fullmatch("(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})?", file.hash)
        if not file.url:
            assert file.hash.startswith("sha256:")
            continue
        assert file.url.rpartition("/")[2] == name.rpartition("/")[2]
        # fixed to a commit, so that the hash stays right
        assert file.url.startswith(UNVERSIONED) or re.match(
            r"https://.*/[0-9a-f]{40}/", file.url
        )


def test_every_file_of_the_mirror_is_the_right_one(mirror):
    here = [name for name in table() if (mirror / name).exists()]
    assert len(here) >= 45  # all but those that are too large for a mirror
    for name in here:
        path = fetch(name)
        assert path == mirror / name
        assert path.stat().st_size == table()[name].bytes

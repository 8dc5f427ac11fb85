"""The book as one archive."""

import zipfile

from tools import archive


def test_unpacking_makes_one_folder_with_the_whole_site(tmp_path):
    site = tmp_path / "a site"
    texts = {
        "index.html": "first",
        "_static/a b.js": "x",
        "_sources/book/ä.ipynb": "{}",
    }
    unwanted = {"old.zip": "z", "attention-book.part": "p", ".buildinfo": "b"}
    for name, text in (texts | unwanted).items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, "utf-8")
    target = site / archive.NAME
    for _ in range(2):  # the second time the archive is there already
        assert archive.pack(site, target) == len(texts)
    with zipfile.ZipFile(target) as packed:
        packed.extractall(tmp_path / "unpacked")
    folder = tmp_path / "unpacked" / archive.FOLDER
    found = {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert found == texts
    assert [path.name for path in (tmp_path / "unpacked").iterdir()] == [folder.name]

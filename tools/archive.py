"""Pack the built book into one archive, _build/html/attention-book.zip.

Unpacked anywhere it works without a server and without a network.
"""

import os
import sys
import zipfile
from pathlib import Path

from tqdm import tqdm

SITE = Path(__file__).resolve().parent.parent / "_build" / "html"
NAME = "attention-book.zip"
FOLDER = "attention-book"  # everything is in it, so that unpacking makes one folder
LEFT_OUT = {".zip", ".part"}


def pack(site: Path, target: Path) -> int:
    """Pack all files of a site, hidden ones apart; the target is replaced as a whole.

    Args:
        site: folder of the built pages.
        target: file to write.

    Returns:
        The number of files in it.
    """
    files = [
        path
        for path in sorted(site.rglob("*"))
        if path.is_file()
        and path.suffix not in LEFT_OUT
        and not any(part.startswith(".") for part in path.relative_to(site).parts)
    ]
    unfinished = target.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in tqdm(files, desc="Packing", unit="file"):
            archive.write(path, f"{FOLDER}/{path.relative_to(site).as_posix()}")
    os.replace(unfinished, target)
    return len(files)


def main() -> int:
    """Pack the book and say where it is."""
    count = pack(SITE, SITE / NAME)
    megabytes = (SITE / NAME).stat().st_size / 1e6
    print(f"{count} files, {megabytes:.0f} MB: {SITE / NAME}")
    print(f"Unpacked, the book opens at {FOLDER}/index.html.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

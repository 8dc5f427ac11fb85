"""Fixtures that the tests of the data share."""

import pytest


@pytest.fixture
def make_file(tmp_path):
    """A function that writes lines to a file, which it names "pairs"."""

    def make_file(*lines, end="\n"):
        path = tmp_path / "pairs"
        path.write_bytes("".join(line + end for line in lines).encode())
        return path

    return make_file

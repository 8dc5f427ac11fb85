"""CBT, CMRC 2017 and CFT: formats, errors with their line; the whole real files."""

import io
import tarfile
import zipfile

import pytest

from attention_book.data.cloze import public
from attention_book.data.cloze.public import (
    CBT_FILES,
    childrens_book_test,
    cmrc2017,
    fairy_tales,
    read_cbt,
    read_numbered,
    read_tales,
)
from attention_book.data.downloads import table

CBT = [
    "1 A frog sat there .",
    "2 The king saw it .",
    "3 Then the XXXXX left .\tking\t\tfrog|king||frog",
    "",
    "1 Again .",
    "2 XXXXX !\tAgain\t\tAgain|.",
    "",
]


def test_cbt():
    first, second = read_cbt(CBT)
    assert first.document == tuple(
        ["A", "frog", "sat", "there", ".", "The", "king", "saw", "it", "."]
    )
    assert first.question == ("Then", "the", "XXXXX", "left", ".")
    assert (first.candidates, first.answer) == (("frog", "king"), "king")
    assert second.document == ("Again", ".")


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "3 The king .", "f:2: the line must begin with its number .* 2, got '3'"),
        (2, "3 XXXXX .\tking\tfrog|king", "f:3: want question, .* got 3 fields"),
        (2, "3 Then .\tking\t\tfrog|king", "f:3: question must have a blank"),
        (2, "3 XXXXX .\tcat\t\tfrog|king", "f:3: answer must be a candidate"),
        (5, "2 More .", "f:7: the file ends inside a question"),
        (0, "1 XXXXX .\tking\t\tfrog|king", "f:1: document must have at least one"),
    ],
)
def test_bad_lines_of_cbt(line, text, message):
    lines = CBT.copy()
    lines[line] = text
    with pytest.raises(ValueError, match=message):
        read_cbt(lines, "f")


def test_the_archive_of_cbt(tmp_path, monkeypatch):
    path = tmp_path / "CBTest.tgz"
    monkeypatch.setattr(public, "fetch", lambda name: path)
    with tarfile.open(path, "w:gz") as archive:
        content = "\n".join(CBT).encode()
        entry = tarfile.TarInfo(f"CBTest/data/{CBT_FILES['dev'].format('CN')}")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    assert childrens_book_test("CN", "dev") == read_cbt(CBT)
    with pytest.raises(ValueError, match=r"has no file cbtest_NE_train\.txt"):
        childrens_book_test("NE", "train")
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match="is no whole archive"):
        childrens_book_test("CN", "dev")
    with pytest.raises(ValueError, match="kind must be one of NE, CN, V, P"):
        childrens_book_test("nouns", "dev")
    with pytest.raises(ValueError, match="split must be one of train, dev, test"):
        childrens_book_test("CN", "valid")


def test_whole_files_of_cmrc(mirror):
    questions = cmrc2017()
    assert len(questions) == 2000
    assert all(q.can_be_pointed_at for q in questions)
    assert max(len(q.document) for q in questions) == 481
    assert (questions[0].answer, questions[1].answer) == ("啄木鸟", "老虎")
    assert "XXXXX" in questions[0].document
    assert "XXXXX" not in questions[0].candidates


@pytest.mark.parametrize(
    ("part", "sizes"), [("auto", (2706, 1996)), ("human", (1953, 1944))]
)
def test_whole_files_of_tales(mirror, part, sizes):
    questions = fairy_tales(part)
    assert (len(questions), sum(q.can_be_pointed_at for q in questions)) == sizes


def test_table_knows_every_file():
    names = {"cft/cft.zip", "cbt/CBTest.tgz"}
    names |= {f"cmrc2017/validation/cloze.valid.{k}" for k in ("doc_query", "answer")}
    assert names <= set(table())


@pytest.fixture
def numbered(tmp_path):
    def numbered(documents, answers):
        paths = tmp_path / "documents", tmp_path / "answers"
        for path, lines in zip(paths, (documents, answers), strict=True):
            path.write_text("\n".join(lines) + "\n", "utf-8")
        return read_numbered(*paths)

    return numbered


ASKED = ["1 ||| a b", "2 ||| XXXXX c", "<qid_0> ||| XXXXX c"]


def test_numbered(numbered):
    (question,) = numbered(ASKED, ["<qid_0> ||| b"])
    assert question.document == ("a", "b", "XXXXX", "c")
    assert question.candidates == ("a", "b", "c")
    assert question.answer == "b"


@pytest.mark.parametrize(
    ("documents", "answers", "message"),
    [
        (ASKED, ["<qid_1> ||| b"], "documents:3: no answer to <qid_0>"),
        (ASKED, ["<qid_0> ||| b", "<qid_1> ||| b"], "answers: no question for <qid_1>"),
        (ASKED, ["<qid_0> b"], "answers:1: want 2 fields separated by"),
        (ASKED, ["<qid_0> ||| b", "<qid_0> ||| c"], "answers:2: a second answer"),
        (ASKED[2:], ["<qid_0> ||| b"], "documents:1: document must have at least one"),
    ],
)
def test_bad_lines_of_numbered(numbered, documents, answers, message):
    with pytest.raises(ValueError, match=message):
        numbered(documents, answers)


def test_tales():
    lines = ["1 ||| a b", "2 ||| c-XXXXX ||| b", "", "1 ||| a", "2 |||  ||| a"]
    (question,) = read_tales(lines)  # the second has no words
    assert question.question == ("c-", "XXXXX")
    assert question.candidates == ("a", "b")
    with pytest.raises(ValueError, match=r"f:1: want number and sentence, .* got 1"):
        read_tales(["a"], "f")
    with pytest.raises(ValueError, match="f:1: the file ends inside a question"):
        read_tales(["1 ||| a"], "f")


def test_the_archive_of_tales(tmp_path, monkeypatch):
    path = tmp_path / "cft.zip"
    monkeypatch.setattr(public, "fetch", lambda name: path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cft/cft.test.auto", "1 ||| a b\n2 ||| XXXXX ||| b\n")
    assert len(fairy_tales("auto")) == 1
    with pytest.raises(ValueError, match="is no whole archive"):
        fairy_tales("human")
    with pytest.raises(ValueError, match='part must be "auto" or "human"'):
        fairy_tales("test")

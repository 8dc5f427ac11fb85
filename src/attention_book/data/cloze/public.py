"""Cloze questions of others: the Children's Book Test, CMRC 2017, Children's Tales."""

import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from attention_book.data.cloze.questions import BLANK, ClozeQuestion
from attention_book.data.downloads import fetch
from attention_book.data.text_files import read_lines

CBT_FILES = {
    "train": "cbtest_{}_train.txt",
    "dev": "cbtest_{}_valid_2000ex.txt",
    "test": "cbtest_{}_test_2500ex.txt",
}
CBT_KINDS = ("NE", "CN", "V", "P")
BETWEEN = " ||| "


def childrens_book_test(kind: str, split: str) -> list[ClozeQuestion]:
    """Questions of the Children's Book Test: 20 sentences, a 21st with a blank.

    Size: NE 108,719 "train", 2,000 "dev", 2,500 "test"; CN 120,769, 2,000 and 2,500.
    Download: 121 MB.
    Source: Hill, Bordes, Chopra and Weston, arXiv:1511.02301.
    Licence: the books are in the public domain in the United States. Nothing of it is
    in this package.

    Args:
        kind: "NE" named entities, "CN" common nouns, "V" verbs, "P" prepositions.
        split: "train", "dev" or "test".

    Raises:
        ValueError: if there is no such kind or split, or the archive is damaged.
        DownloadError: if the archive is not available.
    """
    if kind not in CBT_KINDS:
        raise ValueError(f"kind must be one of {', '.join(CBT_KINDS)}, got {kind!r}")
    if split not in CBT_FILES:
        raise ValueError(f"split must be one of {', '.join(CBT_FILES)}, got {split!r}")
    name = CBT_FILES[split].format(kind)
    path = fetch("cbt/CBTest.tgz")
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if Path(member.name).name == name and member.isfile():
                    content = archive.extractfile(member)
                    assert content is not None  # it is a file
                    lines = content.read().decode("utf-8").split("\n")
                    return read_cbt(lines, name)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no whole archive ({error})") from error
    raise ValueError(f"{path} has no file {name}")


def read_cbt(lines: Iterable[str], name: str = "lines") -> list[ClozeQuestion]:
    r"""Read questions in the format of the Children's Book Test.

    Lines are numbered from 1 in each question: sentences of the document, and at last
    the question, its answer and its candidates, as in
    ``21 question\tanswer\t\ta|b|c``.
    A blank line may follow. Words are separated by spaces.

    Args:
        lines: of a file.
        name: of the file, for messages.

    Raises:
        ValueError: naming file and line, if a line does not have this form, a question
            has no blank or no document, or its answer is no candidate.
    """
    found, document = [], []
    expected, last = 1, 0
    for last, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        number, _, text = line.strip("\n").partition(" ")
        if number != str(expected):
            raise ValueError(
                f"{name}:{last}: the line must begin with its number in the question, "
                f"{expected}, got {number!r}"
            )
        fields = text.split("\t")
        if len(fields) == 1:
            document += fields[0].split()
            expected += 1
            continue
        if len(fields) != 4:
            raise ValueError(
                f"{name}:{last}: want question, answer, nothing and candidates, "
                f"separated by tabs, got {len(fields)} fields"
            )
        # Some lists have an empty candidate, or one twice.
        candidates = dict.fromkeys(filter(None, fields[3].strip().split("|")))
        found.append(
            _question(
                document, fields[0].split(), candidates, fields[1], f"{name}:{last}"
            )
        )
        document, expected = [], 1
    if document:
        raise ValueError(f"{name}:{last}: the file ends inside a question")
    return found


def cmrc2017() -> list[ClozeQuestion]:
    """Questions of the validation part of CMRC 2017, cloze track, in Chinese.

    The document is a tale, in which the asked sentence stands too, with its blank. No
    candidates are given: all words of the document are candidates.

    Size: 2,000 questions. Download: 3.8 MB.
    Source: Cui and others, LREC 2018; the files of ymcui/cmrc2017, cut into words.
    Licence: CC BY-SA 4.0. Nothing of it is in this package.

    Raises:
        DownloadError: if a file is not available.
        ValueError: as :func:`read_numbered`.
    """
    names = ("cloze.valid.doc_query", "cloze.valid.answer")
    documents, answers = (fetch(f"cmrc2017/validation/{name}") for name in names)
    return read_numbered(documents, answers)


def read_numbered(
    document_path: str | Path, answer_path: str | Path
) -> list[ClozeQuestion]:
    """Read the two files of CMRC 2017.

    In the first, lines ``n ||| sentence``, numbered from 1, are a document, and a line
    ``<qid_n> ||| question`` ends it. The second has a line ``<qid_n> ||| answer`` for
    each question.

    Args:
        document_path: documents and questions.
        answer_path: answers.

    Raises:
        ValueError: naming file and line, if a line does not have this form, a question
            has no document, no blank or no answer, or an answer no question.
    """
    answers: dict[str, str] = {}
    for number, line in enumerate(read_lines(answer_path), start=1):
        label, answer = _fields(line, 2, f"{answer_path}:{number}")
        if answers.setdefault(label, answer.strip()) != answer.strip():
            raise ValueError(f"{answer_path}:{number}: a second answer to {label}")
    found: list[ClozeQuestion] = []
    document: list[str] = []
    asked: set[str] = set()
    for number, line in enumerate(read_lines(document_path), start=1):
        place = f"{document_path}:{number}"
        label, text = _fields(line, 2, place)
        if not label.startswith("<qid"):
            document += text.split()
            continue
        if label not in answers:
            raise ValueError(f"{place}: no answer to {label} in {answer_path}")
        asked.add(label)
        found.append(_open_question(document, text.split(), answers[label], place))
        document = []
    if left := answers.keys() - asked:
        raise ValueError(f"{answer_path}: no question for {min(left)}")
    return found


def fairy_tales(part: str) -> list[ClozeQuestion]:
    """Test questions of the Children's Fairy Tales (CFT) in Chinese.

    They are there to test readers that were trained on newspapers; there is nothing to
    train on. All words of the document are candidates; an answer that is none of them
    cannot be pointed at, and is a candidate too.

    Size: 2,706 questions "auto", made by rule; 1,953 "human", whose blanks people
    chose, one empty question left out. The answer is a word of the document in 1,996
    and 1,944. Download: 1.3 MB.
    Source: Cui and others, arXiv:1607.02250; the files of ymcui/Chinese-Cloze-RC.
    Licence: CC BY-SA 4.0. Nothing of it is in this package.

    Args:
        part: "auto" or "human".

    Raises:
        ValueError: if there is no such part, or the archive is damaged.
        DownloadError: if the archive is not available.
    """
    if part not in ("auto", "human"):
        raise ValueError(f'part must be "auto" or "human", got {part!r}')
    path = fetch("cft/cft.zip")
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(f"cft/cft.test.{part}")
    except (zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise ValueError(f"{path} is no whole archive ({error})") from error
    return read_tales(content.decode("utf-8").split("\n"), f"cft.test.{part}")


def read_tales(lines: Iterable[str], name: str = "lines") -> list[ClozeQuestion]:
    """Read questions in the format of CFT.

    Lines ``n ||| sentence`` are the document; the last one of each question is
    ``n ||| question ||| answer``. Blank lines may stand between. A question without
    words is left out.

    Args:
        lines: of a file.
        name: of the file, for messages.

    Raises:
        ValueError: naming file and line, if a line does not have this form, or a
            question has no document or no blank.
    """
    found, document, last = [], [], 0
    for last, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{name}:{last}"
        fields = [field.strip() for field in line.split("|||")]
        if len(fields) not in (2, 3):
            raise ValueError(
                f"{place}: want number and sentence, and an answer where the sentence "
                f"is the question, separated by |||, got {len(fields)} fields"
            )
        if len(fields) == 2:
            document += fields[1].split()
            continue
        # In some questions the blank is part of a longer word.
        question = fields[1].replace(BLANK, f" {BLANK} ").split()
        if question:
            found.append(_open_question(document, question, fields[2], place))
        document = []
    if document:
        raise ValueError(f"{name}:{last}: the file ends inside a question")
    return found


def _fields(line: str, count: int, place: str) -> list[str]:
    fields = line.split(BETWEEN)
    if len(fields) != count:
        raise ValueError(
            f"{place}: want {count} fields separated by |||, got {len(fields)}"
        )
    return fields


def _open_question(
    document: Sequence[str], question: Sequence[str], answer: str, place: str
) -> ClozeQuestion:
    """A question without candidates: all words of the document are."""
    candidates = dict.fromkeys([*document, answer])
    candidates.pop(BLANK, None)
    return _question(document, question, candidates, answer, place)


def _question(
    document: Sequence[str],
    question: Sequence[str],
    candidates: Iterable[str],
    answer: str,
    place: str,
) -> ClozeQuestion:
    try:
        return ClozeQuestion(
            tuple(document), tuple(question), tuple(candidates), answer
        )
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None

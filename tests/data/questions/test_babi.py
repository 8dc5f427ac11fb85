"""bAbI: the whole real files, where the mirror is there; bad lines."""

import pytest

from attention_book.data.downloads import table
from attention_book.data.questions.babi import FOLDER, TASKS, babi, read_babi
from attention_book.data.questions.questions import Question

# Of the training file with 1,000 questions: facts of the longest story, words of the
# longest sentence, different answers.
SHAPES = {
    1: (10, 6, 6),
    2: (56, 6, 6),
    3: (224, 6, 6),
    4: (2, 7, 6),
    5: (102, 6, 7),
    6: (26, 6, 2),
    7: (34, 6, 4),
    8: (46, 6, 13),
    9: (10, 7, 2),
    10: (10, 9, 3),
    11: (10, 8, 6),
    12: (10, 8, 6),
    13: (10, 8, 6),
    14: (14, 8, 6),
    15: (8, 5, 4),
    16: (9, 4, 4),
    17: (2, 11, 2),
    18: (15, 9, 2),
    19: (5, 7, 12),
    20: (12, 6, 7),
}
GOOD = "1 Ada sings.", "2 Ben sings.", "3 Who sings? \tada,ben\t1 2"


@pytest.mark.parametrize("task", SHAPES)
def test_whole_files(mirror, task):
    questions = babi(task, "train")
    assert len(questions) == len(babi(task, "test")) == 1000
    found = (
        max(len(question.facts) for question in questions),
        max(len(fact) for question in questions for fact in question.facts),
        len({question.answer for question in questions}),
    )
    assert found == SHAPES[task]
    assert all(question.support for question in questions)


@pytest.mark.parametrize("task", [task for task in SHAPES if task != 3])
def test_whole_large_files(mirror, task):
    assert len(babi(task, "train", size="10k")) == 10_000


def test_first_question(mirror):
    facts = ["mary moved to the bathroom", "john went to the hallway"]
    question = babi(1, "train")[0]
    assert [" ".join(fact) for fact in question.facts] == facts
    assert question.question == ("where", "is", "mary")
    assert (question.answer, question.support) == ("bathroom", (0,))


def test_the_answer_stands_in_a_supporting_fact(mirror):
    """So the positions are right, although lines of questions are numbered too."""
    for task in (1, 2, 3):
        for question in babi(task, "test"):
            supporting = [question.facts[fact] for fact in question.support]
            assert any(question.answer in fact for fact in supporting)


def test_table_knows_every_file():
    for number, name in enumerate(TASKS, start=1):
        for split in ("train", "test"):
            assert f"{FOLDER}/en/qa{number}_{name}_{split}.txt" in table()
        large = f"{FOLDER}/en-10k/qa{number}_{name}_train.txt"
        assert (large in table()) == (number != 3)


def test_stories(make_file):
    lines = *GOOD, "4 Ada sleeps.", "5 Who Sleeps?\tada\t4", "1 It rains.", "2 x?\ty\t1"
    sings = ("ada", "sings"), ("ben", "sings")
    assert read_babi(make_file(*lines)) == [
        Question(sings, ("who", "sings"), "ada,ben", (0, 1)),
        Question((*sings, ("ada", "sleeps")), ("who", "sleeps"), "ada", (2,)),
        Question((("it", "rains"),), ("x",), "y", (0,)),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "want a number, a space and a sentence, got ''"),
        ("Ada sings.", "want a number, a space and a sentence, got 'Ada sings.'"),
        ("6 Ada sings.", "want number 1 or 4, got 6"),
        ("4 .", "want a sentence with words, got '.'"),
        ("4 Who?\tada", "want 1 or 3 fields, got 2"),
        ("4 Who?\tada\t1\t2", "want 1 or 3 fields, got 4"),
        ("4 Who?\t \t1", "question and answer must have words"),
        ("4 Who?\tada\t3", "want numbers of facts of this story, got '3'"),
        ("4 Who?\tada\tx", "want numbers of facts of this story, got 'x'"),
        ("1 Who?\tada\t", "facts must hold sentences with words"),
    ],
)
def test_a_bad_line_is_named(make_file, line, message):
    with pytest.raises(ValueError, match=f"pairs:4: {message}"):
        read_babi(make_file(*GOOD, line, "5 Ada sleeps."))


def test_a_file_without_questions(make_file):
    with pytest.raises(ValueError, match="pairs has no questions"):
        read_babi(make_file(*GOOD[:2]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "train", "1k"), "task must be from 1 to 20, got 0"),
        ((21, "train", "1k"), "task must be from 1 to 20, got 21"),
        ((1, "dev", "1k"), "split must be train or test, got 'dev'"),
        ((1, "train", "2k"), "size must be 1k or 10k, got '2k'"),
        ((3, "train", "10k"), "task 3 must have size 1k: .*, got 10k"),
    ],
)
def test_no_such_file(arguments, message):
    task, split, size = arguments
    with pytest.raises(ValueError, match=message):
        babi(task, split, size=size)

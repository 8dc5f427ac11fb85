"""Tasks: what is kept of the data, the vectors of a vocabulary, batches by length."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.data.docstrings.pairs import DocstringPair, PairSplits
from attention_book.data.docstrings.questions import (
    Candidate,
    Question,
    QuestionSplits,
)
from attention_book.data.sentence_pairs.overlap_features import OverlapFeatures
from attention_book.data.vocab import PAD, UNK
from attention_book.recipes.sentence_pairs import tasks
from attention_book.recipes.sentence_pairs.tasks import (
    PARTS,
    PUBLIC,
    answer_task,
    make_task,
    paraphrase_task,
    public_task,
    scaled_matrix,
)


def parts_of(task):
    return [task.pairs[part] for part in PARTS]


def test_a_limit_keeps_the_first_pairs(classes):
    task = make_task(
        "toy", parts_of(classes), classes.vectors, "drawn", kind="classes", limit=7
    )
    for part in PARTS:
        assert task.pairs[part] == classes.pairs[part][:7]


def test_a_limit_keeps_whole_questions_of_a_ranking(ranking):
    task = make_task(
        "toy", parts_of(ranking), ranking.vectors, "drawn", kind="ranking", limit=7
    )
    for part in PARTS:  # three candidates a question
        assert task.pairs[part] == ranking.pairs[part][:9]


def test_unknown_words_share_a_vector_or_have_their_own(classes, ranking):
    assert classes.vocab.encode(["unheard"]) == [UNK]
    assert ranking.vocab.encode(["unheard"]) != [UNK]
    for task in classes, ranking:
        assert (task.matrix[PAD] == 0).all()
        row = task.matrix[task.vocab.encode(["cat"])[0]]
        cosine = torch.cosine_similarity(
            row, torch.from_numpy(task.vectors["cat"]), dim=0
        )
        assert_close(cosine, torch.tensor(1.0))


def test_vectors_are_scaled_to_a_mean_length(ranking):
    matrix = scaled_matrix(ranking.vectors, ranking.vocab, 3.0)
    known = ranking.vocab.encode(ranking.vectors.words)
    assert_close(matrix, ranking.matrix)
    assert_close(matrix[known].norm(dim=1).mean(), torch.tensor(3.0))


def test_counts_are_those_of_the_training_part(classes):
    features = OverlapFeatures(classes.pairs["train"])
    wanted = [pair.features for pair in features.add(classes.pairs["dev"])]
    np.testing.assert_allclose(classes.counts("dev"), wanted)
    assert classes.num_features == 0
    task = make_task(
        "toy",
        parts_of(classes),
        classes.vectors,
        "drawn",
        kind="classes",
        with_counts=True,
    )
    assert task.num_features == 4
    np.testing.assert_allclose(task.counts("dev"), wanted)
    assert [pair.features for pair in task.pairs["dev"]] == wanted


def test_batches_hold_each_pair_once_and_know_its_position(ranking):
    batches = ranking.batches("dev", batch_size=5)
    assert [len(batch) for batch in batches] == [5, 5, 2]
    first = [
        row[mask]
        for batch in batches
        for row, mask in zip(batch.first, batch.first_mask, strict=True)
    ]
    pairs = ranking.pairs["dev"]
    for ids, position in zip(first, batches.order, strict=True):
        words = pairs[position].first[:4]  # max_tokens
        assert ids.tolist() == ranking.vocab.encode(words)
    longest = [max(len(pairs[i].first), len(pairs[i].second)) for i in batches.order]
    assert longest == sorted(longest)
    labels = torch.cat([batch.label for batch in batches]).numpy()
    np.testing.assert_array_equal(batches.in_data_order(labels), ranking.labels("dev"))
    assert ranking.batches("dev", batch_size=5) is batches
    assert replace(ranking, max_tokens=2).batches("dev", batch_size=5) is not batches


def test_a_loader_mixes_by_its_seed_alone(classes):
    def labels(seed):
        loader = classes.loader("train", batch_size=8, seed=seed)
        return torch.cat([batch.label for batch in loader]).tolist()

    assert labels(None) == classes.labels("train").tolist()
    assert labels(3) == labels(3) != labels(None)


def test_a_loader_by_length_mixes_batches_and_not_pairs(classes):
    def sizes(seed):
        loader = classes.loader("train", batch_size=8, seed=seed, by_length=True)
        return [[batch.first.tolist() for batch in loader] for _ in range(2)]

    batches = [b.first.tolist() for b in classes.batches("train", batch_size=8).batches]
    assert sizes(None) == [batches, batches]
    once, again = sizes(3)
    assert sizes(3) == [once, again]
    assert once != again
    for epoch in once, again:
        assert sorted(epoch) == sorted(batches)


def test_groups_are_questions_or_single_pairs(classes, ranking):
    assert ranking.groups("test").tolist() == [100] * 3 + [101] * 3 + [102] * 3
    assert classes.groups("test").tolist() == list(range(9))


def test_errors(classes):
    parts = parts_of(classes)
    with pytest.raises(ValueError, match=r"kind must be one of classes.*'ranked'"):
        make_task("toy", parts, classes.vectors, "drawn", kind="ranked")
    parts[1] = []
    with pytest.raises(ValueError, match=r"parts must have at least one pair.*dev"):
        make_task("toy", parts, classes.vectors, "drawn", kind="classes")
    with pytest.raises(ValueError, match=r"name must be one of SICK.*'sick'"):
        public_task("sick")


@pytest.fixture
def corpus():
    text = "a cat sings here .\na dog runs ."
    documents = [
        SimpleNamespace(prose=text, summary="a cat sings .") for _ in range(20)
    ]
    return SimpleNamespace(documents=documents)


@pytest.fixture
def no_types(no_shape_checks):
    """The corpus of these tests is none."""


def test_pairs_of_one_function_share_a_group(corpus, monkeypatch, no_types):
    def pair(label, *names):
        return DocstringPair(("a", "cat"), ("a", "dog"), label, names)

    train = [
        pair(1, "np.b", "torch.b"),
        pair(0, "np.b", "torch.c"),
        pair(1, "torch.d", "np.b"),
        pair(0, "torch.d", "np.z"),
        pair(1, "np.x", "torch.x"),
        pair(0, "np.x", "torch.y"),
    ]
    splits = PairSplits(train, train[4:], train[:2], {"left": 4})
    monkeypatch.setattr(tasks, "docstring_pairs", lambda documents: splits)
    task = paraphrase_task(corpus, dim=3)
    assert task.kind == "classes"
    assert task.groups("train").tolist() == [0, 0, 0, 0, 1, 1]
    assert task.groups("dev").tolist() == [1, 1]
    assert task.labels("train").tolist() == [1, 0, 1, 0, 1, 0]
    assert task.matrix.shape[1] == 3
    assert task.selection == {"left": 4}
    assert task.vectors_title == "PPMI and SVD of the docstrings, 3 d"


def test_questions_become_groups_of_candidates(corpus, monkeypatch, no_types):
    candidates = (Candidate(("a", "dog"), 0, "x"), Candidate(("a", "cat"), 1, "y"))
    question = Question(("cat", "sings"), "q", candidates)
    splits = QuestionSplits([question] * 3, [question], [question] * 2, {"left": 6})
    monkeypatch.setattr(tasks, "docstring_questions", lambda documents: splits)
    task = answer_task(corpus, dim=3, mean_length=2.0)
    assert task.kind == "ranking"
    assert task.groups("train").tolist() == [0, 0, 1, 1, 2, 2]
    assert task.labels("test").tolist() == [0, 1, 0, 1]
    assert task.idf_sentences[0] == ["a", "cat", "sings"]
    assert task.max_tokens == 40


def test_public_pairs_get_the_vectors_of_their_words(vectors, ranking, monkeypatch):
    asked = {}

    def read(source, words):
        asked[source] = set(words)
        return vectors

    monkeypatch.setattr(tasks, "best_source", lambda smaller: smaller)
    monkeypatch.setattr(tasks, "pretrained_vectors", read)
    for name, public in PUBLIC.items():
        monkeypatch.setitem(PUBLIC, name, replace(public, load=ranking.pairs.get))
        task = public_task(name, limit=4)
        assert task.kind == public.kind
        assert task.grades == public.grades
        assert len(task.pairs["test"]) == (6 if public.kind == "ranking" else 4)
    assert asked.keys() == {"spacy-md", "glove-6b"}
    assert "unheard" in asked["spacy-md"]


def test_every_fifth_training_pair_of_msrvid_is_held_out(ranking, monkeypatch):
    monkeypatch.setattr(tasks, "msrvid", ranking.pairs.get)
    train, dev = (PUBLIC["MSRVID"].load(part) for part in ("train", "dev"))
    assert dev == ranking.pairs["train"][::5]
    assert len(train) + len(dev) == 33
    assert PUBLIC["MSRVID"].load("test") == ranking.pairs["test"]

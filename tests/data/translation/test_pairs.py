"""Sentence pairs: files to pairs, pairs to batches, batches in a known order."""

import dataclasses
import gzip

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.translation.pairs import (
    Pair,
    PairBatch,
    pair_batch,
    pair_loader,
    read_pairs,
    read_parallel,
)
from attention_book.data.vocab import BOS, EOS, PAD, UNK, Vocab

SOURCES, TARGETS = "abcdefg", "uvwxyz"


@pytest.fixture
def vocabs():
    return Vocab(iter(SOURCES)), Vocab(iter(TARGETS))


@pytest.fixture
def pairs():
    """101 pairs, of 1 to 7 source words and 1 to 5 target words."""
    return [
        Pair(
            tuple(SOURCES[(n + i) % 7] for i in range(1 + n % 7)),
            tuple(TARGETS[(n + i) % 6] for i in range(1 + n % 5)),
        )
        for n in range(101)
    ]


def test_read_pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("ein Hund\ta dog\nja \tyes\n", "utf-8")
    assert read_pairs(path) == [
        Pair(("ein", "Hund"), ("a", "dog")),
        Pair(("ja",), ("yes",)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\nc d\n", r"pairs\.tsv:2: want 2 fields, got 1"),
        ("a\tb\tc\n", r"pairs\.tsv:1: want 2 fields, got 3"),
        ("a\tb\n\nc\td\n", r"pairs\.tsv:2: want 2 fields, got 1"),
        ("a\tb\nc\t \n", r"pairs\.tsv:2: a sentence without words: ' '"),
        ("", r"pairs\.tsv has no lines"),
    ],
)
def test_bad_pair_file_names_file_and_line(tmp_path, text, message):
    path = tmp_path / "pairs.tsv"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        read_pairs(path)


def test_read_parallel_packed_and_plain(tmp_path):
    source, target = tmp_path / "x.de", tmp_path / "x.en.gz"
    source.write_text("Ein Hund\nJa\n", "utf-8")
    target.write_bytes(gzip.compress(b"A dog\nYes\n"))
    pairs = read_parallel(source, target, lambda line: line.lower().split())
    assert pairs == [Pair(("ein", "hund"), ("a", "dog")), Pair(("ja",), ("yes",))]
    assert read_parallel(source, target, str.split, limit=1) == [
        Pair(("Ein", "Hund"), ("A", "dog"))
    ]


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("a\nb\nc\n", "x\n", r"x\.de has 3 lines, .*x\.en 1: line 2 has no partner"),
        ("a\nb\n", "x\n\n", r"x\.en:2: a sentence without words: ''"),
        ("a\n \n", "x\ny\n", r"x\.de:2: a sentence without words: ' '"),
        ("", "x\n", r"x\.de has no lines"),
    ],
)
def test_bad_parallel_files_name_file_and_line(tmp_path, source, target, message):
    paths = tmp_path / "x.de", tmp_path / "x.en"
    for path, text in zip(paths, (source, target), strict=True):
        path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=message):
        read_parallel(*paths, str.split)


def test_batch_by_hand(vocabs):
    batch = pair_batch(
        [Pair(("a", "c"), ("u",)), Pair(("b",), ("z", "v", "?"))], vocabs
    )
    assert batch.source.tolist() == [[4, 6, EOS], [5, EOS, PAD]]
    assert batch.target.tolist() == [[BOS, 4, EOS, PAD, PAD], [BOS, 9, 5, UNK, EOS]]
    assert batch.source_mask.tolist() == [[True] * 3, [True, True, False]]
    assert batch.target_mask.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    assert batch.num_tokens == 6  # u <eos>, z v <unk> <eos>
    assert batch.num_source_tokens == batch.source_mask.sum()
    assert len(batch) == 2


def test_batch_on_a_device_keeps_everything(vocabs, pairs):
    batch = pair_batch(pairs[:3], vocabs)
    moved = batch.to("meta")
    assert moved.source.device.type == moved.target_mask.device.type == "meta"
    assert moved.target.shape == batch.target.shape
    assert moved.num_tokens == batch.num_tokens
    assert moved.num_source_tokens == batch.num_source_tokens


def test_a_batch_by_hand_counts_its_tokens(no_shape_checks):
    source = torch.tensor([[4, 5, EOS], [6, EOS, PAD]])
    target = torch.tensor([[BOS, 7, 8, EOS, PAD], [BOS, 9, EOS, PAD, PAD]])
    masks = source != PAD, target != PAD
    batch = PairBatch(source, masks[0], target, masks[1])
    assert (batch.num_tokens, batch.num_source_tokens) == (5, 5)
    first = dataclasses.replace(batch, target_mask=target == BOS)
    assert (first.num_tokens, first.num_source_tokens) == (0, 5)
    for wrong, message in (
        (
            {"source_mask": masks[0][:, 1:]},
            r"source_mask .* \(2, 3\), got \(2, 2",
        ),
        ({"target_mask": masks[0]}, r"target_mask .* target, \(2, 5\), got \(2, 3\)"),
        (
            {"target": target[:1], "target_mask": masks[1][:1]},
            r"target must have a row for each source \(2\), got 1",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(batch, **wrong)
    with pytest.raises(TypeError, match="target_mask must be boolean, got"):
        dataclasses.replace(batch, target_mask=masks[1].long())


def test_empty_batch_and_empty_sentence_are_errors(vocabs):
    with pytest.raises(ValueError, match="at least one pair, got none"):
        pair_batch([], vocabs)
    with pytest.raises(ValueError, match="the target of pair 1 has no words"):
        pair_batch([Pair(("a",), ("u",)), Pair(("a",), ())], vocabs)
    with pytest.raises(ValueError, match="the source of pair 0 has no words"):
        pair_loader([Pair((), ("u",))], vocabs, batch_size=1)


def sentences(loader):
    """Source ids in the loader's order, without the padding."""
    return [
        row[mask].tolist()
        for batch in loader
        for row, mask in zip(batch.source, batch.source_mask, strict=True)
    ]


@pytest.mark.parametrize("option", [{"batch_size": 8}, {"max_tokens": 40}])
def test_without_a_seed_batches_keep_the_order(vocabs, pairs, option):
    loader = pair_loader(pairs, vocabs, **option)
    expected = [[*vocabs[0].encode(pair.source), EOS] for pair in pairs]
    assert sentences(loader) == sentences(loader) == expected


@pytest.mark.parametrize("option", [{"batch_size": 8}, {"max_tokens": 40}])
def test_a_loader_gives_each_pair_once(vocabs, pairs, option):
    loader = pair_loader(pairs, vocabs, seed=1, **option)
    batches = list(loader)
    assert len(batches) == len(loader)
    assert sum(map(len, batches)) == 101
    tokens = sum(batch.num_tokens for batch in batches)
    assert tokens == sum(len(pair.target) + 1 for pair in pairs)
    expected = [[*vocabs[0].encode(pair.source), EOS] for pair in pairs]
    assert sorted(sentences(loader)) == sorted(expected)


@pytest.mark.parametrize("option", [{"batch_size": 8}, {"max_tokens": 40}])
def test_the_seed_alone_decides_the_order(vocabs, pairs, option):
    def order(seed):
        return sentences(pair_loader(pairs, vocabs, seed=seed, **option))

    first = order(2)
    torch.rand(5)
    assert order(2) == first
    assert order(3) != first


@pytest.mark.parametrize("option", [{"batch_size": 8}, {"max_tokens": 40}])
def test_a_run_that_goes_on_sees_the_same_order(vocabs, pairs, option):
    loader = pair_loader(pairs, vocabs, seed=2, **option)
    sentences(loader)  # first epoch
    state = loader.generator.get_state()
    second, third = sentences(loader), sentences(loader)
    assert second != third
    resumed = pair_loader(pairs, vocabs, seed=2, **option)
    resumed.generator.set_state(state)
    assert sentences(resumed) == second
    assert sentences(resumed) == third


@pytest.mark.parametrize("seed", [None, 4])
def test_loading_leaves_the_global_random_numbers_alone(vocabs, pairs, seed):
    before = torch.get_rng_state()
    sentences(pair_loader(pairs, vocabs, batch_size=8, seed=seed))
    assert_close(torch.get_rng_state(), before)


def test_token_budget_counts_the_padded_batch(vocabs, pairs):
    loader = pair_loader(pairs, vocabs, max_tokens=40, seed=0)
    sizes = [max(batch.source.numel(), batch.target.numel()) for batch in loader]
    assert max(sizes) <= 40
    assert len(loader) < 101 / 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either batch_size or max_tokens, got None and None"),
        ({"batch_size": 3, "max_tokens": 5}, "max_tokens, got 3 and 5"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"max_tokens": 7}, r"max_tokens \(7\) is less than the 8 tokens.* of item 6"),
    ],
)
def test_bad_loader_arguments(vocabs, pairs, options, message):
    with pytest.raises(ValueError, match=message):
        pair_loader(pairs, vocabs, **options)


def test_a_negative_limit(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\nb\n", "utf-8")
    with pytest.raises(ValueError, match="limit must not be negative, got -1"):
        read_parallel(path, path, str.split, limit=-1)

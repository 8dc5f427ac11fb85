"""The chapter's experiments: what they measure, on models that are hardly trained."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.later.sparse import strided_masks
from attention_book.data.sequences.glyphs import glyph_pairs
from attention_book.data.sequences.memory_tasks import copy_batch
from attention_book.recipes.later import (
    COPIERS,
    DELAY,
    SEGMENT,
    SegmentScores,
    SmallStudies,
    build_copier,
    copy_by_hand,
    copy_errors,
    part_hits,
    sparse_costs,
    strided_reach,
    train_copier,
)


@pytest.fixture(scope="module")
def study():
    return SmallStudies(seed=1, epochs=1, examples=40)


def test_a_machine_set_by_hand_copies_what_fits_into_its_memory():
    assert copy_by_hand(20).wrong == copy_by_hand(127).wrong == 0
    assert copy_by_hand(140).wrong > 0.01  # the first vectors are overwritten
    assert copy_by_hand(20, certain=0.9).wrong > 0.1
    assert copy_by_hand(20, certain=0.9, sharpening=2.0).wrong == 0
    assert 0 < copy_by_hand(20, overwrite=3).wrong <= 1 / 20
    trace = copy_by_hand(5, num_locations=8)
    assert trace.written.argmax(dim=-1).tolist() == [1, 2, 3, 4, 5]
    assert trace.read.argmax(dim=-1).tolist() == [1, 2, 3, 4, 5]


class Knows(torch.nn.Module):
    """Answers with what it has seen, apart from the first bit of each vector."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs):
        length = inputs.shape[1] // 2
        bits = inputs[:, :length, :-1] - 0.5
        bits[..., 0] *= -1
        return torch.cat([bits.new_zeros(len(bits), length + 1, 8), bits], dim=1)


def test_errors_are_shares_of_wrong_bits():
    assert copy_errors(Knows(), [3, 5], count=4) == {3: 0.125, 5: 0.125}


def test_copiers_have_the_papers_sizes():
    for name in COPIERS:
        model = build_copier(name)
        assert model(copy_batch(2, seed=0).inputs).shape == (1, 5, 8)
    assert build_copier("NTM, LSTM").config.num_locations == 128
    with pytest.raises(ValueError, match="name must be one of NTM, feed-forward"):
        build_copier("GRU")


def test_a_copier_is_trained_alike_for_a_seed():
    first, again = (train_copier("NTM, LSTM", count=2, seed=4) for _ in range(2))
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert_close(one, other, rtol=0, atol=0)
    assert not first.training


def test_coupled_scores(study):
    found = study.coupled("a", num_layers=1)
    assert found.model.config.num_layers == 1
    assert 0 <= found.later <= 1
    assert 0 <= found.told <= 1
    train, _ = study.sentences(30, 0)
    test, _ = study.sentences(30, 1)
    assert not torch.equal(train.ids, test.ids)


def test_segment_scores(study):
    found = study.segments("b", 8)
    assert found.seen.tolist() == [False] * 4 + [True] * 4
    assert found.by_position.shape == (SEGMENT,)
    scores = SegmentScores(found.model, torch.arange(8) / 8, found.seen)
    assert scores.right(seen=False) == sum(range(4)) / 32
    assert scores.right(seen=True) == sum(range(4, 8)) / 32
    assert study.segments("c", DELAY).right(seen=False) is None


def test_nearest_scores(study):
    found = study.nearest("d", gaussian=True)
    assert set(found.right) == {20, 60}
    assert found.width == found.model.attention.attention_fn.width.item()
    assert study.nearest("e", gaussian=False).width is None


def test_part_scores(study):
    found = study.parts("f")
    assert found.found.shape == (2, 2)
    assert 0 <= found.overlap <= 1
    average = study.parts("g", num_parts=0)
    assert average.found.shape == (0, 2)
    assert 0 <= average.right <= 1


def test_hits_are_peaks_near_a_sign():
    pairs = glyph_pairs(3, size=16, clutter=0, seed=0)
    weights = torch.zeros(3, 2, 64)
    for image, (corner, tee) in enumerate(pairs.centres // 2):
        weights[image, 0, 8 * corner[0] + corner[1]] = 1.0
        weights[image, 1, 8 * tee[0] + tee[1]] = 1.0
    assert part_hits(weights, pairs).tolist() == [[1, 0], [0, 1]]
    assert part_hits(weights.flip(1), pairs).tolist() == [[0, 1], [1, 0]]


def test_costs_count_the_masks():
    small, large = sparse_costs([16, 64], rounds=1)
    assert (small.tokens, small.stride, large.stride) == (16, 4, 8)
    assert small.dense_scores == 16 * 17 // 2
    assert small.sparse_scores == sum(int(m.sum()) for m in strided_masks(16, 4))
    assert large.dense_seconds > 0
    assert large.sparse_seconds > 0


def test_reach_of_each_stride_and_query():
    rows, texts = strided_reach(9, [1, 3])
    assert rows.shape == (2, 9, 9)
    assert len(texts) == 18
    near, far = (mask[0] for mask in strided_masks(9, 3))
    last_at_the_end = rows[1].flip(0)
    assert torch.equal(last_at_the_end == 1, near | far)
    assert torch.equal(last_at_the_end > 0, torch.ones(9, 9).tril() > 0)
    scores = int(near.sum() + far.sum())
    said = f"query 8 attends to 5 of 9 keys, reaches 9; {scores} scores of 90"
    assert texts[9] == said

"""Buckets of distances, as T5 has them: tables worked out by hand."""

import pytest
import torch

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.alibi import DistanceBias
from attention_book.attention.positions.t5_bias import T5RelativeBias, distance_bucket

# 32 buckets to distance 128, 16 for a direction: 8 exact ones, then 8 whose lower ends
# grow by a factor of 16 ** (1 / 8) = 2 ** 0.5 from 8: 8, 11.3, 16, 22.6, 32, 45.3, 64,
# 90.5. Keys behind the query have 16 more.
BOTH = {range(n, n + 1): n for n in range(8)} | {
    range(8, 12): 8,
    range(12, 16): 9,
    range(16, 23): 10,
    range(23, 32): 11,
    range(32, 46): 12,
    range(46, 64): 13,
    range(64, 91): 14,
    range(91, 1000): 15,
}
# One direction: 16 exact ones, then 16 whose lower ends grow by 8 ** (1 / 16) from 16.
CAUSAL = {range(n, n + 1): n for n in range(16)} | {
    range(16, 19): 16,
    range(19, 21): 17,
    range(21, 24): 18,
    range(24, 27): 19,
    range(27, 31): 20,
    range(31, 35): 21,
    range(35, 40): 22,
    range(40, 46): 23,
    range(46, 52): 24,
    range(52, 59): 25,
    range(59, 67): 26,
    range(67, 77): 27,
    range(77, 87): 28,
    range(87, 99): 29,
    range(99, 113): 30,
    range(113, 1000): 31,
}


def test_both_directions_by_hand():
    for distances, bucket in BOTH.items():
        before = distance_bucket(-torch.tensor(distances))
        assert (before == bucket).all(), (distances, before)
        behind = distance_bucket(torch.tensor(distances))
        assert (behind == bucket + (16 if distances[0] else 0)).all()


def test_one_direction_by_hand():
    for distances, bucket in CAUSAL.items():
        before = distance_bucket(-torch.tensor(distances), bidirectional=False)
        assert (before == bucket).all(), (distances, before)
    behind = distance_bucket(torch.arange(1, 200), bidirectional=False)
    assert (behind == 0).all()


def test_few_buckets_by_hand():
    """Four a direction to distance 8: 0, 1, then from 2, and from 4 on."""
    got = distance_bucket(torch.arange(-9, 10), num_buckets=8, max_distance=8)
    want = [3] * 6 + [2, 2, 1, 0, 5, 6, 6] + [7] * 6
    assert got.tolist() == want


def test_bias_is_looked_up_by_head_and_bucket():
    layer = T5RelativeBias(3, num_buckets=8, max_distance=8)
    assert (layer.table == 0).all()
    with torch.no_grad():
        layer.table.copy_(torch.arange(24.0).view(3, 8))
    distance = torch.arange(4) - torch.arange(2)[:, None]
    bias = layer(distance)
    for h in range(3):
        assert bias[h].tolist() == [
            [8.0 * h + bucket for bucket in row] for row in ([0, 5, 6, 6], [1, 0, 5, 6])
        ]
    bias.sum().backward()
    assert layer.table.grad.sum() == 3 * 8
    causal = T5RelativeBias(1, num_buckets=4, max_distance=8, bidirectional=False)
    assert causal(distance).shape == (1, 2, 4)


def test_errors(no_shape_checks):
    for count in (0, 2, 6, 9):
        with pytest.raises(ValueError, match=rf"multiple of 4 for two.*got {count}"):
            distance_bucket(torch.zeros(1).long(), num_buckets=count)
    for count in (0, 1, 7):
        with pytest.raises(ValueError, match=rf"num_buckets must be even.*got {count}"):
            distance_bucket(
                torch.zeros(1).long(), num_buckets=count, bidirectional=False
            )
    with pytest.raises(ValueError, match=r"must be greater than 8.*got 8"):
        distance_bucket(torch.zeros(1).long(), max_distance=8)
    # A layer refuses them when it is built, not when it is called.
    with pytest.raises(ValueError, match=r"multiple of 4 for two.*got 6"):
        T5RelativeBias(4, num_buckets=6)
    with pytest.raises(ValueError, match=r"must be greater than 8.*got 8"):
        T5RelativeBias(4, max_distance=8)
    with pytest.raises(ValueError, match="num_heads must be at least 1, got 0"):
        T5RelativeBias(0)
    for wrong in (1, 3):
        rule = DistanceBias(T5RelativeBias(wrong))
        with pytest.raises(ValueError, match=f"is for {wrong} heads, got 4 heads"):
            MultiHeadAttention(8, 4, attention_fn=rule)


def test_the_smallest_table():
    rule = T5RelativeBias(1, num_buckets=2, max_distance=2, bidirectional=False)
    with torch.no_grad():
        rule.table.copy_(torch.tensor([[3.0, 5.0]]))
    assert rule(torch.tensor([[1, 0, -1, -2, -9]])).tolist() == [[[3, 3, 5, 5, 5]]]

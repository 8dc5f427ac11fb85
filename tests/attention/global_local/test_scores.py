"""The four scores, one query and one key at a time; errors: test_global_local."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.global_local.scores import (
    CONTENT_SCORES,
    LocationScore,
    compared_keys,
)

# All sizes differ, so that two swapped axes cannot go unseen.
B, Q, K, DIM, K_DIM, V_DIM = 2, 3, 5, 7, 11, 13


def by_hand(score, h, s):
    """score(h_t, h_s) of the paper, for one of each."""
    if type(score).__name__ == "DotScore":
        return h @ s
    if type(score).__name__ == "GeneralScore":
        return h @ score.query_proj.weight.T @ s  # W_a is query_dim x key_dim
    W_a = torch.cat([score.query_proj.weight, score.key_proj.weight], dim=1)
    return score.score_proj.weight[0] @ torch.tanh(W_a @ torch.cat([h, s]))


@pytest.mark.parametrize("name", CONTENT_SCORES)
def test_scores_one_key_at_a_time(name):
    key_dim = DIM if name == "dot" else K_DIM
    score = CONTENT_SCORES[name](DIM, key_dim).double()
    query = torch.randn(B, Q, DIM).double()
    key = torch.randn(B, K, key_dim).double()
    compared = compared_keys(score, query, key, key, None)
    scores = score(query, compared)
    for b in range(B):
        for t in range(Q):
            want = torch.stack([by_hand(score, query[b, t], s) for s in key[b]])
            assert_close(scores[b, t], want)
    # One more axis, as for windows: each query with keys of its own.
    own = score(query[:, :, None], compared[:, None].expand(-1, Q, -1, -1))
    assert_close(own.squeeze(2), scores)


def test_location_has_one_row_a_position():
    score = LocationScore(DIM, max_keys=K).double()
    query = torch.randn(B, Q, DIM).double()
    for keys in (2, K, K + 2):
        scores = score(query, torch.randn(B, keys, K_DIM).double())
        assert scores.shape == (B, Q, min(keys, K))
        for s in range(min(keys, K)):
            assert_close(scores[..., s], query @ score.query_proj.weight[s])
    assert score.project(query) is None


def test_only_concat_projects_its_keys():
    key = torch.randn(B, K, DIM)
    projected = {
        name: score(DIM, DIM).project(key) for name, score in CONTENT_SCORES.items()
    }
    assert [name for name, x in projected.items() if x is not None] == ["concat"]
    given = torch.randn(B, K, DIM)
    score = CONTENT_SCORES["concat"](DIM, DIM)
    assert compared_keys(score, key, key, key, given) is given
    score = CONTENT_SCORES["dot"](DIM, DIM)
    assert compared_keys(score, key, key, key, None) is key


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match=r"dot needs .* query_dim 7 and key_dim 11"):
        CONTENT_SCORES["dot"](DIM, K_DIM)
    with pytest.raises(ValueError, match="max_keys must be at least 1, got 0"):
        LocationScore(DIM, 0)
    query, key = torch.randn(B, Q, DIM), torch.randn(B, K, K_DIM)
    value, score = torch.randn(B, K, V_DIM), CONTENT_SCORES["concat"](DIM, K_DIM)
    with pytest.raises(  # one query row would broadcast over both sentences
        ValueError, match=r"value must have shape \(1, 5, 'value_dim'\).*\(2, 5, 13\)"
    ):
        compared_keys(score, query[:1], key, value, None)
    with pytest.raises(ValueError, match=r"value must have shape.*got \(2, 4, 13\)"):
        compared_keys(score, query, key, value[:, :4], None)
    with pytest.raises(
        ValueError, match=r"must have \(2, 5\) rows and keys.*got \(2, 4, 7\)"
    ):
        compared_keys(score, query, key, value, score.project(key[:, :4]))


def test_one_position_is_enough():
    score = LocationScore(3, max_keys=1)
    assert score(torch.zeros(2, 3), torch.zeros(5, 7)).shape == (2, 1)

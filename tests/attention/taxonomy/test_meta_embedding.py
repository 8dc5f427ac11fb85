"""DynamicMetaEmbedding: the paper's equation, then the laws of every attention."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.taxonomy.meta_embedding import DynamicMetaEmbedding

B, N, DIM, VIEWS = 2, 3, 13, (5, 7, 11, 4)  # all sizes differ


@pytest.fixture
def layer():
    return DynamicMetaEmbedding(VIEWS, DIM).double()


@pytest.fixture
def views():
    return [torch.randn(B, N, size).double().requires_grad_() for size in VIEWS]


def test_equation_one_token_at_a_time(layer, views):
    a = layer.score_proj.weight[0]
    context, weights = layer(views)
    for b in range(B):
        for i in range(N):
            projected = [
                proj.weight @ view[b, i] + proj.bias
                for proj, view in zip(layer.view_projs, views, strict=True)
            ]
            e = torch.stack([(a @ x).exp() for x in projected])
            assert_close(weights[b, i], e / e.sum())
            average = sum(w * x for w, x in zip(e / e.sum(), projected, strict=True))
            assert_close(context[b, i], average)


def test_a_blocked_view_is_as_if_it_were_not_there(layer, views):
    mask = torch.ones(1, 1, len(VIEWS), dtype=torch.bool)
    mask[..., 1] = False
    context, weights = layer(views, mask)
    fewer = DynamicMetaEmbedding([VIEWS[e] for e in (0, 2, 3)], DIM).double()
    kept = [layer.view_projs[e] for e in (0, 2, 3)]
    fewer.view_projs = torch.nn.ModuleList(kept)
    fewer.score_proj = layer.score_proj
    want, rest = fewer([views[e] for e in (0, 2, 3)])
    assert_close(context, want)
    assert_close(weights[..., [0, 2, 3]], rest)
    assert (weights[..., 1] == 0).all()
    assert_close(weights.sum(-1), torch.ones(B, N).double())


def test_tokens_do_not_see_each_other_and_views_have_no_order(layer, views):
    context, weights = layer(views)
    alone = layer([view[:, 1:2] for view in views])
    assert_close(alone, (context[:, 1:2], weights[:, 1:2]))
    order = [2, 0, 3, 1]
    other = DynamicMetaEmbedding([VIEWS[e] for e in order], DIM).double()
    projs = [layer.view_projs[e] for e in order]
    other.view_projs = torch.nn.ModuleList(projs)
    other.score_proj = layer.score_proj
    got = other([views[e] for e in order])
    assert_close(got, (context, weights[..., order]))


def test_a_constant_in_the_score_changes_no_weight(layer, views):
    want = layer(views)
    layer.score_proj.bias = torch.nn.Parameter(torch.full((1,), 3.0).double())
    assert_close(layer(views), want)  # the paper's b


def test_gradients_are_those_of_finite_differences():
    layer = DynamicMetaEmbedding([2, 3], 2).double()
    views = [torch.randn(1, 2, n).double().requires_grad_() for n in (2, 3)]
    assert torch.autograd.gradcheck(lambda *views: layer(views)[0], views)


def test_errors(layer, views, no_shape_checks):
    for sizes, dim in (((), 3), ((2, 0), 3), ((2,), 0)):
        with pytest.raises(ValueError, match=r"must be a view.*got view_dims"):
            DynamicMetaEmbedding(sizes, dim)
    with pytest.raises(ValueError, match=r"sizes \[5, 7, 11, 4\], got \[\(2, 3, 5\),"):
        layer(views[:3])
    with pytest.raises(ValueError, match=r"views must be of one batch.*got \[\]"):
        layer([])
    with pytest.raises(ValueError, match=r"of one batch and length.*\(1, 3, 7\)"):
        layer([views[0], views[1][:1], *views[2:]])  # would broadcast
    with pytest.raises(ValueError, match=r"mask must have one axis.*got \(2, 4\)"):
        layer(views, torch.ones(B, len(VIEWS), dtype=torch.bool))
    with pytest.raises(TypeError, match="mask must be boolean"):
        layer(views, torch.ones(B, N, len(VIEWS)))


def test_one_view_of_one_feature():
    layer, view = DynamicMetaEmbedding([1], 1), torch.randn(B, N, 1)
    context, weights = layer([view])
    assert_close(context, layer.view_projs[0](view))
    assert (weights == 1).all()

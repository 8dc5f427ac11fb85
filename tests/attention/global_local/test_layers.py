"""Global and local attention: the paper's equations, then the laws of attention."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.attention.global_local.layers import GlobalAttention, LocalAttention
from attention_book.functional import token_mask
from attention_book.observe import record_weights

# All sizes differ, so that two swapped axes cannot go unseen; the score dot needs
# queries and keys of one size.
B, Q, K, DIM, V_DIM, MAX = 2, 3, 5, 7, 13, 4
CONTENT = ("dot", "general", "concat")
LAYERS = {
    **{f"global {s}": lambda s=s: GlobalAttention(DIM, DIM, s) for s in CONTENT},
    "global location": lambda: GlobalAttention(DIM, DIM, "location", max_keys=MAX),
    **{
        f"local-{kind} {s} {window}": lambda s=s, kind=kind, window=window: (
            LocalAttention(DIM, DIM, s, window=window, predictive=kind == "p")
        )
        for s, kind, window in [
            ("dot", "m", 1),
            ("general", "m", 2),
            ("concat", "p", 1),
            ("general", "p", 2),
            ("dot", "p", 9),
        ]
    },
}


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]().double()


@pytest.fixture
def inputs():
    shapes = (B, Q, DIM), (B, K, DIM), (B, K, V_DIM)
    return [
        torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes
    ]


def call(layer, *args, **options):
    """Context and whole rows of weights."""
    return layer(*args, need_weights=True, **options)


def score_by_hand(layer, h, s):
    """score(h_t, h_s) of the paper."""
    kind = type(layer.score).__name__
    if kind == "DotScore":
        return h @ s
    if kind == "GeneralScore":
        return h @ layer.score.query_proj.weight.T @ s
    W_a = torch.cat([layer.score.query_proj.weight, layer.score.key_proj.weight], dim=1)
    return layer.score.score_proj.weight[0] @ torch.tanh(W_a @ torch.cat([h, s]))


def weights_by_hand(layer, h, t, keys):
    """A row of weights over the words of one sentence, by loops."""
    S = len(keys)
    if type(layer.score).__name__ == "LocationScore":
        e = [row @ h for row in layer.score.query_proj.weight][:S]
        inside = range(len(e))  # the tail of a longer sentence is ignored
    else:
        e = [score_by_hand(layer, h, s) for s in keys]
        inside = range(S)
    p = None
    if isinstance(layer, LocalAttention):
        D = layer.window
        if layer.centre is None:
            p = torch.tensor(float(min(t, S - 1)))
        else:
            hidden = torch.tanh(layer.centre.hidden_proj.weight @ h)
            p = S / (1 + torch.exp(-layer.centre.centre_proj.weight[0] @ hidden))
        inside = [s for s in inside if p - D <= s <= p + D]
    total = sum(e[s].exp() for s in inside)
    row = torch.zeros(S).double()
    for s in inside:
        row[s] = e[s].exp() / total
        if getattr(layer, "centre", None) is not None:
            row[s] *= torch.exp(-((s - p) ** 2) / (2 * (D / 2) ** 2))
    return row


def test_equations_one_query_at_a_time(layer, inputs):
    query, key, value = inputs
    lengths = [K, 3]
    mask = token_mask(torch.tensor(lengths), K)[:, None]
    context, weights = call(layer, query, key, value, mask)
    for b, S in enumerate(lengths):
        for t in range(Q):
            a = weights_by_hand(layer, query[b, t], t, key[b, :S])
            assert_close(weights[b, t, :S], a)
            assert_close(context[b, t], sum(a[s] * value[b, s] for s in range(S)))
    assert (weights[1, :, 3:] == 0).all()


def test_concat_is_the_additive_score_of_bahdanau(inputs):
    layer = GlobalAttention(DIM, DIM, "concat").double()
    additive = AdditiveAttention(DIM, DIM, DIM).double()
    additive.load_state_dict(layer.score.state_dict())
    assert_close(layer(*inputs, need_weights=True), additive(*inputs))


def test_general_is_pytorchs_dot_product_of_a_projected_query(inputs):
    layer = GlobalAttention(DIM, DIM, "general").double()
    query, key, value = inputs
    projected = query @ layer.score.query_proj.weight.T
    fused = torch.nn.functional.scaled_dot_product_attention(
        projected, key, value, scale=1.0
    )
    assert_close(layer(*inputs)[0], fused)


@pytest.mark.parametrize("score", CONTENT)
def test_a_window_larger_than_the_sentence_is_global(score, inputs):
    whole = GlobalAttention(DIM, DIM, score).double()
    context, weights = whole(*inputs, need_weights=True)
    for predictive in (False, True):
        local = LocalAttention(DIM, DIM, score, window=K, predictive=predictive)
        local = local.double()
        local.score.load_state_dict(whole.score.state_dict())
        found, rows = local(*inputs, need_weights=True)
        if not predictive:
            assert_close((found, rows), (context, weights))
            continue
        p = local.centres(inputs[0], torch.full((B, 1), K))
        factors = torch.exp(-((torch.arange(K) - p[..., None]) ** 2) / (K**2 / 2))
        assert_close(rows, weights * factors)
        assert_close(found, (weights * factors) @ inputs[2])


def test_whole_rows_are_made_only_if_asked_for(inputs):
    layer = LocalAttention(DIM, DIM, window=1).double()
    context, weights = layer(*inputs)
    assert weights is None
    assert torch.equal(context, layer(*inputs, need_weights=True)[0])
    with record_weights(layer) as recorded:
        layer(*inputs)
    assert list(recorded) == [""]  # score and centre are no attention layers
    assert recorded[""][0].shape == (B, Q, K)


def test_nothing_outside_the_window_is_read(inputs):
    query, key, value = (tensor.detach() for tensor in inputs)
    layer = LocalAttention(DIM, DIM, window=1, predictive=False).double()
    step = torch.tensor([[0, 1, 0], [1, 0, 1]])
    far = torch.arange(K) > 2
    key, value = (x.masked_fill(far[:, None], torch.nan) for x in (key, value))
    length = torch.tensor([[K], [4]])
    context, _ = layer(query, key, value, length=length, step=step)
    assert context.isfinite().all()


def test_length_and_padding_mask_say_the_same(inputs):
    for predictive in (True, False):
        layer = LocalAttention(DIM, DIM, window=2, predictive=predictive).double()
        mask = token_mask(torch.tensor([K, 2]), K)[:, None]
        by_mask = layer(*inputs, mask, need_weights=True)
        by_length = layer(*inputs, length=torch.tensor([[K], [2]]), need_weights=True)
        assert_close(by_length, by_mask)


def test_step_moves_the_window_of_local_m_alone(inputs):
    query, key, value = inputs
    length = torch.tensor([[K], [2]])
    for predictive in (True, False):
        layer = LocalAttention(DIM, DIM, window=1, predictive=predictive).double()
        together = layer(*inputs, length=length, need_weights=True)
        steps = [
            layer(
                query[:, t : t + 1],
                key,
                value,
                length=length,
                step=torch.full((B, 1), t),
                need_weights=True,
            )
            for t in range(Q)
        ]
        for part, all_steps in zip(together, zip(*steps, strict=True), strict=True):
            assert_close(torch.cat(all_steps, dim=1), part)
    late = layer.centres(query, length, torch.full((B, Q), 9))
    assert late.tolist() == [[K - 1.0] * Q, [1.0] * Q]  # the last word


def test_gradient_of_the_centre_is_that_of_finite_differences(inputs):
    layer = LocalAttention(DIM, DIM, window=2).double()
    context, _ = layer(*inputs)
    context.square().sum().backward()
    for weight in (layer.centre.hidden_proj.weight, layer.centre.centre_proj.weight):
        exact, step = weight.grad.clone(), 1e-6
        assert exact.abs().max() > 1e-4
        for index in [(0, 0), (0, DIM - 1)]:
            sums = []
            for sign in (1, -1):
                with torch.no_grad():
                    weight[index] += sign * step
                    sums.append(layer(*inputs)[0].square().sum())
                    weight[index] -= sign * step
            assert_close(
                exact[index], (sums[0] - sums[1]) / (2 * step), rtol=1e-4, atol=1e-7
            )


def test_gradients_are_those_of_finite_differences(layer, inputs):
    mask = token_mask(torch.tensor([K, 2]), K)[:, None]
    assert torch.autograd.gradcheck(
        lambda *tensors: call(layer, *tensors, mask), inputs, fast_mode=True
    )


def test_without_keys_the_context_is_zero(layer, inputs):
    query, key, value = inputs
    for need_weights in (False, True):
        context, weights = layer(
            query, key[:, :0], value[:, :0], need_weights=need_weights
        )
        assert_close(context, torch.zeros(B, Q, V_DIM).double())
        assert weights is None or weights.shape == (B, Q, 0)
        context.sum().backward()


def test_keys_projected_once_serve_every_query(layer, inputs):
    query, key, value = inputs
    projected = layer.project(key)
    assert (projected is not None) == (type(layer.score).__name__ == "ConcatScore")
    together = call(layer, query, key, value)
    assert_close(call(layer, query, key, value, projected_key=projected), together)


def test_errors(layer, inputs, no_shape_checks):
    query, key, value = inputs
    with pytest.raises(ValueError, match=r"mask must have one axis.*got \(2, 5\)"):
        layer(*inputs, torch.ones(B, K, dtype=torch.bool))
    with pytest.raises(TypeError, match="mask must be boolean"):
        layer(*inputs, torch.ones(B, 1, K))
    with pytest.raises(ValueError, match=r"value must have shape.*got \(2, 4, 13\)"):
        layer(query, key, value[:, :4])


def test_errors_of_construction():
    for make in (GlobalAttention, LocalAttention):
        options = {"window": 1} if make is LocalAttention else {}
        with pytest.raises(ValueError, match=r"score must be one of dot.*got 'cosine'"):
            make(DIM, DIM, "cosine", **options)
        with pytest.raises(ValueError, match=r"dot needs .* key_dim 13"):
            make(DIM, V_DIM, "dot", **options)
    with pytest.raises(ValueError, match="got 'location'"):
        LocalAttention(DIM, DIM, "location", window=1)
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        LocalAttention(DIM, DIM, window=0)
    with pytest.raises(
        ValueError, match=r"max_keys is for .* 'location' and max_keys N"
    ):
        GlobalAttention(DIM, DIM, "location")
    with pytest.raises(ValueError, match=r"max_keys is for .* 'dot' and max_keys 4"):
        GlobalAttention(DIM, DIM, "dot", max_keys=4)
    with pytest.raises(ValueError, match="max_keys must be at least 1, got 0"):
        GlobalAttention(DIM, DIM, "location", max_keys=0)

"""ShowAttendTell: the equations in plain loops, each term, the estimator's mean."""

import itertools

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention import soft_hard as attention
from attention_book.data.captions.captions import caption_batch
from attention_book.data.vocab import BOS, EOS, PAD, Vocab
from attention_book.decoding.translation import translate
from attention_book.models.encoders.image import GridEncoder
from attention_book.models.soft_hard.config import ShowAttendTellConfig
from attention_book.models.soft_hard.loss import (
    coverage_penalty,
    other_draws,
    weights_entropy,
)
from attention_book.models.soft_hard.model import ShowAttendTell
from attention_book.observe import record_weights

# All sizes differ, so that two swapped axes cannot go unseen.
L, SIZES = (
    4,
    {"annotation_dim": 3, "embed_dim": 5, "hidden_dim": 7, "attention_dim": 11},
)
CAPTIONS = [
    [("a", "two", "top", "left")],
    [("a", "nine"), ("nine", "top", "left")],
]
KINDS = ("soft", "hard", "gumbel", "mean")


@pytest.fixture
def vocab():
    return Vocab(word for group in CAPTIONS for words in group for word in words)


@pytest.fixture
def batch(vocab):
    return caption_batch(torch.randn(2, L, 3).double(), CAPTIONS, vocab)


@pytest.fixture
def make(vocab):
    """A function that makes the model, in float64 and in eval mode."""

    def make(encoder=None, **changes):
        torch.manual_seed(1)
        config = ShowAttendTellConfig(target_vocab=len(vocab), **SIZES | changes)
        return ShowAttendTell(config, encoder).double().eval()

    return make


def two_layers(part, x):
    W, V = part[0], part[2]
    return torch.tanh(V.weight @ torch.relu(W.weight @ x + W.bias) + V.bias)


def by_hand(model, a, ids, way=None):
    """Log-likelihood of a caption and the weights of each step, as in the paper.

    A hard decoder looks at the positions ``way``; None: where the weights are largest.
    """
    kind = model.config.kind
    mean, h, c = sum(a) / len(a), *torch.zeros(2, 7).double()
    if model.config.glance:
        h = two_layers(model.initial_hidden, mean)
        c = two_layers(model.initial_cell, mean)
    log_likelihood, alphas = 0.0, []
    for t, (previous, word) in enumerate(itertools.pairwise(ids)):
        Ey = model.embedding.weight[previous]
        alpha = torch.full((len(a),), 1 / len(a)).double()
        if kind != "mean":
            layer = model.attention if kind == "soft" else model.attention.scorer
            W, U = layer.query_proj.weight, layer.key_proj.weight
            v = layer.score_proj.weight[0]
            e = torch.stack([v @ torch.tanh(W @ h + U @ a_i) for a_i in a])
            alpha = e.exp() / e.exp().sum()
        z = sum(alpha_i * a_i for alpha_i, a_i in zip(alpha, a, strict=True))
        if kind in ("hard", "gumbel"):
            z = a[alpha.argmax() if way is None else way[t]]
        if kind == "soft" and model.config.gate:
            f_beta = model.gate_proj
            z = torch.sigmoid(f_beta.weight[0] @ h + f_beta.bias[0]) * z
        T = model.input_proj.weight @ Ey + model.input_proj.bias
        T = T + model.state_proj.weight @ h + model.context_proj.weight @ z
        i, f, g, o = T.chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        deep = Ey + model.state_out.weight @ h + model.context_out.weight @ z
        logits = model.output_proj.weight @ deep + model.output_proj.bias
        log_likelihood = log_likelihood + logits.log_softmax(0)[word]
        alphas.append(alpha)
    return log_likelihood, torch.stack(alphas)


@pytest.mark.parametrize("kind", [*KINDS, "soft without gate", "hard without glance"])
def test_equations_one_caption_at_a_time(make, batch, kind):
    options = {"gate": kind == "soft", "glance": "glance" not in kind}
    model = make(kind=kind.split()[0], **options)
    total = 0.0
    log_likelihood, result = model.log_likelihood(batch)
    for row, source in enumerate(batch.source):
        ids = batch.target[row][batch.target_mask[row]].tolist()
        right, alphas = by_hand(model, source, ids)
        assert_close(log_likelihood[row], right)
        assert_close(result.weights[row, : len(ids) - 1], alphas)
        total = total - right
    assert_close(model.loss(batch), total / batch.num_tokens)


def test_its_lstm_is_pytorchs(make, batch):
    model = make(kind="mean")
    cell = nn.LSTMCell(5 + 3, 7).double()
    with torch.no_grad():
        cell.weight_ih.copy_(
            torch.cat([model.input_proj.weight, model.context_proj.weight], dim=1)
        )
        cell.weight_hh.copy_(model.state_proj.weight)
        cell.bias_ih.copy_(model.input_proj.bias)
        cell.bias_hh.zero_()
    h, c, a, *_ = model.start(batch.source)
    ids = batch.target[:, 0]
    right = cell(torch.cat([model.embedding(ids), a.mean(1)], dim=1), (h, c))
    _, state = model.step(ids, model.start(batch.source))
    assert_close(state[:2], right)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_the_rest_of_the_batch_change_nothing(make, batch, vocab, kind):
    model = make(kind=kind)
    together, _ = model.log_likelihood(batch)
    alone = caption_batch(batch.source[1:2], [CAPTIONS[1][:1]], vocab)
    assert_close(model.log_likelihood(alone)[0], together[1:2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_that_is_never_written_may_pad(make, batch, kind):
    model = make(kind=kind).train()
    with torch.no_grad():
        model.output_proj.bias[PAD] = -torch.inf
    loss = model.loss(batch)
    loss.backward()
    assert loss.isfinite()
    assert model.output_proj.weight.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_positions_behind_the_mask_change_nothing(make, batch, kind):
    model = make(kind=kind)
    mask = torch.arange(L) < torch.tensor([L, 2, 3])[:, None]
    logits, _ = model.decode(batch.target, model.start(batch.source, mask))
    fewer, _ = model.decode(batch.target[1:2], model.start(batch.source[1:2, :2]))
    assert_close(logits[1:2], fewer)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_without_positions_leaves_gradients_finite(make, batch, kind):
    model = make(kind=kind).train()
    mask = torch.tensor([[True] * L, [False] * L, [True] * L])
    with torch.autograd.set_detect_anomaly(True):
        result = model.run(batch.target, model.start(batch.source, mask))
        (result.logits.square().sum() + result.log_prob.sum()).backward()
    assert (result.weights[1] == 0).all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_one_word_at_a_time_is_the_same(make, batch, kind):
    model = make(kind=kind)
    logits, _ = model.decode(batch.target, model.start(batch.source))
    state = model.start(batch.source)
    for t, ids in enumerate(batch.target.unbind(1)):
        step, state = model.step(ids, state)
        assert_close(step, logits[:, t])


def test_soft_loss_is_likelihood_plus_penalty(make, batch):
    mask = batch.target_mask[:, 1:]
    model = make(penalty=0.3).train()
    log_likelihood, result = model.log_likelihood(batch)
    right = (0.3 * coverage_penalty(result.weights, mask) - log_likelihood).sum()
    assert_close(model.loss(batch), right / batch.num_tokens)
    likelihood = -log_likelihood.sum() / batch.num_tokens
    assert_close(model.eval().loss(batch), likelihood)  # without the penalty
    assert_close(make(penalty=0.0).train().loss(batch), likelihood)


def test_hard_loss_has_the_papers_terms(make, batch):
    model = make(kind="hard", expected_p=0.0, reward_scale=0.2, entropy_weight=0.7)
    model.train().baseline.fill_(-9.0)
    torch.manual_seed(2)
    log_likelihood, result = model.log_likelihood(batch)
    torch.manual_seed(2)
    loss = model.loss(batch)
    mask = batch.target_mask[:, 1:]
    log_prob = (result.log_prob * mask).sum(1)
    right = -log_likelihood - 0.2 * (log_likelihood + 9).detach() * log_prob
    right = right - 0.7 * weights_entropy(result.weights, mask)
    assert_close(loss, right.sum() / batch.num_tokens)
    grads = torch.autograd.grad(loss, tuple(model.parameters()))
    rights = torch.autograd.grad(
        right.sum() / batch.num_tokens, tuple(model.parameters())
    )
    assert_close(grads, rights)


def test_the_baseline_moves_after_the_step_and_not_in_the_loss(make, batch):
    model = make(kind="hard", expected_p=0.0).train()
    model.baseline.fill_(-9.0)
    losses = []
    for _ in range(2):
        torch.manual_seed(2)
        losses.append(model.loss(batch))
    assert torch.equal(*losses)
    assert model.baseline == -9
    torch.manual_seed(2)
    log_likelihood, _ = model.log_likelihood(batch)
    model.after_step()
    assert_close(model.baseline, 0.9 * -9 + 0.1 * log_likelihood.mean().detach())
    soft = make().train()
    soft.loss(batch)
    soft.after_step()
    assert soft.baseline == 0


def test_terms_of_the_hard_loss_can_be_switched_off(make, batch):
    off = {"reward_scale": 0.0, "entropy_weight": 0.0}
    # Every picture expected, nothing else: soft attention without gate and penalty.
    hard = make(kind="hard", expected_p=1.0, **off).train()
    soft = make(kind="soft", gate=False, penalty=0.0).train()
    weights = {k.replace("scorer.", ""): x for k, x in hard.state_dict().items()}
    soft.load_state_dict(weights)
    assert_close(hard.loss(batch), soft.loss(batch))
    plain = make(kind="hard", expected_p=0.0, baseline="none").train()
    plain.baseline.fill_(1e9)
    assert plain.loss(batch).abs() < 1e3


def test_half_of_the_images_are_expected_for_all_their_words(make, batch):
    model = make(kind="hard").train()
    drawn, run = [], model.run

    def recording(inputs, state, expected):
        drawn.append(expected)
        return run(inputs, state, expected)

    model.run = recording
    for _ in range(100):
        model.loss(batch)
    model.run = run
    shares = torch.stack(drawn).double().mean(dim=0)
    assert ((shares - 0.5).abs() < 4 * (0.25 / 100) ** 0.5).all()
    assert len(torch.stack(drawn).unique(dim=0)) > 2  # a coin for each picture
    expected = torch.tensor([True, False, True])
    result = model.run(batch.target, model.start(batch.source), expected)
    assert (result.log_prob[expected] == 0).all()
    assert (result.log_prob[1] < 0).all()


@pytest.fixture
def paths(make, vocab, monkeypatch):
    """All 9 ways to look at one of 3 positions in 2 steps, with what each way gives."""
    off = {"reward_scale": 1.0, "entropy_weight": 0.0, "expected_p": 0.0}
    model = make(kind="hard", **off).train()
    with torch.no_grad():
        model.attention.scorer.score_proj.weight.mul_(4)  # some positions more likely
        model.output_proj.weight.mul_(4)
    image = torch.randn(1, 3, 3).double()
    ways = torch.tensor(list(itertools.product(range(3), repeat=2)))
    batch = caption_batch(image.expand(9, -1, -1), [[("nine",)]] * 9, vocab)
    steps = iter(ways.unbind(1))
    with monkeypatch.context() as patch:
        patch.setattr(
            attention, "sample_key", lambda weights, generator: next(steps)[:, None]
        )
        reward, result = model.log_likelihood(batch)
    return model, image, reward, result.log_prob.sum(1)


def gradient(model, value):
    names = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    grads = torch.autograd.grad(
        value, [p for _, p in names], retain_graph=True, allow_unused=True
    )
    grads = [
        torch.zeros_like(p) if g is None else g
        for (_, p), g in zip(names, grads, strict=True)
    ]
    return torch.cat([g.flatten() for g in grads])


def test_bound_way_by_way(paths, vocab):
    model, image, reward, log_prob = paths
    ids = [BOS, *vocab.encode(["nine"]), EOS]
    bound = likelihood = 0.0
    for way in itertools.product(range(3), repeat=2):
        log_likelihood, alphas = by_hand(model, image[0], ids, way)
        probability = alphas[0, way[0]] * alphas[1, way[1]]
        bound = bound + probability * log_likelihood
        likelihood = likelihood + probability * log_likelihood.exp()
    assert_close((log_prob.exp() * reward).sum(), bound)
    assert bound < likelihood.log()


def test_several_draws_are_a_longer_batch(make, batch):
    options = {"kind": "hard", "num_draws": 3, "expected_p": 0.5, "entropy_weight": 0.7}
    several, one = make(**options).train(), make(**options | {"num_draws": 1}).train()
    several.baseline.fill_(-9.0)
    one.baseline.fill_(-9.0)
    torch.manual_seed(2)
    loss = several.loss(batch)
    torch.manual_seed(2)
    expected = (torch.rand(len(batch)) < 0.5).repeat(3)  # one coin for each image
    long = caption_batch(
        torch.cat([batch.source] * 3),
        [[words] for group in CAPTIONS for words in group] * 3,
        Vocab(word for group in CAPTIONS for words in group for word in words),
    )
    log_likelihood, result = one.log_likelihood(long, expected)
    mask = long.target_mask[:, 1:]
    log_prob = (result.log_prob * mask).sum(1)
    right = -log_likelihood - 0.1 * (log_likelihood + 9).detach() * log_prob
    right = right - 0.7 * weights_entropy(result.weights, mask)
    assert_close(loss, right.sum() / long.num_tokens)
    assert_close(several.reward, log_likelihood.detach().mean())


def test_rewards_wait_until_the_decoder_can_use_a_look(make, batch):
    options = {"kind": "hard", "entropy_weight": 0.0, "expected_p": 0.0}
    model = make(**options, reward_start=2).train()
    scorer = tuple(model.attention.parameters())
    moved = []
    for _ in range(4):
        grads = torch.autograd.grad(model.loss(batch), scorer, allow_unused=True)
        moved.append(any(g is not None and (g != 0).any() for g in grads))
        model.after_step()
    assert moved == [False, False, True, True]
    assert model.num_steps == 4


def test_the_baseline_of_a_draw_is_that_of_the_others(make):
    model = make(kind="hard", baseline="other draws", num_draws=3)
    reward = torch.tensor([-1.0, -10, -2, -20, -6, -60]).double()  # two images
    right = torch.tensor([-4.0, -40, -3.5, -35, -1.5, -15]).double()
    assert_close(model.reward_baseline(reward), right)
    model = make(kind="hard", baseline="none")
    assert_close(model.reward_baseline(reward), torch.zeros(6).double())


@pytest.mark.parametrize("baseline", [0.0, "mean reward"])
def test_estimate_against_exact_enumeration(paths, vocab, baseline):
    model, image, reward, log_prob = paths
    probability = log_prob.detach().exp()
    assert_close(probability.sum(), torch.ones(()).double())
    # The bound that hard attention raises, and its gradient by summing over all ways.
    exact = gradient(model, -(log_prob.exp() * reward).sum())
    if baseline == "mean reward":
        baseline = (probability * reward).sum().item()
    # The estimate of each way; its mean is exact whatever the baseline is.
    each = torch.stack(
        [
            gradient(model, -r - (r.detach() - baseline) * lp)
            for r, lp in zip(reward, log_prob, strict=True)
        ]
    )
    assert_close(probability @ each, exact)
    # And the model's own: the mean over many samples, in one batched call.
    draws = 20_000
    batch = caption_batch(image.expand(draws, -1, -1), [[("nine",)]] * draws, vocab)
    model.baseline.fill_(baseline)
    estimate = gradient(model, model.loss(batch) * batch.num_tokens / draws)
    variance = probability @ (each - exact).square()
    standard_error = (variance / draws).sqrt()
    assert ((estimate - exact).abs() <= 5 * standard_error + 1e-9).all()
    assert standard_error.max() < exact.abs().max() / 10  # it would show an error


def test_other_draws_leave_the_mean_of_the_estimate(paths):
    model, _, reward, log_prob = paths
    probability = log_prob.detach().exp()
    exact = gradient(model, -(log_prob.exp() * reward).sum())
    each = torch.stack([gradient(model, lp) for lp in log_prob])
    total = 0.0
    for one, other in itertools.product(range(9), repeat=2):  # all pairs of draws
        rewards = torch.stack([reward[one], reward[other]]).detach()[:, None]
        b = other_draws(rewards)[:, 0]
        pair = rewards[:, 0] - b
        estimate = -(pair[0] * each[one] + pair[1] * each[other]) / 2
        total = total + probability[one] * probability[other] * estimate
    likelihood = gradient(model, -(probability * reward).sum())
    assert_close(total + likelihood, exact)


def test_baseline_leaves_less_variance(paths):
    model, _, reward, log_prob = paths
    probability = log_prob.detach().exp()
    variances = []
    for baseline in (0.0, (probability * reward).sum().item()):
        each = torch.stack(
            [
                gradient(model, -(r.detach() - baseline) * lp)
                for r, lp in zip(reward, log_prob, strict=True)
            ]
        )
        variances.append((probability @ (each - probability @ each).square()).sum())
    assert variances[1] < variances[0] / 2


def test_dropout_stands_before_the_output_layer(make, batch):
    model, shares = make(dropout=0.5), []
    model.output_proj.register_forward_pre_hook(
        lambda _, args: shares.append((args[0] == 0).double().mean().item())
    )
    model.train().loss(batch)
    model.eval().loss(batch)
    assert shares == [pytest.approx(0.5, abs=0.25), 0]


def test_another_number_of_captions_than_images_is_an_error(
    make, batch, no_shape_checks
):
    with pytest.raises(ValueError, match="got 1 targets and 3 sources"):
        make()(batch.source, batch.target[:1])


def test_an_id_outside_the_vocabulary_is_an_error(make, batch):
    model, wrong = make(), batch.target.clone()
    wrong[1, 1] = 99
    with pytest.raises(ValueError, match=r"ids must be from 0 to \d+, .* to 99"):
        model.decode(wrong, model.start(batch.source))


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_loss_twice(make, batch, kind):
    losses = []
    for _ in range(2):
        model = make(kind=kind).train()
        torch.manual_seed(7)
        losses.append([model.loss(batch).item() for _ in range(3)])
    assert losses[0] == losses[1]


def test_looking_at_test_time(make, batch):
    model = make(kind="hard", entropy_weight=0.0)
    assert_close(model.log_likelihood(batch)[0], model.log_likelihood(batch)[0])
    model.sample_in_eval = True
    draws = torch.stack([model.log_likelihood(batch)[0] for _ in range(9)])
    assert len(draws.unique(dim=0)) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_overfits_three_captions_and_translates_them(vocab, batch, kind):
    torch.manual_seed(1)
    sizes = {"annotation_dim": 9, "embed_dim": 16, "hidden_dim": 24}
    config = ShowAttendTellConfig(
        target_vocab=len(vocab), kind=kind, penalty=0.01, reward_scale=0.02, **sizes
    )
    model = ShowAttendTell(config, GridEncoder(9, 3))
    images = torch.rand(3, 8, 8)
    captions = [[words] for group in CAPTIONS for words in group]
    batch = caption_batch(images, captions, vocab)
    optim = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(50):
        optim.zero_grad()
        model.loss(batch).backward()
        optim.step()
        model.after_step()
    # The images alone: in eval mode the encoder's norms are those of its averages.
    found = translate(
        model, [batch], bos=BOS, eos=EOS, max_tokens=7, beam_size=2, device="cpu"
    )
    assert [tuple(vocab.decode(h.tokens)) for h in found] == [c for (c,) in captions]


def test_weights_can_be_recorded(make, batch):
    for kind in ("soft", "hard", "gumbel"):
        model = make(kind=kind)
        with record_weights(model) as recorded:
            _, result = model.log_likelihood(batch)
        steps = torch.cat(recorded["attention"], dim=1)
        assert_close(steps, result.weights.detach())
        assert_close(steps.sum(-1), torch.ones(steps.shape[:2]).double())


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_forward_is_called_compiled_exported_and_copied(
    make, batch, kind, check_forward
):
    model = make(kind=kind)
    inputs = batch.source, batch.target[:, :-1]
    result = model(*inputs)
    assert_close(result.logits, model.decode(inputs[1], model.start(inputs[0]))[0])
    check_forward(model, batch, *inputs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_type_of_the_weights_is_kept(make, vocab, kind, dtype):
    model = make(GridEncoder(3, 2), kind=kind).to(dtype).train()
    images = torch.rand(2, 8, 8)  # float32, as images come
    batch = caption_batch(images, CAPTIONS, vocab)
    model.loss(batch).backward()
    model.after_step()
    result = model(batch.source, batch.target)
    assert {x.dtype for x in (result.logits, result.weights, result.log_prob)} == {
        dtype
    }
    assert model.baseline.dtype == dtype

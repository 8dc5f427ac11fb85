"""Transformer: its equations in plain loops, the paper's sizes, the parts that can go.

Laws of all translators: tests/models/test_translation.py. Search, files and bad input:
test_use.py.
"""

import dataclasses
import math
from functools import partial

import pytest
import torch
from torch.testing import assert_close
from torch.utils._pytree import tree_flatten, tree_unflatten

from attention_book.attention.dot_product import dot_product_attention
from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.data.translation.pairs import Pair, pair_batch
from attention_book.data.vocab import BOS, EOS, Vocab
from attention_book.models.transformer.config import SIZES, TransformerConfig
from attention_book.models.transformer.layers import (
    Residual,
    TokenBatchNorm,
    layer_norm,
    nonpad_indices,
)
from attention_book.models.transformer.model import Transformer, TransformerState
from attention_book.models.translation import teacher_forced_loss
from attention_book.observe import record_weights
from attention_book.training.label_smoothing import smoothed_cross_entropy

# All sizes differ, so that two swapped axes cannot go unseen.
SMALL = {"embed_dim": 6, "num_heads": 3, "hidden_dim": 11, "num_layers": 2}
SMALL |= {"max_positions": 9, "dropout": 0.0}


@pytest.fixture
def make(vocab_sizes):
    """A function that makes the model, in float64 and in eval mode."""

    def make(**changes):
        config = TransformerConfig(**vocab_sizes | SMALL | changes)
        model = Transformer(config).double().eval()
        for parameter in model.parameters():
            if parameter.ndim == 1:  # biases start at 0, gains at 1: nothing is seen
                torch.nn.init.normal_(parameter)
        return model

    return make


# By hand: tokens are lists of vectors.


def embed(model, embedding, ids):
    d, tokens = model.config.embed_dim, []
    for position, word in enumerate(ids):
        angles = [position / 10000 ** (2 * (i // 2) / d) for i in range(d)]
        encoding = [math.cos(a) if i % 2 else math.sin(a) for i, a in enumerate(angles)]
        tokens.append(d**0.5 * embedding.weight[word] + torch.tensor(encoding).double())
    return tokens


def attend(layer, queries, keys, causal=False):
    """The context of each query; ``causal``: from no key behind it."""
    W_Q, W_K, W_V = layer.in_proj.weight.chunk(3)
    b_Q, b_K, b_V = layer.in_proj.bias.chunk(3)
    size, contexts = layer.embed_dim // layer.num_heads, []
    for i, x in enumerate(queries):
        heads = []
        for head in range(layer.num_heads):
            part = slice(head * size, (head + 1) * size)
            q = (W_Q @ x + b_Q)[part]
            seen = keys[: i + 1] if causal else keys
            e = torch.stack([q @ (W_K @ y + b_K)[part] / size**0.5 for y in seen])
            alpha = e.exp() / e.exp().sum()
            values = [(W_V @ y + b_V)[part] for y in seen]
            heads.append(sum(a * v for a, v in zip(alpha, values, strict=True)))
        contexts.append(layer.out_proj.weight @ torch.cat(heads) + layer.out_proj.bias)
    return contexts


def feed_forward(network, tokens):
    first, second = network.hidden_proj, network.out_proj
    return [
        second.weight @ (first.weight @ x + first.bias).clamp(min=0) + second.bias
        for x in tokens
    ]


def add_and_norm(around, tokens, outputs):
    gain, bias = around.norm.weight, around.norm.bias
    return [layer_norm(x + y, gain, bias) for x, y in zip(tokens, outputs, strict=True)]


def by_hand(model, source, inputs):
    """The logits behind each of ``inputs``."""
    x = embed(model, model.source_embedding, source)
    for layer in model.encoder.layers:
        x = add_and_norm(layer.self_residual, x, attend(layer.self_attention, x, x))
        output = feed_forward(layer.feed_forward, x)
        x = add_and_norm(layer.feed_forward_residual, x, output)
    y = embed(model, model.target_embedding, inputs)
    for layer in model.decoder.layers:
        output = attend(layer.self_attention, y, y, causal=True)
        y = add_and_norm(layer.self_residual, y, output)
        y = add_and_norm(layer.cross_residual, y, attend(layer.cross_attention, y, x))
        output = feed_forward(layer.feed_forward, y)
        y = add_and_norm(layer.feed_forward_residual, y, output)
    return torch.stack([model.target_embedding.weight @ token for token in y])


def test_equations_one_sentence_at_a_time(make, batch, pairs, vocabs):
    model = make()
    log_likelihood, tokens = 0.0, 0
    for pair in pairs:
        target = vocabs[1].encode(pair.target)
        source = [*vocabs[0].encode(pair.source), EOS]
        logits = by_hand(model, source, [BOS, *target])
        for row, word in zip(logits, [*target, EOS], strict=True):
            log_likelihood += row.log_softmax(0)[word]
            tokens += 1
    assert_close(model.loss(batch), -log_likelihood / tokens)


# Forward.


def test_forward_without_padding_gives_the_same_logits(make, batch):
    model, mask = make(), batch.target_mask
    inputs = batch.source, batch.target, batch.source_mask
    logits = model(*inputs)
    source_nonpad = nonpad_indices(batch.source_mask, batch.num_source_tokens)
    assert_close(model(*inputs, source_nonpad=source_nonpad), logits)
    target_nonpad = nonpad_indices(mask, batch.num_tokens + len(batch))
    assert_close(model(*inputs, target_nonpad=target_nonpad), logits[mask])


def test_hooks_compile_export_and_copies(make, batch, check_forward):
    model = make(num_layers=1, positions="rotary", pre_norm=True)
    inputs = batch.source, batch.target[:, :-1], batch.source_mask
    check_forward(model, batch, *inputs)


def test_the_state_is_a_named_tuple_and_a_pytree(make, batch):
    model = make()
    state = model.start(batch.source, batch.source_mask)
    _, state = model.step(batch.target[:, 0], state)
    assert type(state) is TransformerState
    assert state.past_key_values[1].key.shape == (3, 3, 1, 2)
    assert state.source_key_values[0].value.shape[2] == batch.source.shape[1]
    for part in (part for layer in state.source_key_values for part in layer):
        assert part.is_contiguous()  # read again at each step
    leaves, structure = tree_flatten(state)
    assert len(leaves) == 2 * 2 + 2 * 2 + 1
    assert_close(tree_unflatten(leaves, structure), state)
    assert type(tree_unflatten(leaves, structure)) is TransformerState


def test_the_options_reach_all_residuals(make):
    options = {"dropout": 0.25, "norm": "none", "pre_norm": True, "residual": False}
    wrappers = [part for part in make(**options).modules() if type(part) is Residual]
    assert len(wrappers) == 2 * 2 + 2 * 3
    for wrapper in wrappers:
        assert (wrapper.dropout.p, type(wrapper.norm)) == (0.25, torch.nn.Identity)
        assert (wrapper.pre_norm, wrapper.residual) == (True, False)


def test_dropout_on_the_embeddings_of_both_languages(make, batch):
    model, calls = make(dropout=0.25), []
    assert model.dropout.p == 0.25
    model.dropout.register_forward_hook(lambda _m, args, _o: calls.append(*args))
    model(batch.source, batch.target, batch.source_mask)
    source = model.source_positions(model.source_embedding(batch.source))
    target = model.target_positions(model.target_embedding(batch.target))
    assert_close(calls, [source, target])


def test_the_output_layer_starts_small_and_has_no_bias(make):
    config = TransformerConfig(source_vocab=5, target_vocab=900, share="none")
    output = Transformer(config).output_proj
    assert output.bias is None
    assert_close(output.weight.std().item(), 64**-0.5, atol=0.002, rtol=0)


# The loss.


def test_loss_in_eval_is_that_of_every_translator(make, batch):
    for changes in {}, {"share": "none"}, {"pre_norm": True, "positions": "rotary"}:
        model = make(**changes)
        assert_close(model.loss(batch), teacher_forced_loss(model, batch))


def test_loss_in_training_is_to_smoothed_targets(make, batch):
    model = make(label_smoothing=0.2).train()
    state = model.start(batch.source, batch.source_mask)
    logits, _ = model.decode(batch.target[:, :-1], state)
    aim = batch.target[:, 1:], batch.target_mask[:, 1:]
    assert_close(model.loss(batch), smoothed_cross_entropy(logits, *aim, 0.2))


def test_padding_is_computed_in_attention_alone(make, batch):
    """No logits, no feed-forward networks: the largest parts of the work."""
    model, rows = make(), []
    parts = [model.output_proj]
    for layer in *model.encoder.layers, *model.decoder.layers:
        parts.append(layer.feed_forward.hidden_proj)
    for part in parts:
        part.register_forward_hook(lambda _m, args, _o: rows.append(len(args[0])))
    model.loss(batch)
    layers = model.config.num_layers
    sources, targets = batch.num_source_tokens, batch.num_tokens
    assert rows == layers * [sources] + layers * [targets] + [targets]


# The paper's table 3 in millions, where our model has the same shapes: what differs
# from base, and the number of parameters.
TABLE_3 = [
    ({}, 65),
    ({"num_layers": 2}, 36),
    ({"num_layers": 4}, 50),
    ({"num_layers": 8}, 80),
    ({"embed_dim": 256}, 28),
    ({"embed_dim": 1024}, 168),
    ({"hidden_dim": 1024}, 53),
    ({"hidden_dim": 4096}, 90),
    (SIZES["big"], 213),
]


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("changes", "millions"), TABLE_3)
def test_as_many_parameters_as_in_the_paper(changes, millions):
    vocab = 37_000  # "about 37000 tokens"
    sizes = SIZES["base"] | {"source_vocab": vocab, "target_vocab": vocab} | changes
    with torch.device("meta"):
        model = Transformer(TransformerConfig(**sizes))
    d, ff, layers = (sizes[n] for n in ("embed_dim", "hidden_dim", "num_layers"))
    attention = 4 * (d * d + d)
    network = d * ff + ff + ff * d + d
    stacks = layers * (3 * attention + 2 * network + 5 * 2 * d)
    assert count(model) == stacks + vocab * d
    # What the paper counts beyond the stacks is a vocabulary of about the same size.
    assert 35_000 < (millions * 1e6 - stacks) / d < 42_500


def test_what_is_shared(make, vocab_sizes):
    shared = {}
    one = dict.fromkeys(vocab_sizes, 13)
    for share in "none", "target", "all":
        model = make(share=share, **one)
        shared[share] = (
            model.target_embedding.weight is model.output_proj.weight,
            model.target_embedding.weight is model.source_embedding.weight,
        )
    assert shared == {
        "none": (False, False),
        "target": (True, False),
        "all": (True,) * 2,
    }
    sizes = [count(make(share=share, **one)) for share in ("none", "target", "all")]
    assert sizes == [sizes[0], sizes[0] - 13 * 6, sizes[0] - 2 * 13 * 6]


def test_weights_of_every_layer_and_head_can_be_read(make, batch):
    model = make()
    with record_weights(model) as weights:
        model.loss(batch)
    rows, keys = batch.source.shape
    queries = batch.target.shape[1] - 1
    shapes = {
        "encoder.layers.{}.self_attention": (rows, 3, keys, keys),
        "decoder.layers.{}.self_attention": (rows, 3, queries, queries),
        "decoder.layers.{}.cross_attention": (rows, 3, queries, keys),
    }
    wanted = {name.format(i): shape for name, shape in shapes.items() for i in range(2)}
    assert {name: tuple(one.shape) for name, (one,) in weights.items()} == wanted
    for one in (one for calls in weights.values() for one in calls):
        assert_close(one.sum(-1), torch.ones(one.shape[:-1]).double())
    (cross,) = weights["decoder.layers.1.cross_attention"]
    assert (cross.masked_select(~batch.source_mask[:, None, None]) == 0).all()
    (own,) = weights["decoder.layers.1.self_attention"]
    assert (own.triu(1) == 0).all()


def test_word_order_is_seen_by_positions_alone(make, pairs, vocabs):
    def logits(model, words):
        one = pair_batch([Pair(words, ("zwei",))], vocabs)
        order = model.start(one.source, one.source_mask)
        return model.decode(one.target, order)[0]

    there, back = ("two", "hundred", "six"), ("hundred", "two", "six")
    blind = make(positions="none")
    assert_close(logits(blind, there), logits(blind, back))
    for positions in "sinusoidal", "learned", "rotary":
        model = make(positions=positions)
        assert (logits(model, there) - logits(model, back)).abs().max() > 1e-4


def test_without_the_causal_mask_a_word_sees_what_it_is_to_predict(make, batch):
    def last_of_changed(model):
        state = model.start(batch.source, batch.source_mask)
        logits, _ = model.decode(batch.target, state)
        changed = batch.target.clone()
        changed[:, 2:] = EOS
        return (logits - model.decode(changed, state)[0])[:, :2].abs().max()

    assert last_of_changed(make()) == 0
    assert last_of_changed(make(causal=False)) > 1e-4


def test_batch_norm_in_training_sees_padding_and_the_future(make, batch):
    wider = torch.nn.functional.pad(batch.source, (0, 3))
    padded = dataclasses.replace(batch, source=wider, source_mask=wider != 0)
    layer, other = make().train(), make(norm="batch").train()
    assert any(isinstance(part, TokenBatchNorm) for part in other.modules())
    assert_close(layer.loss(padded), layer.loss(batch))
    assert (other.loss(padded) - other.loss(batch)).abs() > 1e-4
    other.eval()
    assert_close(other.loss(padded), other.loss(batch))


def test_the_scaling_of_scores_can_be_taken_out(make, batch):
    model = make()
    loss = model.loss(batch)
    layers = [part for part in model.modules() if isinstance(part, MultiHeadAttention)]
    for layer in layers:
        layer.attention_fn = partial(dot_product_attention, scale=1.0)
    unscaled = model.loss(batch)
    assert (unscaled - loss).abs() > 1e-6
    for layer in layers:
        layer.in_proj.weight.data[:6] /= 2**0.5  # the queries of heads of size 2
        layer.in_proj.bias.data[:6] /= 2**0.5
    assert_close(model.loss(batch), loss)


def test_pre_norm_ends_in_norms(make):
    model = make(pre_norm=True)
    assert isinstance(model.encoder.final_norm, torch.nn.LayerNorm)
    assert isinstance(model.decoder.final_norm, torch.nn.LayerNorm)
    assert make().encoder.final_norm is make().decoder.final_norm is None


@pytest.mark.parametrize("pre_norm", [False, True])
def test_learns_ten_examples_and_the_same_twice(pre_norm):
    words = [f"Wort{i}" for i in range(10)]
    pairs = [
        Pair((str(i), str(i // 3)), (words[i // 3], words[i], words[i]))
        for i in range(10)
    ]
    vocabs = Vocab(map(str, range(10))), Vocab(words)
    batch, losses = pair_batch(pairs, vocabs), []
    sizes = {"source_vocab": len(vocabs[0]), "target_vocab": len(vocabs[1])}
    sizes |= {"embed_dim": 32, "hidden_dim": 64, "num_layers": 1, "pre_norm": pre_norm}
    for _ in range(2):
        torch.manual_seed(5)
        config = TransformerConfig(**sizes, dropout=0.0, label_smoothing=0.0)
        model = Transformer(config).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
        for _ in range(60):
            optimizer.zero_grad()
            loss = model.loss(batch)
            loss.backward()
            optimizer.step()
        losses.append(loss)
    assert losses[0] < 0.02
    assert torch.equal(losses[0], losses[1])


def test_loss_and_gradients_in_bfloat16(make, batch):
    model = make().float().train()
    whole = model.loss(batch)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(batch)
    assert_close(loss, whole, rtol=0.05, atol=0.05)
    loss.backward()
    for parameter in model.parameters():
        assert parameter.grad.isfinite().all()


def test_loss_compiles_to_one_graph(make, batch, no_shape_checks):
    model = make(label_smoothing=0.1).train()
    compiled = torch.compile(model.loss, backend="eager", fullgraph=True)
    ours, theirs = compiled(batch), model.loss(batch)
    assert_close(ours, theirs)
    parameters = list(model.parameters())
    assert_close(
        torch.autograd.grad(ours, parameters), torch.autograd.grad(theirs, parameters)
    )

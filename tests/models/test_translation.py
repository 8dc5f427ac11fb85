"""Laws that hold for every model of translation; a new one is a line in MODELS.

Each model's own equations are in its own file.
"""

import copy
import pickle

import pytest
import torch
from torch.nn.functional import pad
from torch.testing import assert_close

from attention_book.data.translation.pairs import pair_batch
from attention_book.data.vocab import BOS, EOS
from attention_book.decoding.state import select_rows
from attention_book.decoding.translation import translate
from attention_book.models.bahdanau import RNNSearch, RNNSearchConfig
from attention_book.models.global_local import LuongConfig, LuongTranslator
from attention_book.models.seq2seq.gru import RNNEncoderDecoder, RNNEncoderDecoderConfig
from attention_book.models.seq2seq.lstm import Seq2Seq, Seq2SeqConfig
from attention_book.models.transformer.config import TransformerConfig
from attention_book.models.transformer.model import Transformer
from attention_book.models.translation import free_running_loss

# Model, config, and options beside the sizes; all sizes of a model differ.
LSTM = {"embed_dim": 3, "hidden_dim": 5, "num_layers": 2}
GATED = {"embed_dim": 3, "hidden_dim": 5, "maxout_dim": 11}
ATTENTION = {"embed_dim": 8, "num_heads": 2, "hidden_dim": 11, "num_layers": 1}
ATTENTION |= {"dropout": 0.0, "label_smoothing": 0.0}
MODELS = {
    "seq2seq reversed": (Seq2Seq, Seq2SeqConfig, LSTM),
    "seq2seq forward": (Seq2Seq, Seq2SeqConfig, LSTM | {"reverse_source": False}),
    "seq2seq_gru": (
        RNNEncoderDecoder,
        RNNEncoderDecoderConfig,
        GATED | {"summary_dim": 7},
    ),
    "bahdanau": (RNNSearch, RNNSearchConfig, GATED | {"attention_dim": 7}),
    "bahdanau dot": (
        RNNSearch,
        RNNSearchConfig,
        GATED | {"attention_dim": 7, "score": "dot"},
    ),
    "bahdanau fixed context": (
        RNNSearch,
        RNNSearchConfig,
        GATED | {"attention_dim": 7, "score": "none"},
    ),
    "global_local concat": (LuongTranslator, LuongConfig, LSTM | {"score": "concat"}),
    "global_local location": (
        LuongTranslator,
        LuongConfig,
        LSTM | {"score": "location", "max_source": 7},
    ),
    "global_local local-m": (
        LuongTranslator,
        LuongConfig,
        LSTM | {"attention": "local-m", "window": 1},
    ),
    "global_local local-p": (
        LuongTranslator,
        LuongConfig,
        LSTM | {"attention": "local-p", "window": 2, "input_feeding": True},
    ),
    "transformer": (Transformer, TransformerConfig, ATTENTION),
    "transformer pre-norm, learned positions": (
        Transformer,
        TransformerConfig,
        ATTENTION | {"pre_norm": True, "positions": "learned", "share": "none"},
    ),
    "transformer two layers, rotary": (
        Transformer,
        TransformerConfig,
        ATTENTION | {"num_layers": 2, "positions": "rotary"},
    ),
}


@pytest.fixture(params=MODELS)
def make(request, vocab_sizes):
    """A function that makes the model, in float64 and in eval mode."""
    model, config, options = MODELS[request.param]

    def make(**changes):
        return model(config(**vocab_sizes, **options | changes)).double().eval()

    return make


def test_forward_is_teacher_forcing_and_loss_calls_it(make, batch):
    model, calls = make(), []
    inputs = batch.source, batch.target[:, :-1], batch.source_mask
    logits, _ = model.decode(inputs[1], model.start(batch.source, batch.source_mask))
    assert_close(model(*inputs), logits)
    model.register_forward_hook(lambda *_: calls.append(1))
    loss = model.loss(batch)
    assert calls == [1]
    log_probs = logits.log_softmax(-1).gather(-1, batch.target[:, 1:, None])[..., 0]
    mask = batch.target_mask[:, 1:]
    assert_close(loss, -(log_probs * mask).sum() / mask.sum())


def test_the_state_is_a_named_tuple(make, batch):
    model = make()
    state = model.start(batch.source, batch.source_mask)
    _, after = model.step(batch.target[:, 0], state)
    assert type(state) is type(after)
    assert state._fields


def test_padding_changes_nothing(make, batch, pairs, vocabs):
    model = make()
    together, _ = model.decode(
        batch.target, model.start(batch.source, batch.source_mask)
    )
    for i, pair in enumerate(pairs):
        alone = pair_batch([pair], vocabs)
        own, _ = model.decode(
            alone.target, model.start(alone.source, alone.source_mask)
        )
        assert_close(together[i : i + 1, : own.shape[1]], own)
    # A batch whose longest sentence is padded too, with ids that are words elsewhere.
    source, mask = pad(batch.source, (0, 2)), pad(batch.source_mask, (0, 2))
    state = model.start(source.masked_fill(~mask, EOS), mask)
    assert_close(model.decode(batch.target, state)[0], together)


def test_step_by_step_equals_all_at_once(make, batch):
    model = make()
    state = model.start(batch.source, batch.source_mask)
    logits, last = model.decode(batch.target, state)
    for t in range(batch.target.shape[1]):
        step_logits, state = model.step(batch.target[:, t], state)
        assert_close(step_logits, logits[:, t])
    assert_close(state, last)


def test_a_search_may_reorder_the_rows_of_the_state(make, batch):
    model, rows = make(), torch.tensor([2, 0, 0, 1])
    state = model.start(batch.source, batch.source_mask)
    logits, state_after = model.step(batch.target[:, 1], state)
    reordered = model.step(batch.target[rows, 1], select_rows(state, rows))
    assert_close(reordered, (logits[rows], select_rows(state_after, rows)))


def test_no_word_sees_the_words_after_it(make, batch):
    model = make()
    embedded = []
    model.target_embedding.register_forward_hook(
        lambda _module, _args, out: (out.retain_grad(), embedded.append(out))[0]
    )
    logits, _ = model.decode(batch.target, model.start(batch.source, batch.source_mask))
    logits[:, 1].sum().backward()
    assert (embedded[0].grad[:, 2:] == 0).all()
    assert (embedded[0].grad[:, :2] != 0).any()


def test_every_parameter_gets_a_gradient(make, batch):
    model = make()
    model.loss(batch).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_learns_its_examples_and_the_same_twice(make, batch, pairs, vocabs):
    losses = []
    for _ in range(2):
        torch.manual_seed(3)
        model = make(embed_dim=16, hidden_dim=24).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(80):
            optimizer.zero_grad()
            loss = model.loss(batch)
            loss.backward()
            optimizer.step()
        losses.append(loss)
    assert losses[0] < 0.01
    assert torch.equal(losses[0], losses[1])
    ends = {"bos": BOS, "eos": EOS, "max_tokens": 9}
    for beam_size in (1, 3):
        found = translate(model, [batch], beam_size=beam_size, device="cpu", **ends)
        words = [tuple(vocabs[1].decode(list(one.tokens))) for one in found]
        assert words == [pair.target for pair in pairs]


def test_dropout_works_in_training_only(make, batch):
    model = make(dropout=0.5)
    assert_close(model.loss(batch), model.loss(batch))
    model.train()
    assert not torch.equal(model.loss(batch), model.loss(batch))


@pytest.mark.parametrize(
    "name", ["seq2seq reversed", "seq2seq_gru", "bahdanau", "global_local concat"]
)
def test_dropout_stands_before_the_output_layer(name, batch, vocab_sizes):
    kind, config, options = MODELS[name]
    model, shares = kind(config(**vocab_sizes, **options | {"dropout": 0.5})), []
    (layer,) = (m for n, m in model.named_modules() if n.endswith("output_proj"))
    layer.register_forward_pre_hook(
        lambda _, args: shares.append((args[0] == 0).double().mean().item())
    )
    model.train().loss(batch)
    model.eval().loss(batch)
    assert shares == [pytest.approx(0.5, abs=0.25), 0]


def test_a_mask_that_does_not_fit_is_an_error(make, batch, no_shape_checks):
    model, mask = make(), batch.source_mask
    for wrong in (mask[:, :-1], mask[:1]):  # would cut, would broadcast: silently
        with pytest.raises(ValueError, match=r"source_mask must have the shape of"):
            model.start(batch.source, wrong)
    with pytest.raises(TypeError, match="source_mask must be boolean, got"):
        model.start(batch.source, mask.long())


def test_a_source_without_a_token_is_an_error(make, batch):
    mask = batch.source_mask.clone()
    mask[1] = False
    with pytest.raises(ValueError, match="row 1 of source_mask is all padding"):
        make().start(batch.source, mask)


def test_a_source_padded_on_the_left_is_an_error(make, batch):
    source, mask = pad(batch.source, (1, 0)), pad(batch.source_mask, (1, 0))
    with pytest.raises(ValueError, match="padded on the right, but row 0 of source_"):
        make().start(source, mask)


@pytest.mark.parametrize("rows", [1, 2])
def test_another_number_of_targets_than_sources_is_an_error(
    make, batch, rows, no_shape_checks
):
    message = f"a target for each source, got {rows} targets and 3 sources"
    with pytest.raises(ValueError, match=message):
        make()(batch.source, batch.target[:rows], batch.source_mask)


def test_an_id_outside_the_vocabulary_is_an_error(make, batch, vocab_sizes):
    model = make()
    source, target = batch.source.clone(), batch.target.clone()
    source[0, 0] = vocab_sizes["source_vocab"]
    target[1, 1] = -1
    with pytest.raises(ValueError, match=r"ids must be from 0 to .*got ids from"):
        model.start(source, batch.source_mask)
    state = model.start(batch.source, batch.source_mask)
    with pytest.raises(ValueError, match=r"ids must be from 0 to .*got ids from -1 to"):
        model.decode(target, state)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_type_of_the_weights_is_kept(make, batch, dtype):
    model = make()
    wanted, model = model.loss(batch), model.to(dtype)
    logits, state = model.step(
        batch.target[:, 0], model.start(batch.source, batch.source_mask)
    )
    assert logits.dtype == dtype
    floats = [
        x
        for x in torch.utils._pytree.tree_leaves(state)
        if x is not None and x.is_floating_point()
    ]
    assert {x.dtype for x in floats} == {dtype}
    assert_close(model.loss(batch).double(), wanted, atol=0.05, rtol=0.05)


def test_copies_give_the_same_loss(make, batch):
    model = make()
    for copied in copy.deepcopy(model), pickle.loads(pickle.dumps(model)):
        assert torch.equal(copied.loss(batch), model.loss(batch))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
@pytest.mark.parametrize(
    "name", ["seq2seq reversed", "seq2seq_gru", "bahdanau", "global_local local-p"]
)
def test_compiles(name, batch, vocab_sizes, no_shape_checks):
    kind, config, options = MODELS[name]
    model = kind(config(**vocab_sizes, **options)).double().eval()
    inputs = batch.source, batch.target, batch.source_mask
    # Only without packing in one graph: packing reads the lengths of the sentences.
    compiled = torch.compile(model, backend="eager", fullgraph=name == "seq2seq_gru")
    assert_close(compiled(*inputs), model(*inputs))


@pytest.mark.parametrize("name", ["source_vocab", "target_vocab", "hidden_dim"])
def test_sizes_below_one_are_errors(make, name, vocab_sizes, monkeypatch):
    if name in vocab_sizes:
        monkeypatch.setitem(vocab_sizes, name, 0)
        changes = {}
    else:
        changes = {name: 0}
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        make(**changes)


@pytest.mark.parametrize("dropout", [1.0, -0.1])
def test_dropout_out_of_range_is_an_error(make, dropout):
    with pytest.raises(
        ValueError, match=rf"dropout must be in \[0, 1\), got {dropout}"
    ):
        make(dropout=dropout)


def test_free_running_reads_its_own_words(make, batch, pairs, vocabs):
    model = make()
    log_likelihood, tokens = 0.0, 0
    for pair in pairs:
        alone = pair_batch([pair], vocabs)
        state, word = model.start(alone.source, alone.source_mask), BOS
        for right in [*vocabs[1].encode(pair.target), EOS]:
            logits, state = model.step(torch.tensor([word]), state)
            log_likelihood += logits[0].log_softmax(0)[right]
            word, tokens = logits[0].argmax().item(), tokens + 1
    assert_close(free_running_loss(model, batch), -log_likelihood / tokens)
    assert not torch.equal(free_running_loss(model, batch), model.loss(batch))

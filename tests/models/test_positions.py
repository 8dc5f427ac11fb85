"""TokenClassifier: what each choice of positions can and cannot see of order."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.positions.absolute import sinusoids
from attention_book.attention.positions.alibi import ALiBi
from attention_book.attention.positions.one_sided import OneSided
from attention_book.data.sequences.sequence_tasks import VOCAB_SIZE, sequence_batch
from attention_book.models.positions import (
    POSITIONS,
    WITH_BIAS,
    TokenClassifier,
    TokenClassifierConfig,
)
from attention_book.models.transformer.encoder import Encoder

ADDED, SYMMETRIC = ("sinusoidal", "learned"), ("none", "linear")
SEQUENCES = ["3704", "11", "925836"]


def make(positions, **sizes):
    settings = {"vocab_size": VOCAB_SIZE, "num_answers": 10, "positions": positions}
    settings |= {"embed_dim": 8, "num_heads": 2, "hidden_dim": 12, "num_layers": 3}
    settings |= {"max_positions": 17, "max_distance": 5}
    model = TokenClassifier(TokenClassifierConfig(**(settings | sizes))).double().eval()
    with torch.no_grad():  # T5's biases start at 0: give them something to say
        for name, parameter in model.named_parameters():
            if name.endswith("rule.table"):
                parameter.normal_()
    return model


@pytest.fixture(params=POSITIONS)
def positions(request):
    return request.param


@pytest.fixture
def model(positions):
    return make(positions)


@pytest.fixture
def batch():
    return sequence_batch(SEQUENCES, "reverse")


def test_logits_are_those_of_embedding_encoder_and_linear_layer(batch):
    model = make("sinusoidal")
    tokens = model.embedding.weight[batch.ids] * 8**0.5
    tokens = tokens + sinusoids(batch.ids.shape[1], 8)
    output = model.encoder(tokens, batch.mask[:, None]) @ model.out_proj.weight.T
    assert_close(model(batch.ids, batch.mask), output + model.out_proj.bias)
    assert type(model.encoder) is Encoder
    assert all(layer.self_residual.pre_norm for layer in model.encoder.layers)
    assert_close(model.encoder.final_norm.weight, torch.ones(8).double())


def test_padding_changes_nothing(model, batch):
    logits = model(batch.ids, batch.mask)
    for row, digits in enumerate(SEQUENCES):
        alone = sequence_batch([digits], "reverse")
        real = logits[row : row + 1, : alone.ids.shape[1]]
        assert_close(real, model(alone.ids, alone.mask))


def test_order_is_seen_unless_there_are_no_positions(positions, model, batch):
    order = torch.tensor([0, 3, 1, 6, 2, 5, 4, 7])
    logits = model(batch.ids[2:], batch.mask[2:])[:, order]
    moved = model(batch.ids[2:, order], batch.mask[2:])
    same = (logits - moved).abs().max() < 1e-12
    assert same == (positions == "none")


def test_only_symmetric_positions_cannot_tell_left_from_right(positions, model, batch):
    ids, mask = batch.ids[2:], batch.mask[2:]
    mirrored = model(ids.flip(1), mask).flip(1)
    same = (model(ids, mask) - mirrored).abs().max() < 1e-12
    assert same == (positions in SYMMETRIC)


def test_only_added_positions_depend_on_where_the_sequence_begins(positions, model):
    batch = sequence_batch(["3704"], "reverse")
    padding = torch.zeros(1, 3, dtype=torch.long)
    ids = torch.cat([padding, batch.ids], dim=1)
    mask = torch.cat([padding.bool(), batch.mask], dim=1)
    same = (model(ids, mask)[:, 3:] - model(batch.ids, batch.mask)).abs().max() < 1e-12
    assert same == (positions not in ADDED)


def test_added_positions_end_with_their_table(positions, model):
    batch = sequence_batch(["1" * 16], "copy")  # 18 tokens with the marks
    if positions in ADDED:
        with pytest.raises(ValueError, match=r"positions from 0 to 16.* 0 to 17"):
            model(batch.ids, batch.mask)
    else:
        assert model(batch.ids, batch.mask).shape == (1, 18, 10)


def test_t5_has_one_table_and_shaw_one_a_layer():
    tables = [p for n, p in make("bucketed").named_parameters() if "rule" in n]
    assert [table.shape for table in tables] == [(2, 32)]
    names = [n for n, _ in make("relative").named_parameters() if "key_table" in n]
    assert len(names) == 3
    layers = make("relative").encoder.layers
    assert layers[0].self_attention.attention_fn.max_distance == 5
    rules = [x for x in make("linear").modules() if isinstance(x, ALiBi)]
    assert [len(rule.slopes) for rule in rules] == [2, 2, 2]


@pytest.mark.parametrize("positions", WITH_BIAS)
def test_heads_that_look_to_one_side_see_order(positions, batch):
    """Masks alone tell left from right, and one token from the next."""
    model = make(positions, one_sided=True)
    ids, mask = batch.ids[2:], batch.mask[2:]
    order = torch.tensor([0, 3, 1, 6, 2, 5, 4, 7])
    for moved in order, torch.arange(7, -1, -1):
        change = model(ids, mask)[:, moved] - model(ids[:, moved], mask)
        assert change.abs().max() > 1e-6
    rules = [rule for rule in model.modules() if isinstance(rule, OneSided)]
    assert [rule.num_heads for rule in rules] == [2, 2, 2]


def test_loss_counts_answers_only(model, batch):
    logits = model(batch.ids, batch.mask).log_softmax(-1)
    losses = [
        -logits[row, token, batch.target[row, token]]
        for row, token in batch.target_mask.nonzero().tolist()
    ]
    assert_close(model.loss(batch), torch.stack(losses).mean())


def test_learns_three_sequences_by_heart(positions):
    model = make(positions, embed_dim=32).float()
    batch = sequence_batch(["12", "3456", "789"], "late")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        optimizer.step()
    assert loss < 0.05 or positions == "none"  # the end marks know the digits apart


def test_a_seed_gives_the_same_model_twice(positions):
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(TokenClassifier(make(positions).config).state_dict())
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name])


@pytest.mark.parametrize("positions", ["learned", "relative", "bucketed"])
def test_hooks_compile_export_and_copies(positions, batch, check_forward):
    model = make(positions, num_layers=1)  # every further layer takes its time
    check_forward(model, batch, batch.ids, batch.mask)


def test_an_id_outside_the_vocabulary_is_an_error(batch):
    with pytest.raises(ValueError, match=r"ids must be from 0 to 4, .* got ids from"):
        make("none", vocab_size=5).loss(batch)


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match=r"positions must be one of none.*got 'alibi'"):
        TokenClassifierConfig(vocab_size=5, num_answers=3, positions="alibi")
    with pytest.raises(ValueError, match=r"one_sided needs .*linear, got .rotary."):
        TokenClassifierConfig(
            vocab_size=5, num_answers=3, positions="rotary", one_sided=True
        )
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        TokenClassifierConfig(vocab_size=5, num_answers=3, num_layers=0)
    for name in "vocab_size", "max_positions", "max_distance":
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            TokenClassifierConfig(**{"vocab_size": 5, "num_answers": 3, name: 0})
    with pytest.raises(ValueError, match=r"embed_dim \(10\) must be divisible by"):
        TokenClassifierConfig(vocab_size=5, num_answers=3, embed_dim=10, num_heads=3)


def test_defaults_and_smallest_sizes():
    config = TokenClassifierConfig(vocab_size=1, num_answers=1)
    assert config.positions == "sinusoidal"
    sizes = config.embed_dim, config.num_heads, config.hidden_dim, config.num_layers
    assert sizes == (32, 2, 64, 2)
    assert (config.max_positions, config.max_distance) == (64, 16)

"""Recurrent encoders: padding, the last states, PyTorch's layers underneath."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.functional import token_mask
from attention_book.models.encoders import text
from attention_book.models.encoders.encoded import LSTMState
from attention_book.models.encoders.text import BidirectionalGRU, StackedLSTM

ROWS, TOKENS, INPUT, HIDDEN, LAYERS = 3, 5, 7, 11, 2
LENGTHS = torch.tensor([5, 2, 3])


@pytest.fixture(params=["gru", "lstm"])
def encoder(request):
    if request.param == "gru":
        return BidirectionalGRU(INPUT, HIDDEN).double()
    return StackedLSTM(INPUT, HIDDEN, LAYERS).double()


@pytest.fixture
def inputs():
    return torch.randn(ROWS, TOKENS, INPUT).double()


def test_one_sentence_at_a_time(encoder, inputs):
    mask = token_mask(LENGTHS, TOKENS)
    annotations, returned, final = encoder(inputs, mask)
    assert returned is mask
    assert (annotations[~mask] == 0).all()
    layer = encoder.gru if isinstance(encoder, BidirectionalGRU) else encoder.lstm
    for row, length in enumerate(LENGTHS.tolist()):
        wanted, last = layer(inputs[row : row + 1, :length])
        assert_close(annotations[row, :length], wanted[0])
        if isinstance(final, LSTMState):
            assert_close(
                (final.hidden[row], final.cell[row]), tuple(x[:, 0] for x in last)
            )
        else:
            assert_close(final[row], last[1, 0])  # the backward direction
            assert_close(final[row], annotations[row, 0, HIDDEN:])


@pytest.mark.filterwarnings("error")
def test_long_padded_rows_have_the_annotations_of_packed_ones(inputs, monkeypatch):
    encoder = BidirectionalGRU(INPUT, HIDDEN).double()
    mask = token_mask(LENGTHS, TOKENS)
    found = []
    for longest in (TOKENS + 1, TOKENS):
        monkeypatch.setattr(text, "_LONG", longest)
        given = inputs.clone().requires_grad_()
        annotations, returned, final = encoder(given, mask)
        assert returned is mask
        (annotations.square().sum() + final.sum()).backward()
        gradients = [weight.grad for weight in encoder.parameters()]
        found.append((annotations.detach(), final.detach(), given.grad, *gradients))
        encoder.zero_grad()
    assert_close(found[1], found[0])


def test_an_lstm_state_changes_its_axes_and_back():
    hidden, cell = torch.randn(2, LAYERS, ROWS, HIDDEN)
    state = LSTMState.rows_first(hidden, cell)
    assert state.hidden.shape == state.cell.shape == (ROWS, LAYERS, HIDDEN)
    assert_close(state.layers_first(), (hidden, cell))
    assert all(part.is_contiguous() for part in state.layers_first())


def test_recurrent_matrices_of_the_gru_start_orthogonal():
    gru = BidirectionalGRU(INPUT, HIDDEN).gru
    for weight in gru.weight_hh_l0, gru.weight_hh_l0_reverse:
        for block in weight.chunk(3):
            assert_close(block @ block.T, torch.eye(HIDDEN), atol=1e-5, rtol=0)


def test_dropout_is_between_layers_only(inputs):
    assert StackedLSTM(INPUT, HIDDEN, 1, dropout=0.5).lstm.dropout == 0
    assert StackedLSTM(INPUT, HIDDEN, LAYERS, dropout=0.5).lstm.dropout == 0.5
    assert StackedLSTM(INPUT, HIDDEN, LAYERS).lstm.dropout == 0


def test_errors(encoder, inputs, no_shape_checks):
    with pytest.raises(ValueError, match=r"source_mask must have the shape of source"):
        encoder(inputs, token_mask(LENGTHS, TOKENS)[:, :-1])
    with pytest.raises(ValueError, match="row 1 of source_mask is all padding"):
        encoder(inputs, token_mask(torch.tensor([5, 0, 3]), TOKENS))


def test_an_lstm_follows_its_equations(inputs):
    encoder = StackedLSTM(INPUT, HIDDEN, 1).double()
    W_i, W_f, W_c, W_o = encoder.lstm.weight_ih_l0.chunk(4)
    U_i, U_f, U_c, U_o = encoder.lstm.weight_hh_l0.chunk(4)
    biases = encoder.lstm.bias_ih_l0 + encoder.lstm.bias_hh_l0
    b_i, b_f, b_c, b_o = biases.chunk(4)
    h, c = torch.zeros(2, HIDDEN).double()
    states = []
    for x in inputs[0]:
        i = torch.sigmoid(W_i @ x + U_i @ h + b_i)
        f = torch.sigmoid(W_f @ x + U_f @ h + b_f)
        o = torch.sigmoid(W_o @ x + U_o @ h + b_o)
        c = f * c + i * torch.tanh(W_c @ x + U_c @ h + b_c)
        h = o * torch.tanh(c)
        states.append(h)
    found = encoder(inputs[:1], torch.ones(1, TOKENS, dtype=torch.bool))
    assert_close(found.annotations[0], torch.stack(states))
    assert_close(found.final, LSTMState(h.view(1, 1, -1), c.view(1, 1, -1)))


def test_a_word_encoder_embeds_and_then_reads_both_ways():
    encoder = text.WordEncoder(9, 10, 3).double()
    ids = torch.tensor([[4, 7, 2], [5, 0, 0]])
    mask = torch.tensor([[True, True, True], [True, False, False]])
    annotations, found, final = encoder(ids, mask)
    wanted = encoder.states(encoder.embedding.weight[ids], mask)
    assert_close(annotations, wanted.annotations)
    assert_close(final, annotations[:, 0, 5:])
    assert found is mask
    with pytest.raises(ValueError, match=r"annotation_dim must be even.*got 7"):
        text.WordEncoder(9, 7, 3)

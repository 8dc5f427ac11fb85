"""The reader of pronouns: its equation, and what one layer cannot do."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.sequences.labelled import LabelledBatch
from attention_book.models.self_attention.pronouns import PronounConfig, PronounModel

B, N, VOCAB = 2, 5, 7


@pytest.fixture
def words():
    return torch.randint(VOCAB, (B, N))


def make(**fields):
    config = PronounConfig(vocab=VOCAB, num_classes=4, embed_dim=3, **fields)
    return PronounModel(config).double()


@pytest.mark.parametrize("read_at", [-1, 1])
def test_equation_one_word_at_a_time(words, read_at):
    model = make(num_layers=2, read_at=read_at)
    logits = model(words)
    for b in range(B):
        x = [model.embedding.weight[word] for word in words[b]]
        for layer in model.layers:
            W_q, W_k, W_v = (
                part.weight
                for part in (layer.query_proj, layer.key_proj, layer.value_proj)
            )
            new = []
            for x_i in x:
                e = torch.stack([(W_q @ x_i) @ (W_k @ x_j) / 3**0.5 for x_j in x])
                alpha = e.exp() / e.exp().sum()
                found = sum(a * (W_v @ x_j) for a, x_j in zip(alpha, x, strict=True))
                new.append(x_i + found)
            x = new
        assert_close(logits[b], model.class_proj(x[read_at]))


def test_plain_averages_are_sums_of_words():
    """Of four sentences with two nouns and two last words, one is always wrong."""
    model = make()
    model.layers[0].query_proj.weight.data.zero_()
    sentences = torch.tensor([[0, 1, 4], [0, 1, 5], [2, 3, 4], [2, 3, 5]])
    one, other, third, fourth = model(sentences)
    assert_close(one - other, third - fourth)


def test_scores_of_another_word_do_not_depend_on_the_last(words):
    layer, x = make().layers[0], torch.randn(1, N, 3).double()
    changed = torch.cat([x[:, :-1], torch.randn(1, 1, 3).double()], dim=1)
    (_, weights), (_, after) = (
        layer(one, one, one, need_weights=True) for one in (x, changed)
    )
    assert_close(weights[0, 1, 0] / weights[0, 1, 2], after[0, 1, 0] / after[0, 1, 2])
    assert (weights[0, 1] - after[0, 1]).abs().max() > 1e-3


def test_loss_is_the_mean_cross_entropy(words):
    model, labels = make(), torch.tensor([3, 0])
    log_p = model(words).log_softmax(-1)
    loss = model.loss(LabelledBatch(words, labels))
    assert_close(loss, -(log_p[0, 3] + log_p[1, 0]) / 2)


def test_unknown_words_are_an_error(words):
    with pytest.raises(ValueError, match="ids must be from 0 to 6"):
        make()(words + VOCAB)

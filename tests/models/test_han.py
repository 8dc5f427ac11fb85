"""HAN and its rivals: the equations, the masks at both levels, the shared class."""

import copy
import dataclasses
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.data.documents.labelled import (
    DocumentBatch,
    LabelledDocument,
    document_batch,
    document_words,
)
from attention_book.data.vocab import Vocab
from attention_book.models.encoders.text import BidirectionalGRU
from attention_book.models.han import (
    HAN,
    HANConfig,
    OneByOne,
    check_documents,
    real_first,
    reorder,
)
from attention_book.observe import record_weights

SIZES = {"embed_dim": 5, "hidden_dim": 3, "attention_dim": 7}
KINDS = [
    {},
    {"pooling": "average"},
    {"pooling": "max"},
    {"hierarchical": False},
    {"hierarchical": False, "pooling": "average"},
    {"sentence_encoder": "one by one"},
    {"word_encoder": "one by one"},
]
DOCUMENTS = [
    LabelledDocument((("the", "soup", "was", "bad"), ("we", "left")), label=0),
    LabelledDocument((("good", "soup"), ("the", "bed", "was"), ("bad",)), label=1),
    LabelledDocument((("good",),), label=2),
]


@pytest.fixture
def vocab():
    return Vocab(document_words(DOCUMENTS))


@pytest.fixture
def batch(vocab):
    return document_batch(DOCUMENTS, vocab)


@pytest.fixture(params=KINDS, ids=str)
def model(request, vocab):
    return make(vocab, **request.param)


def make(vocab, **fields):
    config = HANConfig(vocab_size=len(vocab), num_classes=4, **SIZES, **fields)
    return HAN(config).double().eval()


def gru_by_hand(gru, inputs, suffix):
    """The states of one direction, word by word, as the paper writes them."""
    W, U, b, c = (
        getattr(gru, f"{name}_l0{suffix}").chunk(3)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    h, states = torch.zeros(U[0].shape[1]).to(inputs), []
    for x in inputs:
        r = torch.sigmoid(W[0] @ x + b[0] + U[0] @ h + c[0])
        keep = torch.sigmoid(W[1] @ x + b[1] + U[1] @ h + c[1])  # 1 - z of the paper
        new = torch.tanh(W[2] @ x + b[2] + r * (U[2] @ h + c[2]))
        h = keep * h + (1 - keep) * new
        states.append(h)
    return torch.stack(states)


def level_by_hand(level, inputs):
    if isinstance(level.encoder, BidirectionalGRU):
        gru = level.encoder.gru
        forward = gru_by_hand(gru, inputs, "")
        backward = gru_by_hand(gru, inputs.flip(0), "_reverse").flip(0)
        states = torch.cat([forward, backward], dim=1)
    else:
        proj = level.encoder.proj
        states = torch.stack([torch.tanh(proj.weight @ x + proj.bias) for x in inputs])
    if level.pooling == "average":
        return sum(states) / len(states)
    if level.pooling == "max":
        return torch.stack([max(column) for column in states.T])
    W, b = level.attention.key_proj.weight, level.attention.key_proj.bias
    scores = [
        torch.dot(torch.tanh(W @ h + b), level.attention.query[0]) for h in states
    ]
    exponentials = torch.stack(scores).exp()
    weights = exponentials / exponentials.sum()
    return sum(weight * h for weight, h in zip(weights, states, strict=True))


def test_equations_one_sentence_at_a_time(model, vocab, batch):
    logits = model(batch.words, batch.word_mask)
    for row, document in enumerate(DOCUMENTS):
        sentences = [
            model.embedding(torch.tensor(vocab.encode(sentence)))
            for sentence in document.sentences
        ]
        if model.config.hierarchical:
            vectors = [level_by_hand(model.word_level, words) for words in sentences]
            v = level_by_hand(model.sentence_level, torch.stack(vectors))
        else:
            v = level_by_hand(model.word_level, torch.cat(sentences))
        want = model.class_proj.weight @ v + model.class_proj.bias
        assert_close(logits[row], want)


def test_loss_is_the_mean_negative_log_likelihood(model, batch):
    p = model(batch.words, batch.word_mask).softmax(1)
    want = -sum(p[row, d.label].log() for row, d in enumerate(DOCUMENTS)) / 3
    assert_close(model.loss(batch), want)


def test_padding_changes_nothing_at_either_level(model, batch):
    padded = F.pad(batch.words, (0, 2, 0, 3)), F.pad(batch.word_mask, (0, 2, 0, 3))
    assert_close(model(*padded), model(batch.words, batch.word_mask))
    noise = padded[0].masked_fill(~padded[1], 5)
    assert_close(model(noise, padded[1]), model(batch.words, batch.word_mask))


def test_an_empty_sentence_changes_nothing_wherever_it_is(model, batch):
    want = model(batch.words, batch.word_mask)
    for at in range(batch.words.shape[1] + 1):
        words, mask = (
            torch.cat([x[:, :at], torch.zeros_like(x[:, :1]), x[:, at:]], dim=1)
            for x in (batch.words, batch.word_mask)
        )
        assert_close(model(words, mask), want)


def test_an_empty_document_is_harmless(model, batch):
    mask = batch.word_mask.clone()
    mask[1] = False
    logits = model(batch.words, mask)
    assert_close(logits[1], model.class_proj.bias)
    assert_close(logits[0], model(batch.words, batch.word_mask)[0])
    with torch.autograd.set_detect_anomaly(True):  # no NaN on the way back either
        model.loss(dataclasses.replace(batch, word_mask=mask)).backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_queries_of_zeros_give_hn_ave(vocab, batch):
    attention, average = make(vocab), make(vocab, pooling="average")
    weights = {
        k: x for k, x in attention.state_dict().items() if ".attention." not in k
    }
    average.load_state_dict(weights)
    for level in attention.word_level, attention.sentence_level:
        torch.nn.init.zeros_(level.attention.query)
    inputs = batch.words, batch.word_mask
    assert_close(attention(*inputs), average(*inputs), rtol=0, atol=1e-15)


def test_weights_can_be_recorded_and_imposed(vocab, batch):
    model, inputs = make(vocab), (batch.words, batch.word_mask)
    with record_weights(model) as recorded:
        want = model(*inputs)
    assert recorded.keys() == {"word_level.attention", "sentence_level.attention"}
    words = recorded["word_level.attention"][0].view(batch.words.shape)
    sentences = recorded["sentence_level.attention"][0].squeeze(1)
    assert (words[~batch.word_mask] == 0).all()
    assert (sentences[~batch.word_mask.any(2)] == 0).all()
    assert_close(sentences.sum(1), torch.ones(3).double())
    assert_close(model(*inputs, word_weights=words), want)
    assert_close(model(*inputs, sentence_weights=sentences), want)
    first = F.one_hot(torch.zeros(3, dtype=torch.long), 3).double()
    states = model.read_sentences(model.read_words(*inputs), batch.word_mask.any(2))
    assert_close(model(*inputs, sentence_weights=first), model.classify(states[:, 0]))
    imposed = dataclasses.replace(batch, sentence_weights=first)
    assert_close(
        model.loss(imposed), F.cross_entropy(model.classify(states[:, 0]), batch.labels)
    )


def test_weights_of_a_flat_model_run_over_all_words(vocab, batch):
    model, inputs = make(vocab, hierarchical=False), (batch.words, batch.word_mask)
    with record_weights(model) as recorded:
        want = model(*inputs)
    weights = recorded["word_level.attention"][0].view(batch.words.shape)
    assert (weights[~batch.word_mask] == 0).all()
    assert_close(weights.sum((1, 2)), torch.ones(3).double())
    assert_close(model(*inputs, word_weights=weights), want)
    with pytest.raises(ValueError, match="sentence_weights must be None"):
        model(*inputs, sentence_weights=weights[:, :, 0])


def test_order_of_sentences_matters_to_a_gru_only(vocab, batch):
    backwards = batch.words[1:2].flip(1), batch.word_mask[1:2].flip(1)
    inputs = batch.words[1:2], batch.word_mask[1:2]
    model = make(vocab)
    assert not torch.allclose(model(*inputs), model(*backwards))
    model = make(vocab, sentence_encoder="one by one")
    assert_close(model(*inputs), model(*backwards))


def test_one_by_one_sees_no_neighbours():
    encoder, inputs = OneByOne(3, 5), torch.randn(2, 4, 3)
    mask = torch.ones(2, 4, dtype=torch.bool)
    before, _ = encoder(inputs, mask)
    inputs[:, 1] = 0
    after, same = encoder(inputs, mask)
    assert same is mask
    assert_close(after[:, [0, 2, 3]], before[:, [0, 2, 3]])


def test_real_items_come_first_in_their_order():
    mask = torch.tensor([[False, True, False, True, True], [True] * 5])
    order = real_first(mask)
    assert order.tolist() == [[1, 3, 4, 0, 2], [0, 1, 2, 3, 4]]
    values = torch.randn(2, 5, 3)
    assert_close(reorder(reorder(values, order), order.argsort(1)), values)


def test_learns_three_documents_by_heart(model, batch):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(150):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    assert (model(batch.words, batch.word_mask).argmax(1) == batch.labels).all()


def test_vectors_are_the_start_of_the_embedding(vocab, no_shape_checks):
    vectors = torch.randn(len(vocab), SIZES["embed_dim"])
    config = HANConfig(vocab_size=len(vocab), num_classes=4, **SIZES)
    model = HAN(config, vectors)
    assert_close(model.embedding.weight.detach(), vectors)
    assert model.embedding.weight.requires_grad
    with pytest.raises(ValueError, match=r"vectors must have shape \(\d+, 5\)"):
        HAN(config, vectors[:, 1:])


def test_dropout_works_in_training_only(vocab, batch):
    model, inputs = make(vocab, dropout=0.5), (batch.words, batch.word_mask)
    assert_close(model(*inputs), model(*inputs))
    model.train()
    assert not torch.allclose(model(*inputs), model(*inputs))


def test_copies_compute_the_same(model, batch):
    want = model(batch.words, batch.word_mask)
    for twin in copy.deepcopy(model), pickle.loads(pickle.dumps(model)):
        assert_close(twin(batch.words, batch.word_mask), want)


def test_compiles_around_the_packing(vocab, batch, no_shape_checks):
    model = make(vocab)
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        want = model(batch.words, batch.word_mask)
        assert_close(compiled(batch.words, batch.word_mask), want)


def test_loss_calls_forward(model, batch):
    calls = []
    model.register_forward_hook(lambda *_: calls.append("forward"))
    model.loss(batch)
    assert calls == ["forward"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocab_size": 0}, "vocab_size must be at least 1, got 0"),
        ({"num_classes": 0}, "num_classes must be at least 1, got 0"),
        ({"hidden_dim": 0}, "hidden_dim must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"pooling": "sum"}, "pooling must be one of attention, .*, got 'sum'"),
        ({"word_encoder": "LSTM"}, "word_encoder must be one of GRU, one by one, got"),
        ({"sentence_encoder": "CNN"}, "sentence_encoder must be one of GRU, .*, got"),
    ],
)
def test_wrong_settings(fields, message):
    with pytest.raises(ValueError, match=message):
        HANConfig(**{"vocab_size": 9, "num_classes": 2} | fields)


def test_wrong_inputs(vocab, batch, no_shape_checks):
    model = make(vocab)
    with pytest.raises(ValueError, match="words and word_mask must have one shape"):
        model(batch.words, batch.word_mask[:, :1])
    with pytest.raises(ValueError, match=r"one shape .* got \(3, 3\) and \(3, 3\)"):
        check_documents(batch.words[..., 0], batch.word_mask[..., 0])
    with pytest.raises(TypeError, match=r"word_mask must be boolean, got torch\.int64"):
        model(batch.words, batch.words)
    with pytest.raises(ValueError, match="each label must be from 0 to 3, got 4"):
        model.loss(DocumentBatch(batch.words, batch.word_mask, batch.labels + 2))

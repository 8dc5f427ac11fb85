"""BERT and its heads: the equations, a token at a time, and what training needs."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.data.pretraining import SegmentPair, finetuning_batch
from attention_book.models.bert import (
    BertClassifier,
    BertClassifierConfig,
    BertConfig,
    BertEmbeddings,
    BertPretraining,
    MaskedWordHead,
)
from attention_book.observe import record_weights


def gelu(x):
    return torch.stack([v * (1 + torch.erf(v / math.sqrt(2))) / 2 for v in x])


def norm_by_hand(layer, x):
    mean = sum(x) / len(x)
    variance = sum((x - mean) ** 2) / len(x)
    return layer.weight * (x - mean) / torch.sqrt(variance + 1e-12) + layer.bias


def linear(layer, x):
    return layer.weight @ x + layer.bias


def layer_by_hand(layer, tokens):
    attention = layer.self_attention
    size = attention.embed_dim // attention.num_heads
    projected = [linear(attention.in_proj, x).chunk(3) for x in tokens]
    outputs = []
    for t, x in enumerate(tokens):
        heads = []
        for h in range(attention.num_heads):
            part = slice(h * size, (h + 1) * size)
            query = projected[t][0][part]
            scores = [query @ key[part] / math.sqrt(size) for _, key, _ in projected]
            exponentials = torch.stack(scores).exp()
            weights = exponentials / exponentials.sum()
            values = [value[part] for _, _, value in projected]
            heads.append(sum(a * v for a, v in zip(weights, values, strict=True)))
        context = linear(attention.out_proj, torch.cat(heads))
        x = norm_by_hand(layer.self_residual.norm, x + context)
        network = layer.feed_forward
        hidden = linear(network.out_proj, gelu(linear(network.hidden_proj, x)))
        outputs.append(norm_by_hand(layer.feed_forward_residual.norm, x + hidden))
    return outputs


def bert_by_hand(bert, ids, segments):
    parts = bert.embeddings
    tokens = [
        norm_by_hand(
            parts.norm,
            parts.words.weight[w] + parts.segments.weight[s] + parts.positions.table[t],
        )
        for t, (w, s) in enumerate(zip(ids, segments, strict=True))
    ]
    for layer in bert.encoder.layers:
        tokens = layer_by_hand(layer, tokens)
    return torch.stack(tokens), torch.tanh(linear(bert.pooler, tokens[0]))


def words_by_hand(model, x):
    head = model.word_head
    x = norm_by_hand(head.norm, gelu(linear(head.transform, x)))
    rows = model.bert.embeddings.words.weight
    return torch.stack([row @ x + b for row, b in zip(rows, head.bias, strict=True)])


def rows_of(batch):
    for row, real in enumerate(batch.token_mask):
        yield row, batch.ids[row, real], batch.segments[row, real]


def test_equations_one_token_at_a_time(model, batch):
    words, following = model(batch.ids, batch.token_mask, batch.segments)
    tokens, pooled = model.bert(batch.ids, batch.token_mask, batch.segments)
    for row, ids, segments in rows_of(batch):
        want, c = bert_by_hand(model.bert, ids, segments)
        assert_close(tokens[row, : len(ids)], want)
        assert_close(pooled[row], c)
        assert_close(following[row], linear(model.next_proj, c))
        logits = torch.stack([words_by_hand(model, x) for x in want])
        assert_close(words[row, : len(ids)], logits)


def test_loss_is_over_chosen_tokens_and_pairs(model, batch):
    words, following = [], []
    for row, ids, segments in rows_of(batch):
        tokens, c = bert_by_hand(model.bert, ids, segments)
        for t in batch.chosen[row].nonzero()[:, 0]:
            p = words_by_hand(model, tokens[t]).softmax(0)
            words.append(-p[batch.target[row, t]].log())
        p = linear(model.next_proj, c).softmax(0)
        following.append(-p[int(batch.from_elsewhere[row])].log())
    assert len(words) == batch.num_tokens
    terms = sum(words) / len(words), sum(following) / len(following)
    assert_close(model.losses(batch), terms)
    assert_close(model.loss(batch), sum(terms))
    config = dataclasses.replace(model.config, next_sentence=False)
    other = BertPretraining(config).double()
    other.load_state_dict(model.state_dict())
    assert_close(other.loss(batch), terms[0])


def test_only_chosen_words_are_computed(model, batch):
    inputs = batch.ids, batch.token_mask, batch.segments
    words, _ = model(*inputs)
    some = torch.tensor([1, 5])
    assert_close(model(*inputs, chosen=some)[0], words.flatten(0, 1)[some])


def test_padding_changes_nothing(model, batch):
    inputs = batch.ids, batch.token_mask, batch.segments
    tokens, pooled = model.bert(*inputs)
    ids = F.pad(batch.ids, (0, 2), value=5)
    mask = F.pad(batch.token_mask, (0, 2), value=False)
    padded, same = model.bert(ids, mask, F.pad(batch.segments, (0, 2), value=1))
    assert_close(same, pooled)
    assert_close(padded[mask], tokens[batch.token_mask])


def test_output_layer_is_the_embedding(model, batch):
    assert not any("decoder" in name for name, _ in model.named_parameters())
    inputs = batch.ids, batch.token_mask, batch.segments
    assert not (batch.ids == 14).any()
    before, _ = model(*inputs)
    with torch.no_grad():
        model.bert.embeddings.words.weight[14] += 1
    after, _ = model(*inputs)
    changed = (after != before).any(dim=(0, 1))
    assert changed.nonzero().flatten().tolist() == [14]


def test_order_and_segments_matter(model, batch):
    inputs = batch.ids, batch.token_mask, batch.segments
    _, following = model(*inputs)
    _, other = model(*inputs[:2], 1 - batch.segments)
    assert not torch.allclose(other, following)
    swapped = batch.ids.clone()
    swapped[:, [1, 2]] = batch.ids[:, [2, 1]]
    assert not torch.allclose(model(swapped, *inputs[1:])[1], following)


def test_a_causal_one_sees_nothing_to_the_right(model, config, batch):
    causal = BertPretraining(dataclasses.replace(config, causal=True)).double().eval()
    causal.load_state_dict(model.state_dict())
    inputs = batch.token_mask, batch.segments
    before, _ = causal(batch.ids, *inputs)
    changed = batch.ids.clone()
    changed[:, 3] = (changed[:, 3] + 1) % config.vocab_size
    after, _ = causal(changed, *inputs)
    assert_close(after[:, :3], before[:, :3])
    assert not torch.isclose(after[:, 3], before[:, 3]).any()
    with record_weights(causal) as weights:
        causal(batch.ids, *inputs)
    for calls in weights.values():
        assert (calls[0].triu(diagonal=1) == 0).all()
    # A text of one token has no right side: both models agree on it.
    one = batch.ids[:, :1], batch.token_mask[:, :1], batch.segments[:, :1]
    assert_close(causal(*one), model(*one))


def test_weights_of_all_heads_are_recorded(model, batch):
    with record_weights(model) as recorded:
        model(batch.ids, batch.token_mask, batch.segments)
    assert list(recorded) == [
        f"bert.encoder.layers.{i}.self_attention" for i in range(2)
    ]
    for (weights,) in recorded.values():
        assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]).double())
        blocked = ~batch.token_mask[:, None, None].expand_as(weights)
        assert (weights[blocked] == 0).all()


@pytest.mark.parametrize(("std", "embedding_std"), [(0.02, None), (0.1, 0.03)])
def test_first_values(std, embedding_std):
    config = BertConfig(vocab_size=97, initial_std=std, embedding_std=embedding_std)
    for name, parameter in BertPretraining(config).named_parameters():
        embedding = name.startswith("bert.embeddings") and embedding_std
        std = embedding_std if embedding else config.initial_std
        if "norm" in name:
            assert (parameter == float(name.endswith("weight"))).all()
        elif name.endswith("bias"):
            assert (parameter == 0).all()
        else:
            assert parameter.abs().max() <= 2 * std
            # A normal cut off at two standard deviations has 0.88 of its own.
            if parameter.numel() > 1000:
                assert_close(parameter.std().item() / std, 0.88, rtol=0, atol=0.04)


def test_dropout_is_everywhere_and_in_training_only(config, batch):
    inputs = batch.ids, batch.token_mask, batch.segments
    for field in "dropout", "attention_dropout":
        model = BertPretraining(dataclasses.replace(config, **{field: 0.5}))
        model.double().eval()
        assert_close(model(*inputs), model(*inputs))
        model.train()
        assert not torch.equal(model(*inputs)[0], model(*inputs)[0])


def test_dropout_of_the_embeddings_follows_their_norm(config, batch):
    embeddings = BertEmbeddings(dataclasses.replace(config, dropout=0.5)).double()
    want = embeddings.eval()(batch.ids, batch.segments)
    output = embeddings.train()(batch.ids, batch.segments)
    dropped = output == 0
    assert 0.3 < dropped.double().mean() < 0.7
    assert_close(output[~dropped], 2 * want[~dropped])


def test_learns_the_chosen_words_by_heart(config, batch):
    model = BertPretraining(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    words, following = model(batch.ids, batch.token_mask, batch.segments)
    assert (words.argmax(-1) == batch.target)[batch.chosen].all()
    assert (following.argmax(-1) == batch.from_elsewhere.long()).all()


def test_what_hooks_compilers_and_copies_need(model, batch, check_forward):
    check_forward(model, batch, batch.ids, batch.token_mask, batch.segments)


def test_classifier_is_a_line_on_the_pooled_vector(model, config, marks):
    classifier = BertClassifier(
        BertClassifierConfig(bert=config, num_classes=3, dropout=0.5)
    ).double()
    classifier.bert.load_state_dict(model.bert.state_dict())
    examples = [(SegmentPair((5, 6), (7,)), 2), (SegmentPair((8,)), 0)]
    batch = finetuning_batch(examples, marks)
    classifier.eval()
    losses = []
    for row, ids, segments in rows_of(batch):
        _, c = bert_by_hand(model.bert, ids, segments)
        logits = linear(classifier.class_proj, c)
        assert_close(
            classifier(batch.ids, batch.token_mask, batch.segments)[row], logits
        )
        losses.append(-logits.log_softmax(0)[batch.labels[row]])
    assert_close(classifier.loss(batch), sum(losses) / 2)
    classifier.train()
    assert not torch.equal(classifier.loss(batch), classifier.loss(batch))
    wrong = dataclasses.replace(batch, labels=batch.labels + 1)
    with pytest.raises(ValueError, match="each label must be from 0 to 2, got 3"):
        classifier.loss(wrong)


def test_parts_by_themselves(model, config, batch):
    embeddings = BertEmbeddings(config).double()
    embeddings.load_state_dict(model.bert.embeddings.state_dict())
    ids = batch.ids, batch.segments
    assert_close(embeddings(*ids), model.bert.embeddings(*ids))
    head = MaskedWordHead(config).double()
    head.load_state_dict(model.word_head.state_dict())
    x, rows = torch.randn(3, 6).double(), model.bert.embeddings.words.weight
    assert_close(head(x, rows)[1], words_by_hand(model, x[1]))


def test_wrong_inputs(model, batch, no_shape_checks):
    ids, mask, segments = batch.ids, batch.token_mask, batch.segments
    with pytest.raises(ValueError, match="segments must have the shape of ids"):
        model(ids, mask, segments[:, 1:])
    with pytest.raises(ValueError, match="token_mask must have the shape of token"):
        model(ids, mask[:, 1:], segments)
    with pytest.raises(TypeError, match="token_mask must be boolean"):
        model(ids, mask.long(), segments)
    with pytest.raises(ValueError, match="token must be padded on the right"):
        model(ids, mask.flip(1), segments)
    with pytest.raises(ValueError, match="ids must be from 0 to 16"):
        model(ids + 15, mask, segments)
    long = torch.ones(1, 14, dtype=torch.long)
    with pytest.raises(ValueError, match="13"):
        model(long, long > 0, 0 * long)
    nothing = dataclasses.replace(batch, chosen=mask & False, num_chosen=0)
    with pytest.raises(ValueError, match="at least one chosen token, got none"):
        model.loss(nothing)

"""Published names: there and back, old spellings, and parity with another library."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from attention_book.models.bert import (
    Bert,
    BertPretraining,
    from_published,
    load_published,
    published_names,
    read_published_config,
    to_published,
)

DESCRIBED = {
    "vocab_size": 17,
    "hidden_size": 6,
    "num_attention_heads": 2,
    "intermediate_size": 11,
    "num_hidden_layers": 2,
    "max_position_embeddings": 13,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


def equal(model, other):
    state = other.state_dict()
    return all(torch.equal(x, state[name]) for name, x in model.state_dict().items())


def test_there_and_back_through_a_file(model, tmp_path):
    weights = to_published(model)
    assert len(weights) == 5 + 16 * 2 + 2 + 7 == 46
    save_file(weights, tmp_path / "model.safetensors")
    other = BertPretraining(model.config).double()
    load_published(other, tmp_path / "model.safetensors")
    assert equal(model, other)
    encoder = Bert(model.config).double()
    load_published(encoder, tmp_path / "model.safetensors")
    assert equal(model.bert, encoder)


def test_queries_keys_and_values_are_stacked_in_this_order(model):
    weights = to_published(model)
    for kind in "weight", "bias":
        parts = [
            weights[f"bert.encoder.layer.1.attention.self.{part}.{kind}"]
            for part in ("query", "key", "value")
        ]
        ours = getattr(model.bert.encoder.layers[1].self_attention.in_proj, kind)
        assert_close(torch.cat(parts), ours.detach())


def test_every_weight_has_its_names(model):
    assert published_names(model).keys() == model.state_dict().keys()
    assert published_names(model.bert).keys() == model.bert.state_dict().keys()


def test_names_of_old_files_and_of_files_without_heads(model):
    weights = to_published(model)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma")
        .replace("LayerNorm.bias", "LayerNorm.beta")
        .removeprefix("bert."): x
        for name, x in weights.items()
    }
    old["embeddings.position_ids"] = torch.arange(13)[None]
    other = BertPretraining(model.config).double()
    from_published(other, old)
    assert equal(model, other)
    encoder = Bert(model.config).double()
    from_published(encoder, {k: x for k, x in old.items() if not k.startswith("cls.")})
    assert equal(model.bert, encoder)


def test_shared_tensors_under_either_name_or_both(model):
    weights = to_published(model)
    words, bias = "bert.embeddings.word_embeddings.weight", "cls.predictions.bias"
    again = {
        "cls.predictions.decoder.weight": weights[words],
        "cls.predictions.decoder.bias": weights[bias],
    }
    renamed = {k: x for k, x in weights.items() if k not in (words, bias)} | again
    for given in weights | again, renamed:
        other = BertPretraining(model.config).double()
        from_published(other, given)
        assert equal(model, other)
    again["cls.predictions.decoder.weight"] = weights[words] + 1
    with pytest.raises(ValueError, match=f"weights must share {words}, but have two"):
        from_published(other, weights | again)


def test_weights_that_do_not_fit(model):
    weights = to_published(model)
    name = "bert.encoder.layer.0.attention.self.key.weight"
    before = {k: x.clone() for k, x in model.state_dict().items()}
    wrong = weights | {name: weights[name][:5]}
    with pytest.raises(ValueError, match=rf"has {name} of shape \(5, 6\), not \(6, 6"):
        from_published(model, wrong)
    with pytest.raises(ValueError, match=f"lacks {name}"):
        from_published(model, {k: x for k, x in weights.items() if k != name})
    with pytest.raises(ValueError, match=r"has the unknown bert\.other"):
        from_published(model, weights | {"other": torch.zeros(1)})
    without = {k: x for k, x in weights.items() if not k.startswith("cls.")}
    with pytest.raises(ValueError, match=r"lacks cls\.predictions\.bias"):
        from_published(model, without)
    assert_close(dict(model.state_dict()), before)


def test_file_that_is_no_weights(model, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("nothing")
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        load_published(model, path)
    with pytest.raises(FileNotFoundError):
        load_published(model, tmp_path / "none")


def test_described_sizes(model, tmp_path):
    path = tmp_path / "config.json"

    def read(**fields):
        path.write_text(json.dumps(DESCRIBED | fields))
        return read_published_config(path)

    assert read() == model.config
    tanh = read(hidden_act="gelu_new", layer_norm_eps=1e-6)
    assert (tanh.activation, tanh.norm_epsilon) == ("gelu_tanh", 1e-6)
    with pytest.raises(ValueError, match=r"hidden_act must be one of gelu, .*'silu'"):
        read(hidden_act="silu")
    with pytest.raises(ValueError, match=r"must describe a bert .*got roberta"):
        read(model_type="roberta")
    with pytest.raises(ValueError, match="got bert with relative_key ones"):
        read(position_embedding_type="relative_key")
    for damaged in json.dumps(DESCRIBED)[:40].encode(), b"\xff\xfe{}", b"":
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"config\.json is damaged or no JSON"):
            read_published_config(path)
    path.write_text(json.dumps({"vocab_size": 17}))
    with pytest.raises(ValueError, match="lacks attention_probs_dropout_prob, hidden_"):
        read_published_config(path)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new"])
def test_parity_with_transformers(model, batch, tmp_path, activation):
    """Random weights, both heads, padding: the same numbers in both libraries."""
    transformers = pytest.importorskip("transformers")
    described = DESCRIBED | {"hidden_act": activation, "layer_norm_eps": 1e-12}
    theirs = transformers.BertForPreTraining(transformers.BertConfig(**described))
    theirs = theirs.double().eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    theirs.save_pretrained(tmp_path)
    config = read_published_config(tmp_path / "config.json")
    ours = BertPretraining(config).double().eval()
    load_published(ours, tmp_path / "model.safetensors")
    with torch.no_grad():
        words, following = ours(batch.ids, batch.token_mask, batch.segments)
        want = theirs(
            input_ids=batch.ids,
            attention_mask=batch.token_mask.long(),
            token_type_ids=batch.segments,
        )
    real = batch.token_mask
    assert_close(words[real], want.prediction_logits[real], rtol=0, atol=1e-10)
    assert_close(following, want.seq_relationship_logits, rtol=0, atol=1e-10)
    labels = batch.target.masked_fill(~batch.chosen, -100)
    loss = theirs(
        input_ids=batch.ids,
        attention_mask=batch.token_mask.long(),
        token_type_ids=batch.segments,
        labels=labels,
        next_sentence_label=batch.from_elsewhere.long(),
    ).loss
    assert_close(ours.loss(batch), loss, rtol=0, atol=1e-10)
    # And back: a model of ours in the other library.
    theirs.load_state_dict(to_published(model), strict=False)
    words, _ = model(batch.ids, batch.token_mask, batch.segments)
    if activation == "gelu":
        want = theirs(batch.ids, real.long(), batch.segments).prediction_logits
        assert_close(words[real], want[real], rtol=0, atol=1e-10)

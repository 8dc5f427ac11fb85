"""The page's translators: data of bounded length, rounded weights, whole files."""

import json

import pytest
import torch
from safetensors.torch import load

from attention_book.recipes.try_it import (
    LONGEST,
    TRY_MODELS,
    export_for_page,
    train_for_page,
    try_task,
)

CPU = torch.device("cpu")
MOST_BYTES = 1_000_000  # of a model


@pytest.fixture(scope="module")
def task():
    return try_task(3, CPU, limit=24)


def test_only_short_numbers_are_learned_from():
    task = try_task(3, CPU)
    lengths = [len(pair.source) for pair in task.train]
    assert max(lengths) == LONGEST
    assert len(lengths) > 5000
    assert max(task.source_lengths) > LONGEST + 5
    # A longer number needs no other words.
    known = {word for pair in task.train for word in pair.source}
    assert {word for pair in task.test for word in pair.source} <= known
    known = {word for pair in task.train for word in pair.target}
    assert {word for pair in task.test for word in pair.target} <= known


@pytest.mark.parametrize("name", TRY_MODELS)
def test_a_model_is_trained_rounded_and_exported(task, name):
    trained = train_for_page(task, name, 5, epochs=1)
    assert not trained.model.training
    file = export_for_page(task, trained)
    assert len(file) < MOST_BYTES
    state = trained.model.state_dict()
    for key, tensor in load(file).items():
        assert torch.equal(tensor.float(), state[key])
    size = int.from_bytes(file[:8], "little")
    about = json.loads(json.loads(file[8 : 8 + size])["__metadata__"]["book"])["about"]
    assert about["languages"] == ["en", "de"]
    assert [len(about[side]) for side in ("source", "target")] == [
        len(vocab) for vocab in task.vocabs
    ]
    assert about["target"][:4] == ["<pad>", "<bos>", "<eos>", "<unk>"]
    assert task.vocabs[0].encode(about["source"][4:]) == [
        *range(4, len(task.vocabs[0]))
    ]


def test_layers_and_heads_are_those_of_the_attention_to_the_source():
    shapes = {name: (own.layers, own.heads) for name, own in TRY_MODELS.items()}
    assert shapes["one_vector"] == (0, 1)
    assert shapes["bahdanau"] == shapes["luong_local"] == (1, 1)
    assert shapes["transformer"] == (2, 4)


def test_the_control_differs_in_its_context_alone():
    own, control = TRY_MODELS["bahdanau"], TRY_MODELS["one_vector"]
    assert {**own.sizes, "score": "none"} == control.sizes
    assert (own.model, own.plan, own.epochs) == (
        control.model,
        control.plan,
        control.epochs,
    )


def test_an_unknown_name_is_an_error(task):
    with pytest.raises(ValueError, match="name must be one of bahdanau"):
        train_for_page(task, "gpt", 0)

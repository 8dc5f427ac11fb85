"""The page's translators: data of bounded length, rounded weights, whole files."""

import json

import pytest
import torch
from safetensors.torch import load

from attention_book.data.captions.digit_scenes import digit_scenes, scene_images
from attention_book.recipes.try_it import (
    LONGEST,
    TRY_MODELS,
    export_for_page,
    export_scene_captioner,
    held_out_digits,
    train_for_page,
    train_scene_captioner,
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
    assert len(lengths) > 4000
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
    assert [name for name, own in TRY_MODELS.items() if own.written] == ["transformer"]


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


def test_no_epochs_are_not_the_models_own(task):
    with pytest.raises(ValueError, match=r"below total_steps \(0\)"):
        train_for_page(task, "bahdanau", 0, epochs=0)


def test_the_captioner_reads_images_with_its_rounded_encoder():
    task, model = train_scene_captioner(2, epochs=1, limit=24)
    images = scene_images(task.images["test"])
    with torch.no_grad():
        found = model.encoder(images).annotations
    torch.testing.assert_close(found, task.annotations["test"])
    file = export_scene_captioner(task, model)
    assert len(file) < MOST_BYTES / 4
    state = model.state_dict()
    tensors = load(file)
    assert "encoder.layers.1.running_var" in tensors
    for key, tensor in tensors.items():
        assert torch.equal(tensor.float(), state[key])
    size = int.from_bytes(file[:8], "little")
    about = json.loads(json.loads(file[8 : 8 + size])["__metadata__"]["book"])["about"]
    assert about == {"target": list(task.vocab.tokens), "cell": 8}


def test_the_digits_of_the_page_are_in_no_training_scene():
    images, labels = held_out_digits(7, each=3)
    assert labels == [digit for digit in range(10) for _ in range(3)]
    known = {
        tuple(scene.image[box.top : box.top + 8, box.left : box.left + 8].flatten())
        for scene in digit_scenes(train=400, test=1, seed=7).train
        for box in scene.boxes
    }
    known = {tuple(float(value) for value in pixels) for pixels in known}
    assert not known & {tuple(image.flatten().tolist()) for image in images}

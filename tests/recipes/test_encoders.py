"""Recipes for one decoder over four encoders: tasks, marks, training, scores."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.speech.tones import tone_frames
from attention_book.data.translation.pairs import Pair
from attention_book.models.encoders.video import FrameEncoder
from attention_book.recipes import encoders as recipe

CPU = torch.device("cpu")
D = 6
COUNTS = {"train": 12, "test": 7, "annotation_dim": D, "seed": 0}
SIZES = {"annotation_dim": D, "embed_dim": 5, "hidden_dim": 8, "attention_dim": 4}
SIZES |= {"maxout_dim": 3}
SOUND = {"num_mels": 5, "tone": (0.04, 0.1), "pause": (0.03, 0.07)}
KINDS = {
    "text": lambda: recipe.text_task(max_digits=3, **COUNTS),
    "image": lambda: recipe.image_task(**COUNTS),
    "video": lambda: recipe.video_task(FrameEncoder(D, 2).eval(), **COUNTS),
    "speech": lambda: recipe.speech_task(max_digits=3, **COUNTS, **SOUND),
}


@pytest.fixture(params=KINDS)
def task(request):
    return KINDS[request.param]()


@pytest.fixture
def speech():
    return KINDS["speech"]()


@pytest.fixture
def training():
    return recipe.EncoderTraining(
        epochs=2, batch_size=5, learning_rate=1e-2, seed=3, device=CPU
    )


def test_marks_lie_on_real_annotations(task):
    inputs = task.inputs["test"]
    marked, batch = task.mark(inputs), task.batch(inputs)
    encoded = task.encode().eval()(batch.source, batch.source_mask)
    assert marked.shape[2] == encoded.annotations.shape[1]
    assert marked.shape[1] == max(len(words) for words in task.references())
    assert encoded.annotations.shape[2] == D
    assert marked.any()
    if encoded.mask is not None:
        assert not (marked & ~encoded.mask[:, None]).any()
    for row, words in zip(marked, task.references(), strict=True):
        assert not row[len(words) :].any(), "a padded word is about nothing"


def test_digits_of_clips_and_calls_are_marked_one_after_the_other():
    for kind in ("video", "speech"):
        task = KINDS[kind]()
        for row, words in zip(
            task.mark(task.inputs["test"]), task.references(), strict=True
        ):
            first = row[: len(words)].int().argmax(dim=1)
            assert row[: len(words)].any(dim=1).all()
            assert (first[1:] >= first[:-1]).all()


def test_images_mark_the_words_that_name_a_digit():
    task = KINDS["image"]()
    marked = task.mark(task.inputs["test"])
    for row, scene in zip(marked, task.inputs["test"], strict=True):
        named = row.any(dim=1).nonzero().flatten().tolist()
        assert named == list(scene.digit_words)


def test_links_are_rows_of_target_words():
    pairs = [
        Pair(("a", "b"), ("B", "A", "C"), frozenset({(0, 1), (1, 0)})),
        Pair(("a",), ("A",), None),
    ]
    marked = recipe.linked_words(pairs)
    assert marked.shape == (2, 3, 3)
    assert marked.nonzero().tolist() == [[0, 0, 1], [0, 1, 0]]


def test_a_limit_keeps_the_first_of_each_part():
    whole, short = (
        recipe.text_task(max_digits=3, **COUNTS, limit=limit) for limit in (None, 4)
    )
    assert short.inputs["test"] == whole.inputs["test"][:4]
    assert [len(part) for part in short.inputs.values()] == [4, 4]


def test_one_seed_gives_one_model(task):
    first, again = (task.build(seed=1, **SIZES) for _ in range(2))
    assert_close(first.state_dict(), again.state_dict())
    other = task.build(seed=2, **SIZES).decoder.state_dict()
    assert not torch.equal(
        other["output_proj.weight"], first.decoder.state_dict()["output_proj.weight"]
    )


@pytest.mark.parametrize("score", ["additive", "location-aware", "mean"])
def test_models_are_trained_and_scored(task, training, score):
    start = task.build(seed=3, score=score, **SIZES)
    model, history = recipe.train_encoder_decoder(
        task, training, name="test", score=score, **SIZES
    )
    assert not model.training
    assert history.epoch_loss[-1] < history.epoch_loss[0]
    assert not torch.equal(
        model.decoder.output_proj.weight, start.decoder.output_proj.weight
    )
    found = recipe.score_model(model, task, device=CPU)
    assert 0 <= found.exact <= 1
    assert found.num_words == sum(map(len, task.references()))
    assert 0 < found.chance < 1
    if score == "mean":
        assert found.error != found.error
        return
    assert 0 <= found.error <= 1
    inputs = task.inputs["test"]
    weights, marked = recipe.path_weights(model, task, inputs), task.mark(inputs)
    counted = marked.any(dim=2)
    assert weights.shape == marked.shape
    assert_close(
        found.mass,
        (weights * marked).sum(dim=2)[counted].mean().item(),
        rtol=1e-5,
        atol=0,
    )


def test_chance_is_the_error_of_uniform_weights(speech):
    model = speech.build(seed=0, **SIZES)
    found = recipe.score_model(model, speech, device=CPU)
    shares = []
    for one in speech.inputs["test"]:
        own = tone_frames([one], 4)[0]
        shares += [1 - row.float().mean().item() for row in own]
    assert abs(found.chance - sum(shares) / len(shares)) < 1e-5


def test_frames_are_encoded_before(training):
    encoder, accuracy = recipe.train_frame_encoder(
        annotation_dim=D, train=30, test=10, hidden_dim=3, epochs=1, seed=0, device=CPU
    )
    assert 0 <= accuracy <= 1
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    task = recipe.video_task(encoder, **COUNTS)
    one = task.inputs["train"][0]
    assert_close(one.frames, encoder(one.clip.frames[None]).annotations[0].detach())
    assert not one.frames.requires_grad
    recipe.train_encoder_decoder(task, training, name="clips", **SIZES)
    assert_close(encoder.state_dict(), before)


def test_without_order_shuffled_frames_change_nothing():
    task = recipe.without_order(KINDS["video"]())
    model = task.build(seed=0, **SIZES).eval()
    batch = task.batch(task.inputs["test"])
    order = torch.randperm(batch.source.shape[1])
    turned = dataclasses.replace(
        batch, source=batch.source[:, order], source_mask=batch.source_mask[:, order]
    )
    assert_close(model.loss(turned), model.loss(batch))


def test_repeats_are_divided_from_the_rest(speech):
    parts = recipe.by_repeats(speech)
    for name, part in parts.items():
        for one in part.inputs["test"]:
            assert recipe.has_repeat(one) == (name == "repeats")
    assert sum(len(p.inputs["test"]) for p in parts.values()) == 7
    alone = speech.tested_on([o for o in speech.inputs["test"] if len(o.caption) == 1])
    assert set(recipe.by_repeats(alone)) <= {"no repeats"}


def test_longer_speech_has_other_test_utterances(speech):
    long = recipe.longer_speech(speech, 5, test=3, seed=1, **SOUND)
    assert [len(words) for words in long.references()] == [5, 5, 5]
    assert long.max_tokens == 15
    assert long.inputs["train"] is speech.inputs["train"]


def test_the_shortest_input_with_so_many_words(speech):
    for count in {len(words) for words in speech.references()}:
        found = recipe.shortest(speech, count)
        fitting = [o for o in speech.inputs["test"] if len(o.caption) == count]
        assert len(found.frames) == min(len(one.frames) for one in fitting)
        assert any(found is one for one in fitting)
    assert recipe.shortest(speech, 99) is speech.inputs["test"][0]

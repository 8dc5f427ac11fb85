"""Recipes for captions: tasks, annotations, training, writing, pointing."""

import sys

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.data.captions.digit_scenes import digit_scenes, named_locations
from attention_book.data.captions.flickr8k import FlickrImage
from attention_book.data.vocab import EOS
from attention_book.models.encoders.encoded import Encoded
from attention_book.models.encoders.image import CellEncoder
from attention_book.recipes import captions
from attention_book.training.loop import History

CPU = torch.device("cpu")
DECODING = {"max_tokens": 11, "device": CPU}


@pytest.fixture(scope="module")
def task():
    bare = captions.scene_task(train=7, dev=3, test=5, max_digits=2, seed=0)
    generator = torch.Generator().manual_seed(1)
    found = {
        part: torch.randn(len(scenes), 16, 6, generator=generator)
        for part, scenes in bare.images.items()
    }
    return bare.annotated(**found)


@pytest.fixture
def training():
    return captions.CaptionTraining(
        epochs=3,
        batch_size=2,
        learning_rate=1e-2,
        dev_batch_size=2,
        seed=0,
        device=CPU,
    )


def captioner(task, kind="soft", **changes):
    sizes = {"annotation_dim": 6, "embed_dim": 4, "hidden_dim": 5, "attention_dim": 3}
    return captions.build_captioner(task, kind, seed=0, **sizes, **changes).eval()


def test_one_seed_gives_one_captioner(task):
    first, again = captioner(task), captioner(task)
    assert_close(first.state_dict(), again.state_dict())
    hard = captioner(task, "hard", baseline="none")
    assert (hard.config.kind, hard.config.baseline) == ("hard", "none")
    assert hard.config.target_vocab == len(task.vocab)


def test_a_limit_keeps_the_first_scenes_of_each_part():
    sizes = {"train": 7, "dev": 3, "test": 5, "max_digits": 2, "seed": 0}
    whole, short = captions.scene_task(**sizes), captions.scene_task(**sizes, limit=2)
    for part in captions.PARTS:
        assert short.captions[part] == whole.captions[part][:2]
        assert len(short.images[part]) == 2
    seen = {word for (words,) in short.captions["train"] for word in words}
    assert len(short.vocab) == 4 + len(seen), "words of the training captions"


def test_references_are_the_first_captions(task):
    assert task.references("dev") == [list(s.caption) for s in task.images["dev"]]


def test_a_batch_holds_the_first_images(task):
    batch = task.batch("train", images=3)
    assert_close(batch.source, task.annotations["train"][:3])
    assert len(task.batch("train")) == 7
    ends = (batch.target == EOS).sum(dim=1)
    assert ends.tolist() == [1, 1, 1]


def test_other_annotations_leave_the_task_as_it_was(task):
    zeros = torch.zeros(5, 16, 6)
    changed = task.annotated(test=zeros)
    assert_close(changed.annotations["test"], zeros)
    assert_close(changed.annotations["dev"], task.annotations["dev"])
    assert task.annotations["test"].abs().max() > 0


def test_photographs_have_all_their_captions(monkeypatch):
    def flickr(split):
        words = (("a", "dog", split), ("a", "dog"))
        return [FlickrImage(f"{split}{k}.jpg", words) for k in range(3)]

    monkeypatch.setattr(captions, "flickr8k", flickr)
    task = captions.photograph_task(min_count=4, limit=2)
    assert [image.name for image in task.images["dev"]] == ["dev0.jpg", "dev1.jpg"]
    assert task.captions["test"][1] == (("a", "dog", "test"), ("a", "dog"))
    # "train" occurs twice in the captions of two photographs, the others 4 times.
    assert task.vocab.decode(range(4, len(task.vocab))) == ["a", "dog"]
    assert task.references() == [["a", "dog", "test"]] * 2


def test_without_torchvision_an_error_says_what_to_install(task, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ImportError, match="pip install torchvision"):
        captions.vgg_annotations(task, device=CPU)


def test_an_encoder_is_trained_on_single_digits():
    torch.manual_seed(0)
    encoder = CellEncoder(5, 2)
    before = [weight.clone() for weight in encoder.parameters()]
    named = captions.train_encoder(
        encoder, annotation_dim=5, train=20, test=7, step=8, epochs=1, batch_size=10,
        seed=0, device=CPU, limit=6,
    )  # fmt: skip
    assert named.shape == (6,)
    assert named.dtype == torch.bool
    assert not encoder.training
    assert not torch.equal(before[0], next(encoder.parameters()))
    task = captions.scene_task(
        train=3, dev=2, test=2, max_digits=1, size=48, step=8, seed=0
    )
    found = captions.scene_annotations(encoder, task, device=CPU)
    assert {part: tuple(x.shape) for part, x in found.items()} == {
        "train": (3, 36, 5),
        "dev": (2, 36, 5),
        "test": (2, 36, 5),
    }


def test_training_is_stopped_and_goes_on_as_if_it_had_not(task, training, tmp_path):
    def stop(step):
        if step == 6:
            raise KeyboardInterrupt

    whole, pieces = captioner(task), captioner(task)
    history = captions.train_captioner(whole, task, training, "whole")
    kept = {"checkpoint": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt):
        captions.train_captioner(pieces, task, training, "pieces", **kept, on_step=stop)
    resumed = captions.train_captioner(captioner(task), task, training, "more", **kept)
    assert resumed.step_loss == history.step_loss
    assert history.step_loss[-1] < history.step_loss[0]
    assert len(history.dev_loss) == 3


def test_the_rate_falls_over_the_whole_training(task, training, monkeypatch):
    seen = {}

    def record(_model, _loader, **how):
        seen.update(how)
        return History()

    monkeypatch.setattr(captions, "fit", record)
    captions.train_captioner(captioner(task), task, training, "short")
    assert seen["epochs"] == 3
    assert seen["schedule"](0) == 1.0
    assert 0.6 < seen["schedule"](4) < 0.7  # 4 steps an epoch, 12 in all
    assert seen["schedule"](11) < 0.1
    assert len(seen["dev_loader"]) == 2


def test_captions_are_the_models_own_words(task):
    model = captioner(task)
    found = captions.write_captions(model, task, **DECODING)
    assert len(found) == 5
    with torch.no_grad():
        state = model.start(task.annotations["test"])
        ids, first = torch.full((5,), 1), []
        for _ in range(2):
            logits, state = model.step(ids, state)
            ids = logits.argmax(dim=-1)
            first.append(ids)
    for row, words in enumerate(found):
        wanted = task.vocab.decode([step[row].item() for step in first])
        assert words[: len(wanted)] == wanted


def test_sampling_is_switched_off_again(task):
    model, modes = captioner(task, "hard"), []
    model.attention.register_forward_pre_hook(
        lambda _layer, _args, named: modes.append(named["mode"]), with_kwargs=True
    )
    captions.write_captions(model, task, sample=True, **DECODING)
    assert set(modes) == {"sample"}
    modes.clear()
    captions.write_captions(model, task, **DECODING)
    assert set(modes) == {"argmax"}
    assert not model.sample_in_eval


def test_pointing_word_by_word():
    scenes = digit_scenes(train=3, test=1, max_digits=2, seed=5).train
    inside, is_digit = named_locations(scenes, grid=4)
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(*inside.shape, generator=generator).softmax(dim=-1)
    hits, masses = [], []
    for image, scene in enumerate(scenes):
        for word in scene.digit_words:
            positions = inside[image, word].nonzero().flatten().tolist()
            row = weights[image, word]
            hits.append(float(row.argmax().item() in positions))
            masses.append(sum(row[position].item() for position in positions))
    assert is_digit.sum() == len(hits)
    found = captions.pointing(weights, scenes)
    assert found.accuracy == pytest.approx(sum(hits) / len(hits))
    assert found.mass == pytest.approx(sum(masses) / len(masses))


def test_pointing_with_ties_is_the_mean_over_their_order():
    scenes = digit_scenes(train=3, test=1, max_digits=2, seed=5).train
    inside, is_digit = named_locations(scenes, grid=4)
    tied = torch.rand(inside.shape) < 0.3
    tied[..., 5] = True
    hits = [
        inside[image, word][tied[image, word]].double().mean().item()
        for image, word in is_digit.nonzero().tolist()
    ]
    found = captions.pointing(tied.float(), scenes)
    assert found.accuracy == pytest.approx(sum(hits) / len(hits))
    uniform = captions.pointing(torch.full(inside.shape, 1 / 16), scenes)
    assert uniform.accuracy == pytest.approx(uniform.mass)


def test_scores_of_a_captioner(task):
    model = captioner(task)
    scores = captions.score_captioner(model, task, **DECODING)
    weights, loss = captions.caption_weights(model, task)
    assert loss == scores.loss
    assert loss == pytest.approx(model.loss(task.batch("test")).item(), rel=1e-5)
    assert weights.shape[1] == max(len(scene.caption) for scene in task.images["test"])
    points = captions.pointing(weights, task.images["test"])
    assert (scores.pointing, scores.mass) == points
    assert scores.exact == 0


def test_the_mean_points_nowhere(task):
    scores = captions.score_captioner(captioner(task, "mean"), task, **DECODING)
    assert scores.pointing != scores.pointing
    assert scores.mass == pytest.approx(0.125, abs=0.13)


def test_gates_are_those_of_the_next_word(task):
    model = captioner(task)
    with torch.no_grad():
        model.gate_proj.weight.zero_()
        model.gate_proj.bias.fill_(2.0)
    found = captions.gate_by_next_word(model, task)
    scenes = task.images["test"]
    assert len(found["digit"]) == sum(len(scene.digit_words) for scene in scenes)
    assert len(found["<eos>"]) == 5
    assert sum(map(len, found.values())) == sum(len(s.caption) + 1 for s in scenes)
    for values in found.values():
        assert values == pytest.approx(
            [torch.tensor(2.0).sigmoid().item()] * len(values)
        )
    assert not model.gate_proj._forward_hooks, "the hook is gone"


def test_boxes_of_words():
    scene = digit_scenes(train=1, test=1, min_digits=2, max_digits=2, seed=8).train[0]
    boxes = captions.boxes_of_words(scene)
    assert len(boxes) == len(scene.caption)
    assert boxes[scene.caption.index("and")] is None
    for number, word in enumerate(scene.digit_words):
        box = scene.boxes[number]
        assert boxes[word] == (box.top, box.left, 8)


def test_bleu_of_captions_by_order():
    wrong = [["a", "dog", "runs", "slowly"]]
    right = ("a", "dog", "runs", "fast")
    scores = captions.caption_bleu(wrong, [(right, ("cats",))])
    assert scores[1].score == pytest.approx(75)
    assert scores[2].score == pytest.approx(100 * (3 / 4 * 2 / 3) ** 0.5)
    assert "nrefs:2" in scores[4].signature


def test_annotations_come_from_the_encoder(task):
    class Rows(nn.Module):
        def forward(self, image):
            return Encoded(image, None)

    found = captions.scene_annotations(Rows(), task, device=CPU)
    assert_close(found["dev"][1], task.images["dev"][1].image)

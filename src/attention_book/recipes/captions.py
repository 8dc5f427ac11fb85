"""Captions: images with known contents, an encoder, and decoders trained and scored."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.data import DataLoader

from attention_book.data.captions.captions import (
    Caption,
    CaptionBatch,
    caption_batch,
    caption_loader,
)
from attention_book.data.captions.digit_scenes import (
    DigitScene,
    digit_scenes,
    named_locations,
    scene_images,
)
from attention_book.data.captions.flickr8k import (
    FlickrImage,
    flickr8k,
    flickr8k_images,
)
from attention_book.data.vocab import BOS, EOS, Vocab
from attention_book.decoding.translation import translate
from attention_book.evaluation.metrics import Bleu, exact_match
from attention_book.models.encoders.image import ImageClassifier
from attention_book.models.soft_hard import ShowAttendTell, ShowAttendTellConfig
from attention_book.training.loop import History, fit
from attention_book.training.runtime import seed_everything
from attention_book.training.schedules import linear_decay

PARTS = ("train", "dev", "test")

# The parts differ in their numbers of images.
Annotations = Float[Tensor, "_images locations dim"]
"""One vector for each location of each image of a part."""

Image = TypeVar("Image", DigitScene, FlickrImage)


@dataclass(frozen=True)
class CaptionTask(Generic[Image]):
    """Images with their captions in three parts, and what a decoder reads of them.

    Attributes:
        images: the images of "train", "dev" and "test".
        captions: of each part and image one or more captions, as words.
        vocab: the words of the training captions.
        annotations: of each part the annotation vectors (images, locations, dim), once
            there is an encoder: see :meth:`annotated`.
    """

    images: dict[str, list[Image]]
    captions: dict[str, list[tuple[Caption, ...]]]
    vocab: Vocab
    annotations: dict[str, Annotations] = field(default_factory=dict)

    def annotated(self, **annotations: Annotations) -> "CaptionTask[Image]":
        """Return the same task with other annotations for the parts named."""
        return replace(self, annotations=self.annotations | annotations)

    def references(self, part: str = "test") -> list[list[str]]:
        """Return the first caption of each image, as words."""
        return [list(group[0]) for group in self.captions[part]]

    def loader(
        self, part: str, *, batch_size: int, seed: int | None = None
    ) -> DataLoader:
        """Return batches of annotations with captions.

        Args:
            part: "train", "dev" or "test".
            batch_size: number of captions in a batch.
            seed: of the random order; None: the order of the images.
        """
        sources, captions = self.annotations[part], self.captions[part]
        return caption_loader(
            sources, captions, self.vocab, batch_size=batch_size, seed=seed
        )

    def batch(self, part: str, images: int | None = None) -> CaptionBatch:
        """Return the first images of a part, each with its first caption.

        Args:
            part: "train", "dev" or "test".
            images: how many; None: all.
        """
        first = [group[:1] for group in self.captions[part][:images]]
        return caption_batch(self.annotations[part][:images], first, self.vocab)


def scene_task(
    *,
    train: int,
    dev: int,
    test: int,
    max_digits: int,
    seed: int,
    size: int = 32,
    step: int = 1,
    limit: int | None = None,
) -> CaptionTask[DigitScene]:
    """Digit scenes to caption, each with its one right caption.

    Args:
        train: number of scenes to learn from.
        dev: number of scenes to choose an epoch by.
        test: number of scenes to report.
        max_digits: most digits of a scene; the fewest is 1.
        seed: decides the scenes.
        size: height and width of an image in pixels.
        step: digits stand at multiples of so many pixels.
        limit: keep only so many of each part; None: all.

    Example:
        >>> task = scene_task(train=5, dev=2, test=2, max_digits=2, seed=0)
        >>> {part: len(scenes) for part, scenes in task.images.items()}
        {'train': 5, 'dev': 2, 'test': 2}
    """
    splits = digit_scenes(
        train=train,
        dev=dev,
        test=test,
        max_digits=max_digits,
        size=size,
        step=step,
        seed=seed,
    )
    images = {part: getattr(splits, part)[:limit] for part in PARTS}
    captions: dict[str, list[tuple[Caption, ...]]] = {
        part: [(scene.caption,) for scene in scenes] for part, scenes in images.items()
    }
    return CaptionTask(images, captions, _vocab(captions["train"], 1))


def photograph_task(
    *, min_count: int = 5, limit: int | None = None
) -> CaptionTask[FlickrImage]:
    """The photographs of Flickr8k by name, five captions each.

    Download: 3.1 MB; the photographs themselves are read by :func:`vgg_annotations`.

    Args:
        min_count: how often a word of the training captions must occur to be kept.
        limit: keep only so many images of each part; None: all.
    """
    images = {part: flickr8k(part)[:limit] for part in PARTS}
    captions = {part: [image.captions for image in images[part]] for part in PARTS}
    return CaptionTask(images, captions, _vocab(captions["train"], min_count))


def train_encoder(
    encoder: nn.Module,
    *,
    annotation_dim: int,
    train: int = 3000,
    test: int = 300,
    step: int = 1,
    epochs: int = 4,
    batch_size: int = 50,
    learning_rate: float = 6e-3,
    seed: int,
    device: torch.device,
    limit: int | None = None,
) -> Bool[Tensor, " scenes"]:
    """Train an encoder to name the digit of scenes with one digit.

    It is never told where the digit is.

    Args:
        encoder: from images to annotations; it stays on ``device``, in eval mode.
        annotation_dim: size of an annotation.
        train: number of scenes to learn from.
        test: number of scenes to test with.
        step: digits stand at multiples of so many pixels.
        epochs: runs through the scenes.
        batch_size: number of scenes in a batch.
        learning_rate: of Adam at the first step; it falls linearly to 0.
        seed: decides scenes and batches.
        device: where to train.
        limit: keep only so many scenes of each part; None: all.

    Returns:
        For each test scene whether its digit was named.
    """
    ones = digit_scenes(train=train, test=test, max_digits=1, step=step, seed=seed)
    parts = {"train": ones.train[:limit], "test": ones.test[:limit]}
    # The second word of "a seven top left" names the digit.
    names = {
        part: [((scene.caption[1],),) for scene in scenes]
        for part, scenes in parts.items()
    }
    vocab = Vocab(word for ((word,),) in names["train"])
    classifier = ImageClassifier(encoder, annotation_dim, len(vocab))
    loader = caption_loader(
        scene_images(parts["train"]),
        names["train"],
        vocab,
        batch_size=batch_size,
        seed=seed,
    )
    fit(
        classifier,
        loader,
        epochs=epochs,
        learning_rate=learning_rate,
        schedule=linear_decay(epochs * len(loader)),
        device=device,
        description="encoder",
    )
    with torch.no_grad():
        logits = classifier(scene_images(parts["test"]).to(device))
    wanted = torch.tensor(vocab.encode(word for ((word,),) in names["test"]))
    return logits.argmax(dim=-1).cpu() == wanted


@torch.no_grad()
def scene_annotations(
    encoder: nn.Module, task: CaptionTask[DigitScene], *, device: torch.device
) -> dict[str, Annotations]:
    """Return an encoder's annotations of the scenes of all parts, on the CPU."""
    return {
        part: encoder(scene_images(scenes).to(device)).annotations.cpu()
        for part, scenes in task.images.items()
    }


@torch.no_grad()
def vgg_annotations(
    task: CaptionTask[FlickrImage], *, device: torch.device
) -> dict[str, Annotations]:
    """Annotations of photographs: 14 x 14 locations of 512 features.

    The features are those of the last convolution of a VGG-19 that was trained on
    ImageNet, before its pooling layer.

    Download: about 1.1 GB of photographs and 0.5 GB of weights, once.

    Args:
        task: of :func:`photograph_task`.
        device: where the network runs.

    Returns:
        The annotations of each part, on the CPU.

    Raises:
        ImportError: if torchvision is missing.
    """
    try:
        from torchvision.models import VGG19_Weights, vgg19
    except ImportError as error:
        raise ImportError(
            'preset="full" needs torchvision: pip install torchvision'
        ) from error
    pretrained = VGG19_Weights.IMAGENET1K_V1
    network = vgg19(weights=pretrained).features[:36].eval().to(device)
    prepare = pretrained.transforms()
    annotations = {}
    for part, images in task.images.items():
        found = []
        for photograph in flickr8k_images([image.name for image in images]):
            maps = network(prepare(photograph)[None].to(device))
            found.append(maps.flatten(2).transpose(1, 2)[0].cpu())
        annotations[part] = torch.stack(found)
    return annotations


@dataclass(frozen=True, kw_only=True)
class CaptionTraining:
    """How a captioner is trained: Adam, with a rate that falls linearly to 0.

    Attributes:
        epochs: runs through the captions.
        batch_size: number of captions in a training batch.
        learning_rate: of the first step.
        dev_batch_size: number of captions in a batch of the dev set.
        seed: of the order of the captions.
        device: where to train.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    dev_batch_size: int
    seed: int
    device: torch.device


def build_captioner(
    task: CaptionTask, kind: str, *, seed: int, **fields: Any
) -> ShowAttendTell:
    """Make a captioner for the words of a task, its initial values from a seed.

    Args:
        task: with the vocabulary.
        kind: "soft", "hard", "gumbel" or "mean".
        seed: for :func:`attention_book.training.runtime.seed_everything`.
        **fields: the other fields of a
            :class:`attention_book.models.soft_hard.ShowAttendTellConfig`.
    """
    seed_everything(seed)
    config = ShowAttendTellConfig(kind=kind, target_vocab=len(task.vocab), **fields)
    return ShowAttendTell(config)


def train_captioner(
    model: ShowAttendTell,
    task: CaptionTask,
    training: CaptionTraining,
    name: str,
    *,
    checkpoint: Path | None = None,
    on_step: Callable[[int], None] | None = None,
) -> History:
    """Train a captioner; it ends with the weights of its best epoch by dev loss.

    Args:
        model: the captioner.
        task: with annotations.
        training: how long and how fast.
        name: what the progress bar says.
        checkpoint: file that holds the run; None: it is not saved.
        on_step: as in :func:`attention_book.training.loop.fit`.
    """
    loader = task.loader("train", batch_size=training.batch_size, seed=training.seed)
    return fit(
        model,
        loader,
        epochs=training.epochs,
        learning_rate=training.learning_rate,
        schedule=linear_decay(training.epochs * len(loader)),
        clip_norm=1.0,
        dev_loader=task.loader("dev", batch_size=training.dev_batch_size),
        device=training.device,
        checkpoint=checkpoint,
        on_step=on_step,
        description=name,
    )


def write_captions(
    model: ShowAttendTell,
    task: CaptionTask,
    *,
    max_tokens: int,
    device: torch.device,
    sample: bool = False,
) -> list[list[str]]:
    """Caption the test images by greedy search.

    Args:
        model: the captioner.
        task: with annotations.
        max_tokens: longest caption in tokens, ``<eos>`` included.
        device: where to decode.
        sample: whether hard attention draws the location of each step by its weight;
            False: it takes the location of the largest weight.

    Returns:
        One caption for each image, as words.
    """
    sources, captions = task.annotations["test"], task.captions["test"]
    loader = caption_loader(
        sources, [group[:1] for group in captions], task.vocab, batch_size=500
    )
    model.sample_in_eval = sample
    found = translate(
        model, loader, bos=BOS, eos=EOS, max_tokens=max_tokens, device=device
    )
    model.sample_in_eval = False
    return [task.vocab.decode(hypothesis.tokens) for hypothesis in found]


class Pointing(NamedTuple):
    """Whether weights lie on the digit that is being named.

    Attributes:
        accuracy: how often the largest weight lies in the digit's box, as a fraction of
            the words that name a digit.
        mass: mean weight within the box, from 0 to 1.
    """

    accuracy: float
    mass: float


@torch.no_grad()
def caption_weights(
    model: ShowAttendTell, task: CaptionTask
) -> tuple[Float[Tensor, "images words locations"], float]:
    """Weights and loss while a captioner reads the right captions of the test images.

    Returns:
        The weights of the step that writes each word, without the step of ``<eos>``,
        and the mean negative log-likelihood in nats per token; both on the CPU.
    """
    batch = task.batch("test")
    log_likelihood, result = model.cpu().eval().log_likelihood(batch)
    loss = -(log_likelihood.sum() / batch.num_tokens).item()
    return result.weights[:, :-1], loss


def pointing(
    weights: Float[Tensor, "images words locations"], scenes: Sequence[DigitScene]
) -> Pointing:
    """Score weights against the known boxes of the digits that the captions name.

    Of equally large weights each one counts as its share: uniform weights have the
    accuracy of pointing at random, whatever the order of the locations.

    Args:
        weights: of the words of each caption over the locations of a square grid.
        scenes: the images of these captions.

    Example:
        >>> scene = digit_scenes(train=1, test=1, seed=8).train
        >>> pointing(torch.full((1, 9, 64), 1 / 64), scene).mass  # a box covers 4 of 64
        0.0625
    """
    inside, is_digit = named_locations(scenes, grid=round(weights.shape[-1] ** 0.5))
    return pointing_on(weights, inside, is_digit)


def pointing_on(
    weights: Float[Tensor, "rows words positions"],
    marked: Bool[Tensor, "rows words positions"],
    counted: Bool[Tensor, "rows words"],
) -> Pointing:
    """Score weights against the positions that each word is about.

    Of equally large weights each one counts as its share.

    Args:
        weights: of the words over the positions of any input.
        marked: True at the positions that a word is about.
        counted: True at the words that count.

    Example:
        >>> marked = torch.tensor([[[True, False, False]]])
        >>> weights = torch.tensor([[[0.5, 0.5, 0.0]]])
        >>> pointing_on(weights, marked, marked.any(dim=-1))
        Pointing(accuracy=0.5, mass=0.5)
    """
    largest = weights == weights.amax(dim=-1, keepdim=True)
    hit = ((largest & marked).sum(dim=-1) / largest.sum(dim=-1))[counted]
    mass = (weights * marked).sum(dim=-1)[counted]
    return Pointing(hit.mean().item(), mass.mean().item())


class CaptionScores(NamedTuple):
    """How well a captioner writes and points.

    Attributes:
        exact: captions of which every word is right, as a fraction.
        pointing: accuracy of the largest weight; see :class:`Pointing`.
        mass: mean weight within the box of the digit.
        loss: mean negative log-likelihood in nats per token.
    """

    exact: float
    pointing: float
    mass: float
    loss: float


def score_captioner(
    model: ShowAttendTell,
    task: CaptionTask[DigitScene],
    *,
    max_tokens: int,
    device: torch.device,
) -> CaptionScores:
    """Score a captioner on the test scenes.

    A decoder that sees the mean has no largest weight: its pointing accuracy is NaN.

    Args:
        model: the captioner.
        task: of scenes, with annotations.
        max_tokens: longest caption in tokens.
        device: where to decode.
    """
    weights, loss = caption_weights(model, task)
    points = pointing(weights, task.images["test"])
    written = write_captions(model, task, max_tokens=max_tokens, device=device)
    return CaptionScores(
        exact=exact_match(written, task.references()).mean(),
        pointing=float("nan") if model.config.kind == "mean" else points.accuracy,
        mass=points.mass,
        loss=loss,
    )


def gate_by_next_word(
    model: ShowAttendTell, task: CaptionTask[DigitScene]
) -> dict[str, list[float]]:
    """The gate of a soft captioner on the test scenes, by the word that it writes next.

    Returns:
        Gates from 0 (closed) to 1 for each word, the words that name a digit together
        under "digit", and ``<eos>``.
    """
    gates: list[Tensor] = []
    hook = model.gate_proj.register_forward_hook(
        lambda _module, _args, output: gates.append(output.detach().sigmoid())
    )
    try:
        caption_weights(model, task)
    finally:
        hook.remove()
    found = defaultdict(list)
    for row, scene in zip(torch.cat(gates, dim=1), task.images["test"], strict=True):
        for step, word in enumerate([*scene.caption, "<eos>"]):
            name = "digit" if step in scene.digit_words else word
            found[name].append(row[step].item())
    return dict(found)


def boxes_of_words(scene: DigitScene) -> list[tuple[int, int, int] | None]:
    """For each word of a scene's caption the box of its digit: top, left and side.

    Returns:
        Boxes in pixels; None for a word between two digits.
    """
    boxes = [(box.top, box.left, box.side) for box in scene.boxes]
    return [None if owner is None else boxes[owner] for owner in scene.owners]


def caption_bleu(
    captions: list[list[str]], references: list[tuple[Caption, ...]]
) -> dict[int, Bleu]:
    """BLEU-1 to BLEU-4 of captions in lower case, by sacrebleu.

    Args:
        captions: one for each image, as words.
        references: of each image equally many captions, as words.

    Returns:
        The score with its signature, by the longest n-gram that is counted.

    Example:
        >>> words = ("a", "dog", "runs", "fast")
        >>> round(caption_bleu([list(words)], [(words, words)])[2].score)
        100
    """
    from sacrebleu.metrics import BLEU  # here: it takes long and few runs need it

    hypotheses = [" ".join(words) for words in captions]
    texts = [[" ".join(words) for words in group] for group in references]
    scores = {}
    for longest in (1, 2, 3, 4):
        metric = BLEU(max_ngram_order=longest, tokenize="none", lowercase=True)
        result = metric.corpus_score(hypotheses, list(zip(*texts, strict=True)))
        scores[longest] = Bleu(result.score, metric.get_signature().format())
    return scores


def _vocab(captions: list[tuple[Caption, ...]], min_count: int) -> Vocab:
    return Vocab(
        (word for group in captions for words in group for word in words),
        min_count=min_count,
    )

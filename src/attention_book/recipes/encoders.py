"""One decoder over words, images, clips and speech: tasks, training, scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.data import DataLoader

from attention_book.data.captions.captions import caption_loader
from attention_book.data.captions.digit_scenes import (
    digit_scenes,
    named_locations,
    scene_images,
)
from attention_book.data.captions.frames import frame_loader
from attention_book.data.captions.moving_digits import (
    DigitClip,
    moving_digits,
    shown_frames,
)
from attention_book.data.speech.tones import ToneUtterance, tone_frames, tones
from attention_book.data.translation.numbers import number_pairs
from attention_book.data.translation.pairs import Pair, pair_loader
from attention_book.data.vocab import BOS, EOS, Vocab
from attention_book.decoding.translation import translate
from attention_book.evaluation.edits import Edits, total_edits
from attention_book.evaluation.metrics import exact_match
from attention_book.models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from attention_book.models.encoders import (
    BidirectionalGRU,
    CellEncoder,
    FrameEncoder,
    ImageClassifier,
    PrecomputedEncoder,
    StridedSpeechEncoder,
    WordEncoder,
)
from attention_book.recipes.captions import Pointing, pointing_on
from attention_book.recipes.translation import decoder_weights, make_vocabs
from attention_book.training.loop import History, fit
from attention_book.training.runtime import seed_everything
from attention_book.training.schedules import linear_decay

FRAME_SIDE = 12
"""Height and width of a frame, in pixels."""

EVALUATION_BATCH = 500
"""Inputs in a batch where nothing is trained."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EncoderTask:
    """Inputs of one kind, what is to be written about them, and where it can be seen.

    Attributes:
        name: of the kind of input.
        unit: what an annotation stands for, in words.
        inputs: the inputs of "train" and "test".
        vocab: the words that are written in the training part.
        max_tokens: longest output in tokens, ``<eos>`` included.
        caption: the right words of an input.
        load: makes a loader of inputs, called as ``load(inputs, batch_size=...,
            seed=...)``.
        mark: for some inputs, and for each of their words, the annotations that it is
            about; nowhere for a word that is about none.
        encode: makes a new encoder.
    """

    name: str
    unit: str
    inputs: Mapping[str, Sequence[Any]]
    vocab: Vocab
    max_tokens: int
    caption: Callable[[Any], Sequence[str]]
    load: Callable[..., DataLoader]
    mark: Callable[[Sequence[Any]], Bool[Tensor, "rows words positions"]]
    encode: Callable[[], nn.Module]

    def references(self) -> list[list[str]]:
        """Return the right words of each test input."""
        return [list(self.caption(one)) for one in self.inputs["test"]]

    def batch(self, inputs: Sequence[Any]) -> Any:
        """Put inputs into one batch."""
        return next(iter(self.load(inputs, batch_size=len(inputs))))

    def tested_on(self, inputs: Sequence[Any]) -> "EncoderTask":
        """Return the same task with other test inputs."""
        return replace(self, inputs={**self.inputs, "test": inputs})

    def build(self, *, seed: int, **fields: Any) -> EncoderDecoder:
        """Make a model for this task, its initial values from a seed.

        Args:
            seed: for :func:`attention_book.training.runtime.seed_everything`.
            **fields: of an
                :class:`attention_book.models.encoder_decoder.EncoderDecoderConfig`.
        """
        seed_everything(seed)
        config = EncoderDecoderConfig(target_vocab=len(self.vocab), **fields)
        return EncoderDecoder(config, self.encode())


def text_task(
    *,
    train: int,
    test: int,
    max_digits: int,
    annotation_dim: int,
    seed: int,
    limit: int | None = None,
) -> EncoderTask:
    """Numbers in English words, to be written in German words.

    Args:
        train: number of pairs to learn from.
        test: number of pairs to report.
        max_digits: most digits of a number.
        annotation_dim: size of an annotation.
        seed: decides the numbers.
        limit: most pairs of each part; None: all.

    Example:
        >>> task = text_task(train=50, test=5, max_digits=3, annotation_dim=6, seed=0)
        >>> task.references()[0]
        ['fünfzehn']
    """
    parts = number_pairs(
        "en",
        "de",
        train=train,
        test=test,
        max_digits=max_digits,
        seed=seed,
        limit=limit,
    )
    vocabs = make_vocabs(parts.train)

    def load(inputs: Sequence[Pair], **options: Any) -> DataLoader:
        return pair_loader(inputs, vocabs, **options)

    return EncoderTask(
        name="text",
        unit="a word",
        inputs={"train": parts.train, "test": parts.test},
        vocab=vocabs[1],
        max_tokens=1 + max(len(pair.target) for pair in parts.train),
        caption=lambda pair: pair.target,
        load=load,
        mark=linked_words,
        encode=lambda: WordEncoder(len(vocabs[0]), annotation_dim, annotation_dim),
    )


def image_task(
    *, train: int, test: int, annotation_dim: int, seed: int, limit: int | None = None
) -> EncoderTask:
    """Images of one or two digits in cells of their own, to be described.

    Args:
        train: number of images to learn from.
        test: number of images to report.
        annotation_dim: size of an annotation.
        seed: decides the images.
        limit: most images of each part; None: all.

    Example:
        >>> task = image_task(train=5, test=1, annotation_dim=6, seed=1)
        >>> " ".join(task.references()[0])
        'a nine top right'
    """
    cell, size = 8, 32
    counts = _limited(limit, train=train, test=test)
    parts = digit_scenes(**counts, max_digits=2, step=cell, size=size, seed=seed)
    scenes = {"train": parts.train, "test": parts.test}
    vocab = Vocab(word for scene in scenes["train"] for word in scene.caption)

    def load(inputs: Sequence[Any], **options: Any) -> DataLoader:
        captions = [(scene.caption,) for scene in inputs]
        return caption_loader(scene_images(inputs), captions, vocab, **options)

    def mark(inputs: Sequence[Any]) -> Bool[Tensor, "rows words positions"]:
        inside, is_digit = named_locations(inputs, grid=size // cell)
        return inside & is_digit[..., None]

    return EncoderTask(
        name="image",
        unit="a cell of 8 x 8 pixels",
        inputs=scenes,
        vocab=vocab,
        max_tokens=10,
        caption=lambda scene: scene.caption,
        load=load,
        mark=mark,
        encode=lambda: CellEncoder(annotation_dim, 64, cell),
    )


def train_frame_encoder(
    *,
    annotation_dim: int,
    train: int,
    test: int = 300,
    hidden_dim: int = 16,
    epochs: int = 4,
    seed: int,
    device: torch.device,
    limit: int | None = None,
) -> tuple[FrameEncoder, float]:
    """Train an encoder to name the digit of single frames, before there are any clips.

    Args:
        annotation_dim: size of an annotation.
        train: number of frames to learn from.
        test: number of frames to test with.
        hidden_dim: as for :class:`attention_book.models.encoders.video.FrameEncoder`.
        epochs: runs through the frames.
        seed: decides frames, batches and initial values.
        device: where to train; the encoder ends on the CPU, in eval mode.
        limit: most frames of each part; None: all.

    Returns:
        The encoder, and which share of the test frames it names right.
    """
    ones = moving_digits(
        **_limited(limit, train=train, test=test),
        max_digits=1,
        min_shown=1,
        max_shown=1,
        max_gap=0,
        size=FRAME_SIDE,
        seed=seed,
    )
    parts = {"train": ones.train, "test": ones.test}
    frames = _spoken(parts, max_tokens=2)
    seed_everything(seed)
    encoder = FrameEncoder(annotation_dim, hidden_dim)
    classifier = ImageClassifier(encoder, annotation_dim, len(frames["vocab"]))
    loader = frames["load"](parts["train"], batch_size=25, seed=seed)
    fit(
        classifier,
        loader,
        epochs=epochs,
        learning_rate=1e-2,
        schedule=linear_decay(epochs * len(loader)),
        device=device,
        description="frames",
    )
    classifier.cpu().eval()
    batch = next(iter(frames["load"](parts["test"], batch_size=len(parts["test"]))))
    with torch.no_grad():
        right = classifier(batch.source).argmax(dim=-1) == batch.target[:, 1]
    return encoder, right.float().mean().item()


class EncodedClip(NamedTuple):
    """A clip as an encoder of single frames sees it.

    Attributes:
        frames: a vector for each frame.
        caption: names of the digits.
        clip: the clip itself.
    """

    frames: Float[Tensor, "frames annotation_dim"]
    caption: Sequence[str]
    clip: DigitClip


@torch.no_grad()
def video_task(
    frame_encoder: FrameEncoder,
    *,
    train: int,
    test: int,
    annotation_dim: int,
    seed: int,
    limit: int | None = None,
) -> EncoderTask:
    """Clips in which up to three digits move past, to be named in order.

    Args:
        frame_encoder: makes a vector of each frame; it is not trained further.
        train: number of clips to learn from.
        test: number of clips to report.
        annotation_dim: size of an annotation, and of a frame's vector.
        seed: decides the clips.
        limit: most clips of each part; None: all.

    Example:
        >>> task = video_task(
        ...     FrameEncoder(6, 2), train=5, test=1, annotation_dim=6, seed=0
        ... )
        >>> len(task.references()[0]) == len(task.inputs["test"][0].clip.appearances)
        True
    """
    counts = _limited(limit, train=train, test=test)
    parts = moving_digits(**counts, max_shown=3, max_gap=1, size=FRAME_SIDE, seed=seed)
    clips = {
        part: [
            EncodedClip(
                frame_encoder(clip.frames[None]).annotations[0], clip.caption, clip
            )
            for clip in getattr(parts, part)
        ]
        for part in ("train", "test")
    }
    return EncoderTask(
        name="video",
        unit="a frame",
        inputs=clips,
        mark=lambda inputs: shown_frames([one.clip for one in inputs]),
        encode=lambda: BidirectionalGRU(annotation_dim, annotation_dim // 2),
        **_spoken(clips, max_tokens=6),
    )


def without_order(task: EncoderTask) -> EncoderTask:
    """Return a task whose decoder gets the vectors of single frames, as a set."""
    return replace(task, encode=PrecomputedEncoder)


def speech_task(
    *,
    train: int,
    test: int,
    annotation_dim: int,
    seed: int,
    limit: int | None = None,
    max_digits: int = 5,
    strides: Sequence[int] = (2, 2),
    **sound: Any,
) -> EncoderTask:
    """Dialled numbers as log-mel frames, to be written as digits.

    Args:
        train: number of utterances to learn from.
        test: number of utterances to report.
        annotation_dim: size of an annotation.
        seed: decides the utterances.
        limit: most utterances of each part; None: all.
        max_digits: most digits of an utterance.
        strides: of the encoder's layers; their product is frames for each annotation.
        **sound: further arguments of :func:`attention_book.data.speech.tones.tones`.

    Example:
        >>> task = speech_task(train=5, test=1, annotation_dim=6, seed=0)
        >>> task.references(), task.unit
        ([['three', 'seven', 'seven']], '0.04 seconds')
    """
    counts = _limited(limit, train=train, test=test)
    parts = tones(**counts, max_digits=max_digits, seed=seed, **sound)
    spoken = {"train": parts.train, "test": parts.test}
    num_mels = spoken["train"][0].frames.shape[1]

    def encode() -> StridedSpeechEncoder:
        return StridedSpeechEncoder(
            num_mels, annotation_dim, annotation_dim, strides=strides
        )

    reduction = encode().reduction
    return EncoderTask(
        name="speech",
        unit=f"{reduction / 100:g} seconds",
        inputs=spoken,
        mark=lambda inputs: tone_frames(inputs, reduction),
        encode=encode,
        **_spoken(spoken, max_tokens=3 * max_digits),
    )


def _limited(limit: int | None, **counts: int) -> dict[str, Any]:
    """What is to be drawn: what a limit cuts off need not be."""
    return {part: min(count, limit or count) for part, count in counts.items()}


def _spoken(parts: dict[str, Any], *, max_tokens: int) -> dict[str, Any]:
    """What clips and utterances share: frames, and digits that are named in order."""
    vocab = Vocab(word for one in parts["train"] for word in one.caption)

    def load(inputs: Sequence[Any], **options: Any) -> DataLoader:
        frames, captions = zip(
            *((one.frames, one.caption) for one in inputs), strict=True
        )
        return frame_loader(frames, captions, vocab, **options)

    return {
        "vocab": vocab,
        "max_tokens": max_tokens,
        "caption": lambda one: one.caption,
        "load": load,
    }


def linked_words(pairs: Sequence[Pair]) -> Bool[Tensor, "rows words positions"]:
    """For each target word of pairs, the source words that it is linked with.

    Args:
        pairs: padded to the longest target, and to the longest source and its
            ``<eos>``; those without an alignment have no links.

    Example:
        >>> pair = Pair(("two", "one"), ("eins", "zwei"), frozenset({(0, 1), (1, 0)}))
        >>> linked_words([pair]).int()
        tensor([[[0, 1, 0],
                 [1, 0, 0]]], dtype=torch.int32)
    """
    words = max(len(pair.target) for pair in pairs)
    positions = 1 + max(len(pair.source) for pair in pairs)
    marked = torch.zeros(len(pairs), words, positions, dtype=torch.bool)
    for row, pair in enumerate(pairs):
        for source, target in pair.alignment or ():
            marked[row, target, source] = True
    return marked


@dataclass(frozen=True, kw_only=True)
class EncoderTraining:
    """How a model is trained: Adam, with a rate that falls linearly to 0.

    Attributes:
        epochs: runs through the inputs.
        batch_size: inputs in a batch.
        learning_rate: of the first step.
        seed: of the order of the inputs, and of the initial values.
        device: where to train.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    device: torch.device


def train_encoder_decoder(
    task: EncoderTask,
    training: EncoderTraining,
    *,
    name: str,
    checkpoint: Path | None = None,
    **fields: Any,
) -> tuple[EncoderDecoder, History]:
    """Build and train a model; it ends with its last weights, in eval mode.

    Args:
        task: what is learned.
        training: how long and how fast.
        name: what the progress bar says.
        checkpoint: file that holds the run; None: it is not saved.
        **fields: as for :meth:`EncoderTask.build`.
    """
    model = task.build(seed=training.seed, **fields)
    inputs = task.inputs["train"]
    loader = task.load(inputs, batch_size=training.batch_size, seed=training.seed)
    history = fit(
        model,
        loader,
        epochs=training.epochs,
        learning_rate=training.learning_rate,
        schedule=linear_decay(training.epochs * len(loader)),
        clip_norm=1.0,
        device=training.device,
        checkpoint=checkpoint,
        description=name,
    )
    return model.eval(), history


def write_outputs(
    model: EncoderDecoder, task: EncoderTask, *, device: torch.device
) -> list[list[str]]:
    """Write about the test inputs by greedy search.

    Returns:
        The words of each output.
    """
    loader = task.load(task.inputs["test"], batch_size=EVALUATION_BATCH)
    found = translate(
        model, loader, bos=BOS, eos=EOS, max_tokens=task.max_tokens, device=device
    )
    return [task.vocab.decode(hypothesis.tokens) for hypothesis in found]


def path_weights(
    model: EncoderDecoder, task: EncoderTask, inputs: Sequence[Any]
) -> Float[Tensor, "rows words positions"]:
    """Weights of the step that writes each word, while a model reads the right ones.

    Args:
        model: with attention; it is moved to the CPU.
        task: what it has learned.
        inputs: what is read.

    Returns:
        Without the step of ``<eos>``.
    """
    return decoder_weights(model.cpu(), task.batch(inputs))[:, :-1]


class EncoderScores(NamedTuple):
    """How well a model writes, and where it looks while it reads the right words.

    Attributes:
        exact: outputs of which every word is right, as a fraction.
        error: how often the largest weight lies off what the word is about; NaN without
            attention.
        mass: mean weight on what the word is about; NaN without attention.
        chance: ``error`` of uniform weights.
        edits: changes that would make the outputs right.
        num_words: words of the right outputs.
    """

    exact: float
    error: float
    mass: float
    chance: float
    edits: Edits
    num_words: int


def score_model(
    model: EncoderDecoder, task: EncoderTask, *, device: torch.device
) -> EncoderScores:
    """Score a model on the test inputs of a task.

    Args:
        model: the model; it ends on the CPU.
        task: what it has learned.
        device: where to decode.
    """
    outputs, references = write_outputs(model, task, device=device), task.references()
    inputs = task.inputs["test"]
    marked, batch = task.mark(inputs), task.batch(inputs)
    counted = marked.any(dim=-1)
    with torch.no_grad():
        mask = model.cpu().encoder(batch.source, batch.source_mask).mask
    allowed = torch.ones_like(marked[:, 0]) if mask is None else mask
    uniform = (allowed / allowed.sum(dim=1, keepdim=True))[:, None].expand(marked.shape)
    chance = pointing_on(uniform, marked, counted)
    points = Pointing(float("nan"), float("nan"))
    if model.config.score != "mean":
        points = pointing_on(path_weights(model, task, inputs), marked, counted)
    return EncoderScores(
        exact=float(exact_match(outputs, references).mean()),
        error=1 - points.accuracy,
        mass=points.mass,
        chance=1 - chance.accuracy,
        edits=total_edits(outputs, references),
        num_words=sum(map(len, references)),
    )


def shortest(task: EncoderTask, num_words: int) -> Any:
    """Return the shortest test input about which exactly so many words are written.

    Args:
        task: with the test inputs.
        num_words: how many; if there is no such input, the first one is returned.

    Example:
        >>> task = text_task(train=50, test=9, max_digits=3, annotation_dim=6, seed=0)
        >>> " ".join(shortest(task, 3).source)
        'eighty five'
    """
    inputs = task.inputs["test"]
    fitting = [one for one in inputs if len(task.caption(one)) == num_words]

    def length(one: Any) -> int:
        return len(getattr(one, "frames", ()))

    return min(fitting, key=length, default=inputs[0])


def has_repeat(utterance: ToneUtterance) -> bool:
    """Whether a digit equals the one before it.

    Example:
        >>> has_repeat(tones(train=1, test=1, seed=1).train[0])  # five, five, four
        True
    """
    return any(one == other for one, other in pairwise(utterance.caption))


def by_repeats(task: EncoderTask) -> dict[str, EncoderTask]:
    """Divide the test utterances by whether a digit is dialled twice in a row.

    Args:
        task: of speech.

    Returns:
        The task with the test utterances of "no repeats" and of "repeats"; without a
        part that would be empty.
    """
    parts: dict[str, list[ToneUtterance]] = {"no repeats": [], "repeats": []}
    for one in task.inputs["test"]:
        parts["repeats" if has_repeat(one) else "no repeats"].append(one)
    return {name: task.tested_on(found) for name, found in parts.items() if found}


def longer_speech(
    task: EncoderTask, num_digits: int, *, test: int, seed: int, **sound: Any
) -> EncoderTask:
    """Return a task of speech with test utterances of another length.

    Args:
        task: of speech.
        num_digits: digits of each utterance.
        test: number of utterances.
        seed: decides the utterances.
        **sound: as for :func:`speech_task`.
    """
    long = tones(
        train=1,
        test=test,
        min_digits=num_digits,
        max_digits=num_digits,
        seed=seed,
        **sound,
    )
    return replace(task.tested_on(long.test), max_tokens=3 * num_digits)

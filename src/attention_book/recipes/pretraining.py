"""Pre-training BERT: texts, objectives, baselines, heads and guesses."""

import operator
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attention_book.data.corpora.brown import brown
from attention_book.data.corpora.wikitext import wikitext_2
from attention_book.data.loader import make_loader
from attention_book.data.pretraining import (
    MaskedExample,
    Masking,
    PretrainingBatch,
    SegmentPair,
    TextEncoder,
    join_segments,
    masked_batch,
    next_word_example,
    pretraining_batch,
    segment_pairs,
    static_loader,
    static_masks,
)
from attention_book.data.vocab import PAD
from attention_book.evaluation.heads import Weights, keys_at, share_of_weight
from attention_book.models.bert import Bert, BertConfig, BertPretraining
from attention_book.models.transformer.layers import nonpad_indices
from attention_book.observe import record_weights
from attention_book.training.loop import History, fit
from attention_book.training.optimizers import bert_optimizer
from attention_book.training.runtime import seed_everything
from attention_book.training.schedules import bert_decay
from attention_book.training.watch import Watch

# scipy is imported where it is used: it takes longer than the whole package.

EVALUATION_BATCH = 100
"""Texts in a batch where nothing is trained."""

BLANK_PIECE = "[MASK]"
"""What stands for a missing word in a text that a reader types."""

Texts = Sequence[Sequence[str]]
"""Documents, each as its sentences."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a model is pre-trained to do.

    Attributes:
        predict: "chosen" words alone, as BERT; "all" words, those that it can see
            included; or the "next" word at every token, with nothing hidden.
        causal: whether a token sees the left side only.
        next_sentence: whether it also learns to tell whether two segments belong
            together.
        mask_p: probability that the mask stands in the place of a chosen word.
        random_p: probability that a random one does.
    """

    predict: Literal["chosen", "all", "next"] = "chosen"
    causal: bool = False
    next_sentence: bool = True
    mask_p: float = 0.8
    random_p: float = 0.1

    def batch(
        self,
        pairs: Sequence[SegmentPair],
        masking: Masking,
        generator: torch.Generator,
    ) -> PretrainingBatch:
        """Make a batch of pairs, with masks drawn anew.

        Args:
            pairs: the texts.
            masking: of these probabilities, or of others.
            generator: of all random choices.
        """
        batch = masked_batch(pairs, masking, generator)
        if self.predict == "chosen":
            return batch
        marks = torch.tensor([PAD, masking.marks.cls, masking.marks.sep])
        chosen = ~torch.isin(batch.target, marks)
        batch = replace(batch, chosen=chosen, num_chosen=int(chosen.sum()))
        if self.predict == "all":
            return batch
        # Nothing is hidden, and each word is asked for at the token before it.
        return replace(
            batch,
            ids=batch.target,
            chosen=chosen.roll(-1, dims=1),
            target=batch.target.roll(-1, dims=1),
        )


OBJECTIVES = {
    "BERT": Objective(),
    "without next sentence": Objective(next_sentence=False),
    "[MASK] alone": Objective(mask_p=1.0, random_p=0.0),
    "left side alone": Objective(causal=True),
    "left to right": Objective(predict="next", causal=True, next_sentence=False),
    "loss at all words": Objective(predict="all"),
    "nothing hidden": Objective(predict="all", mask_p=0.0, random_p=0.0),
}
"""BERT's objective; four that differ from it by what the paper's ablations change; and
two mistakes. "Left side alone" is BERT with the same masks and a causal mask besides;
"left to right" is the usual language model."""


@dataclass(frozen=True, kw_only=True)
class PretrainingPlan:
    """How a model is pre-trained, apart from the objective.

    Attributes:
        epochs: runs through the pairs; masks are drawn anew in each.
        batch_size: pairs in a batch.
        learning_rate: at the end of the warm-up.
        warmup: share of the steps in which the rate rises, from 0 to below 1.
        weight_decay: of matrices and embeddings.
        clip_norm: longest gradient.
        frequencies: whether the output's bias starts at the logarithm of the words'
            frequencies; in the authors' code it starts at 0. With a bias of 0 a short
            training spends much of its time on learning how frequent words are.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    frequencies: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class PretrainingTask:
    """Text to pre-train on, and held-out text with its masks.

    Attributes:
        encoder: text to ids and back.
        train: pairs of segments to learn from.
        test: held-out pairs; each of their chosen words is hidden by the mask.
        max_tokens: of the longest input.
        device: where models are trained and run.
    """

    encoder: TextEncoder
    train: Sequence[SegmentPair]
    test: Sequence[MaskedExample]
    max_tokens: int
    device: torch.device

    @property
    def num_tokens(self) -> int:
        """Number of training tokens, special ones included."""
        return sum(len(pair.first) + len(pair.second) + 3 for pair in self.train)

    def masking(self, objective: Objective) -> Masking:
        """Return how an objective hides words of this text."""
        return Masking(
            marks=self.encoder.marks,
            vocab_size=len(self.encoder),
            mask_p=objective.mask_p,
            random_p=objective.random_p,
        )

    def build(
        self, objective: Objective, *, seed: int, **sizes: Any
    ) -> BertPretraining:
        """Make a model for this text.

        Args:
            objective: decides whether it is causal, and whether its loss has two terms.
            seed: of all random numbers from here on.
            **sizes: further fields of a
                :class:`~attention_book.models.bert.config.BertConfig`.
        """
        seed_everything(seed)
        return BertPretraining(
            BertConfig(
                vocab_size=len(self.encoder),
                max_positions=self.max_tokens,
                causal=objective.causal,
                next_sentence=objective.next_sentence,
                **sizes,
            )
        )

    def pretrain(
        self,
        objective: Objective,
        plan: PretrainingPlan,
        *,
        seed: int,
        sizes: Mapping[str, Any] | None = None,
        start: BertPretraining | None = None,
        looks: int = 0,
        checkpoint: Path | None = None,
        description: str = "",
    ) -> "Pretrained":
        """Build a model and train it, or go on with one.

        Args:
            objective: what it learns.
            plan: how.
            seed: of initial values, order and masks.
            sizes: as for :meth:`build`.
            start: a model that goes on learning, in place; None: a new one, whose
                output has the frequencies of ``plan``.
            looks: how often the loss on held-out text is measured on the way, besides
                at the end; 0: not at all.
            checkpoint: file that holds the run; None: it is not saved.
            description: words in front of the progress bar.

        Raises:
            ValueError: if ``start`` is causal and the objective is not, or the reverse.
        """
        if start is None:
            model = self.build(objective, seed=seed, **(sizes or {})).to(self.device)
            if plan.frequencies:
                model.word_head.bias.data.copy_(self.word_frequencies().log())
        elif start.config.causal != objective.causal:
            raise ValueError("start must see the sides of text that the objective does")
        else:
            seed_everything(seed)
            model = start.to(self.device)
        masking = self.masking(objective)

        def collate(pairs: list[SegmentPair]) -> PretrainingBatch:
            return objective.batch(pairs, masking, loader.generator)

        loader = make_loader(self.train, collate, batch_size=plan.batch_size, seed=seed)
        steps = plan.epochs * len(loader)
        every = max(1, steps // looks) if looks else steps + 1
        watch = Watch(
            lambda _: float(self.masked_nats(model, objective).mean()),
            at=lambda step: looks > 0 and step % every == 0 and step + every <= steps,
        )
        history = fit(
            model,
            loader,
            epochs=plan.epochs,
            learning_rate=plan.learning_rate,
            optimizer=lambda model, rate: bert_optimizer(
                model, rate, weight_decay=plan.weight_decay
            ),
            schedule=bert_decay(steps, int(plan.warmup * steps)),
            clip_norm=plan.clip_norm,
            device=self.device,
            checkpoint=checkpoint,
            on_step=watch if looks else None,
            description=description,
        )
        if looks:
            watch.take(steps)
        return Pretrained(model, objective, history, watch.steps, watch.values)

    def word_frequencies(self) -> Float[Tensor, " vocab"]:
        """Return how frequent each word is in the training text, as shares.

        One is added to each count; special tokens are never asked for, and have 1.
        """
        words = [word for pair in self.train for word in pair.first + pair.second]
        counts = torch.bincount(torch.tensor(words), minlength=len(self.encoder)) + 1.0
        return counts / counts.sum()

    def held_out(self, objective: Objective) -> list[MaskedExample]:
        """Return the held-out examples as a model of an objective reads them."""
        if objective.predict == "next":
            return [next_word_example(example) for example in self.test]
        return list(self.test)

    def asked_words(self) -> list[str]:
        """Return the chosen words of held-out text, in the order of their losses."""
        rows = [example.target[example.chosen] for example in self.test]
        return self.encoder.decode(torch.cat(rows).tolist())

    @torch.no_grad()
    def masked_nats(
        self,
        model: BertPretraining,
        objective: Objective,
        examples: Sequence[MaskedExample] | None = None,
    ) -> Float[np.ndarray, " chosen"]:
        """Return what each chosen word of held-out text costs, in nats.

        All models are asked for the same words. One that goes from left to right reads
        the true words before them.

        Args:
            model: left in the mode that it had.
            objective: with which it was trained.
            examples: other examples than those held out, as the model reads them.
        """
        mode = model.training
        model.to(self.device).eval()
        rows = []
        given = self.held_out(objective) if examples is None else examples
        for batch in static_loader(given, batch_size=EVALUATION_BATCH):
            batch = batch.to(self.device)
            chosen = nonpad_indices(batch.chosen, batch.num_chosen)
            words, _ = model(
                batch.ids,
                batch.token_mask,
                batch.segments,
                chosen=chosen,
                nonpad=nonpad_indices(batch.token_mask, batch.num_nonpad),
            )
            target = batch.target.flatten()[chosen]
            rows.append(F.cross_entropy(words, target, reduction="none").cpu())
        model.train(mode)
        return torch.cat(rows).double().numpy()

    @torch.no_grad()
    def next_sentence_right(
        self,
        model: BertPretraining,
        examples: Sequence[MaskedExample] | None = None,
    ) -> Float[np.ndarray, " pairs"]:
        """Return 1 for each pair of segments that is told right, otherwise 0.

        Args:
            model: left in eval mode.
            examples: other examples than those held out.
        """
        model.to(self.device).eval()
        rows = []
        given = self.test if examples is None else examples
        for batch in static_loader(given, batch_size=EVALUATION_BATCH):
            batch = batch.to(self.device)
            _, following = model(
                batch.ids,
                batch.token_mask,
                batch.segments,
                chosen=batch.chosen.new_zeros(1, dtype=torch.long),
            )
            right = following.argmax(dim=1) == batch.from_elsewhere.long()
            rows.append(right.float().cpu())
        return torch.cat(rows).double().numpy()


class Pretrained(NamedTuple):
    """A pre-trained model, and how it came about.

    Attributes:
        model: in eval mode.
        objective: what it has learned.
        history: of its training.
        steps: numbers of optimizer steps at which it was measured.
        nats: its loss on held-out words after each of them.
    """

    model: BertPretraining
    objective: Objective
    history: History
    steps: list[int]
    nats: list[float]


def pretraining_task(
    train: Texts,
    test: Texts,
    encoder: TextEncoder,
    *,
    max_tokens: int,
    num_test: int | None = None,
    seed: int,
    device: torch.device,
) -> PretrainingTask:
    """Cut texts into pairs of segments, and hide words of the held-out ones.

    Args:
        train: documents to learn from; at least two.
        test: held-out documents; at least two.
        encoder: text to ids and back.
        max_tokens: as for :func:`attention_book.data.pretraining.segment_pairs`.
        num_test: number of held-out pairs, drawn at random; None: all.
        seed: of all random choices.
        device: where models are trained and run.

    Example:
        >>> from attention_book.data.pretraining import SubwordIds
        >>> texts = [["add two numbers", "a sum"], ["draw a line"], ["find roots"]]
        >>> encoder = SubwordIds([s for text in texts for s in text], max_pieces=40)
        >>> options = {"max_tokens": 20, "seed": 0, "device": torch.device("cpu")}
        >>> task = pretraining_task(texts[:2], texts[1:], encoder, **options)
        >>> len(task.train), len(task.test)
        (3, 2)
    """
    pairs = []
    for texts in (train, test):
        ids = [[encoder.encode(sentence) for sentence in text] for text in texts]
        documents = [[row for row in rows if row] for rows in ids]
        documents = [document for document in documents if document]
        pairs.append(segment_pairs(documents, max_tokens=max_tokens, seed=seed))
    held = pairs[1]
    if num_test is not None and num_test < len(held):
        held = random.Random(seed).sample(held, num_test)
    masking = Masking(
        marks=encoder.marks, vocab_size=len(encoder), mask_p=1.0, random_p=0.0
    )
    return PretrainingTask(
        encoder=encoder,
        train=pairs[0],
        test=static_masks(held, masking, seed=seed),
        max_tokens=max_tokens,
        device=device,
    )


def public_texts(limit: int | None = None) -> tuple[Texts, Texts]:
    """Return the Brown corpus and part of WikiText-2 to learn from, and held-out texts.

    Of WikiText-2, the validation part is read and the test part held out, as a tenth of
    the documents of Brown is.

    Args:
        limit: largest number of documents of either part; None: no limit.
    """
    own = brown()
    read = [text for number, text in enumerate(own) if number % 10]
    train, test = read + wikitext_2("valid"), own[::10] + wikitext_2("test")
    return train[:limit], test[:limit]


def ngram_nats(task: PretrainingTask) -> dict[str, Float[np.ndarray, " chosen"]]:
    r"""What the chosen held-out words cost without a network, in nats each.

    "Unigram" knows how frequent a word is, "bigram" the word before it, both with one
    count added for words that never occurred; bigrams are smoothed by Witten and Bell's
    rule, :math:`p(w \mid l) = (c_{lw} + t_l\, p(w)) / (c_l + t_l)` with :math:`t_l`
    different words after :math:`l`. "Both neighbours" combines two bigrams, as is right
    where each word depends on the one before it alone:

    .. math:: p(w \mid l, r) \propto p(w \mid l)\, p(r \mid w)

    All of them read the true neighbours, also where these are hidden from a model.

    Args:
        task: counts are those of its training text.
    """
    from scipy.sparse import coo_array

    size, marks = len(task.encoder), task.encoder.marks
    texts = [join_segments(pair, marks)[0].numpy() for pair in task.train]
    left = np.concatenate([text[:-1] for text in texts])
    right = np.concatenate([text[1:] for text in texts])
    unigram = task.word_frequencies().double().numpy()
    counts = coo_array((np.ones(len(left)), (left, right)), shape=(size, size)).tocsr()
    columns = counts.tocsc()
    total, kinds = counts.sum(axis=1), np.diff(counts.indptr)
    seen = np.maximum(total + kinds, 1)

    def row(word: int) -> Float[np.ndarray, " vocab"]:
        if not total[word]:
            return unigram
        return (counts[[word]].toarray()[0] + kinds[word] * unigram) / seen[word]

    def column(word: int) -> Float[np.ndarray, " vocab"]:
        found = columns[:, [word]].toarray()[:, 0]
        smoothed = (found + kinds * unigram[word]) / seen
        return np.where(total > 0, smoothed, unigram[word])

    nats: dict[str, list[float]] = {"unigram": [], "bigram": [], "both neighbours": []}
    for example in task.test:
        ids = example.target.tolist()
        for at in example.chosen.nonzero()[:, 0].tolist():
            before = row(ids[at - 1])
            both = before * column(ids[at + 1])
            shares = unigram, before, both / both.sum()
            for name, share in zip(nats, shares, strict=True):
                nats[name].append(-float(np.log(share[ids[at]])))
    return {name: np.array(values) for name, values in nats.items()}


class HeadShares(NamedTuple):
    """Where the heads of a BERT look.

    Attributes:
        shares: for each kind of key, each head's share of weight.
        uniform: the same for equal weights on all tokens.
    """

    shares: dict[str, Float[Tensor, "layers heads"]]
    uniform: dict[str, float]


@torch.no_grad()
def head_shares(
    task: PretrainingTask, model: BertPretraining | Bert, num_texts: int = 100
) -> HeadShares:
    """Measure the share of weight that heads put on neighbours and special tokens.

    Queries are words; a word that has no key of a kind does not count for it. "Same
    word" means other places where the same word stands.

    Args:
        task: its held-out texts are read as they are, with nothing hidden.
        model: left in eval mode.
        num_texts: how many of them.
    """
    texts = [replace(example, ids=example.target) for example in task.test[:num_texts]]
    batch = pretraining_batch(texts).to(task.device)
    weights = bert_weights(model, batch)
    ids, real = batch.ids.cpu(), batch.token_mask.cpu()
    marks, size = task.encoder.marks, batch.ids.shape[1]
    word = real & (ids != marks.cls) & (ids != marks.sep)
    itself = keys_at(0, size, size)
    kinds: dict[str, Bool[Tensor, "_ queries keys"]] = {
        "previous word": keys_at(-1, size, size) & word[:, None],
        "next word": keys_at(1, size, size) & word[:, None],
        "itself": itself & word[:, None],
        "same word": (ids[:, None] == ids[:, :, None]) & ~itself & word[:, None],
        "[CLS]": (ids == marks.cls)[:, None],
        "[SEP]": (ids == marks.sep)[:, None],
    }
    shares, uniform = {}, {}
    equal = (real[:, None] / real.sum(1)[:, None, None]).expand(-1, size, -1)[:, None]
    for name, chosen in kinds.items():
        asked = word & chosen.expand(len(ids), size, size).any(dim=2)
        if not asked.any():  # in a handful of short texts no word may occur twice
            continue
        shares[name] = torch.stack(
            [share_of_weight(layer, chosen, asked) for layer in weights]
        )
        uniform[name] = float(share_of_weight(equal, chosen, asked)[0])
    return HeadShares(shares, uniform)


@torch.no_grad()
def bert_weights(
    model: BertPretraining | Bert, batch: PretrainingBatch
) -> list[Weights]:
    """Return the weights of all heads, layer by layer, on the CPU.

    Args:
        model: left in eval mode.
        batch: on the model's device.
    """
    bert = model.bert if isinstance(model, BertPretraining) else model
    with record_weights(bert.eval()) as recorded:
        bert(batch.ids, batch.token_mask, batch.segments)
    return [calls[0].cpu() for calls in recorded.values()]


class Guess(NamedTuple):
    """What a model guesses for one hidden word.

    Attributes:
        best: the most probable words with their probabilities, the best one first.
        share: probability of the true word; None if nobody knows it.
        rank: how many words are at least as probable, itself included; None as above.
    """

    best: list[tuple[str, float]]
    share: float | None = None
    rank: int | None = None


def encode_blanks(encoder: TextEncoder, text: str) -> list[int]:
    """Encode a text in which ``[MASK]`` stands for missing words.

    Args:
        encoder: text to ids.
        text: as a reader types it.

    Example:
        >>> from attention_book.data.pretraining import SubwordIds
        >>> encoder = SubwordIds(["low lowest newest"], max_pieces=14)
        >>> encoder.decode(encode_blanks(encoder, "low [MASK]"))
        ['low', '[MASK]']
    """
    ids: list[int] = []
    for number, part in enumerate(text.split(BLANK_PIECE)):
        ids += [encoder.marks.mask] * (number > 0) + encoder.encode(part)
    return ids


@torch.no_grad()
def guess_words(
    task: PretrainingTask,
    model: BertPretraining,
    objective: Objective,
    rows: Sequence[Sequence[int]],
    hidden: Sequence[int],
    *,
    truth: Sequence[int] | None = None,
    count: int = 5,
) -> list[Guess]:
    """Guess one word in each of some texts.

    Args:
        task: encoder and device.
        model: left in eval mode.
        objective: with which it was trained. A model that goes from left to right
            guesses from the words before the hidden one.
        rows: ids of each text, without special tokens.
        hidden: for each text the position of the word to guess, from 0, at which the
            mask stands.
        truth: the true word of each text; None: nobody knows.
        count: number of best words. Special tokens are never guessed.

    Raises:
        ValueError: if a text is too long for the model.
    """
    marks, device = task.encoder.marks, task.device
    longest = task.max_tokens - 2
    if len(rows) == 0 or max(map(len, rows)) > longest:
        raise ValueError(
            f"rows must be texts of at most {longest} tokens, got "
            f"{[len(row) for row in rows]}"
        )
    examples = []
    for row, at in zip(rows, hidden, strict=True):
        ids, segments = join_segments(SegmentPair(tuple(row)), marks)
        chosen = torch.zeros(len(ids), dtype=torch.bool)
        chosen[operator.index(at) + 1] = True
        example = MaskedExample(ids, segments, chosen, ids, False)
        if objective.predict == "next":
            example = next_word_example(example)
        examples.append(example)
    batch = pretraining_batch(examples).to(device)
    chosen = nonpad_indices(batch.chosen, batch.num_chosen)
    words, _ = model.to(device).eval()(
        batch.ids, batch.token_mask, batch.segments, chosen=chosen
    )
    words[:, [PAD, marks.cls, marks.sep, marks.mask]] = -torch.inf
    shares = words.softmax(dim=1).cpu()
    guesses = []
    for number, row in enumerate(shares):
        top = row.topk(count)
        names = task.encoder.decode(top.indices.tolist())
        best = list(zip(names, top.values.tolist(), strict=True))
        if truth is None:
            guesses.append(Guess(best))
        else:
            share = row[truth[number]]
            guesses.append(Guess(best, float(share), int((row >= share).sum())))
    return guesses


def fill_blanks(
    task: PretrainingTask, run: Pretrained, text: str, *, count: int = 5
) -> list[Guess]:
    """Guess each ``[MASK]`` of a text, from left to right, all others staying hidden.

    Args:
        task: encoder and device.
        run: the model.
        text: as a reader types it; at least one ``[MASK]``.
        count: number of best words.

    Raises:
        ValueError: if there is no ``[MASK]``, or the text is too long.
    """
    row = encode_blanks(task.encoder, text)
    hidden = [at for at, word in enumerate(row) if word == task.encoder.marks.mask]
    if not hidden:
        raise ValueError(f"text must have a {BLANK_PIECE}, got {text!r}")
    rows = [row] * len(hidden)
    return guess_words(task, run.model, run.objective, rows, hidden, count=count)


def guess_each_word(
    task: PretrainingTask, run: Pretrained, text: str, *, count: int = 5
) -> tuple[list[str], list[Guess]]:
    """Hide each word of a text in turn, and guess it from the others.

    Args:
        task: encoder and device.
        run: the model.
        text: nothing hidden.
        count: number of best words.

    Returns:
        The words, and a guess for each.

    Raises:
        ValueError: if the text is too long.
    """
    ids = task.encoder.encode(text)
    mask = task.encoder.marks.mask
    rows = [[*ids[:at], mask, *ids[at + 1 :]] for at in range(len(ids))]
    guesses = guess_words(
        task, run.model, run.objective, rows, range(len(ids)), truth=ids, count=count
    )
    return task.encoder.decode(ids), guesses


def one_text(task: PretrainingTask, text: str) -> tuple[list[str], PretrainingBatch]:
    """Make a batch of one text, with its special tokens; ``[MASK]`` stays.

    Args:
        task: encoder and device.
        text: as a reader types it.

    Returns:
        The names of its tokens, and the batch.
    """
    row = SegmentPair(tuple(encode_blanks(task.encoder, text)))
    ids, segments = join_segments(row, task.encoder.marks)
    example = MaskedExample(ids, segments, ids == task.encoder.marks.mask, ids, False)
    names = task.encoder.decode(ids.tolist())
    return names, pretraining_batch([example]).to(task.device)


def seen_words(examples: Iterable[MaskedExample]) -> list[MaskedExample]:
    """Return examples with nothing hidden, to ask a model for words that it can see.

    Args:
        examples: their chosen words stay chosen.
    """
    return [replace(example, ids=example.target) for example in examples]


def without_segments(examples: Iterable[MaskedExample]) -> list[MaskedExample]:
    """Return examples whose tokens all claim to be of the first segment."""
    return [
        replace(example, segments=torch.zeros_like(example.segments))
        for example in examples
    ]


def shuffled_words(
    examples: Iterable[MaskedExample], task: PretrainingTask, seed: int
) -> list[MaskedExample]:
    """Return examples whose words that are not hidden have changed their places.

    No word moves to the other segment.

    Args:
        examples: chosen words keep their places, special tokens too.
        task: knows the special tokens.
        seed: of the order.
    """
    generator = torch.Generator().manual_seed(operator.index(seed))
    marks = task.encoder.marks
    found = []
    for example in examples:
        free = ~example.chosen
        free &= (example.target != marks.cls) & (example.target != marks.sep)
        ids = example.ids.clone()
        for segment in (0, 1):
            inside = free & (example.segments == segment)
            places: Int[Tensor, " inside"] = inside.nonzero()[:, 0]
            order = places[torch.randperm(len(places), generator=generator)]
            ids[places] = example.ids[order]
        found.append(replace(example, ids=ids))
    return found

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.data.translation.moses import Moses
from attention_book.data.translation.pairs import Pair
from attention_book.data.vocab import Vocab
from attention_book.evaluation.intervals import score_by_bin
from attention_book.evaluation.metrics import Bleu, corpus_bleu
from attention_book.models.bahdanau import RNNSearch, RNNSearchConfig
from attention_book.models.global_local import LuongConfig, LuongTranslator
from attention_book.models.transformer import Transformer, TransformerConfig
from attention_book.observe import record_weights
from attention_book.recipes import translation as recipe
from attention_book.recipes.translation import (
    TrainingPlan,
    TranslationTask,
    all_links,
    bleu_text,
    crossing_links,
    decoder_weights,
    digit_links,
    error_rates,
    fit_stages,
    is_power,
    iwslt15_task,
    length_table,
    make_vocabs,
    most_frequent_outputs,
    multi30k_task,
    named_without_source,
    next_word_hits,
    numbers_task,
    parallel_links,
    power_links,
    share_by_rank,
    share_of_linked,
    stray_links,
    word_probabilities,
)

CPU = torch.device("cpu")
SIZES = {"embed_dim": 5, "hidden_dim": 6, "attention_dim": 7, "maxout_dim": 3}
PLAN = TrainingPlan(batch={"batch_size": 8}, learning_rate=1e-2)


@pytest.fixture(scope="module")
def task():
    return numbers_task("en", "de", train=30, dev=7, test=11, max_digits=4, device=CPU)


@pytest.fixture
def model(task):
    return task.build(RNNSearch, RNNSearchConfig, 3, **SIZES)


def words(text):
    return tuple(text.split())


def test_a_task_of_numbers_has_the_parts_asked_for(task):
    assert [len(part) for part in (task.train, task.dev, task.test)] == [30, 7, 11]
    assert task.languages == ("en", "de")
    assert task.has_alignment
    assert task.references == [list(pair.target) for pair in task.test]
    assert task.source_lengths == [len(pair.source) for pair in task.test]
    sources = {word for pair in task.train for word in pair.source}
    assert len(task.vocabs[0]) == 4 + len(sources)


def test_a_limit_shortens_every_part_and_the_vocabulary():
    short = numbers_task("en", "de", train=30, dev=7, test=11, limit=5, device=CPU)
    assert [len(part) for part in (short.train, short.dev, short.test)] == [5, 5, 5]
    known = {word for pair in short.train for word in pair.target}
    assert len(short.vocabs[1]) == 4 + len(known)


def test_both_languages_may_share_a_vocabulary():
    pairs = [Pair(words("a b"), words("b c")), Pair(words("b"), words("c"))]
    first, second = make_vocabs(pairs, shared=True, min_count=2)
    assert first is second
    assert first.encode(["b", "c", "a"]) == [4, 5, 3]  # "a" occurs once
    source, target = make_vocabs(pairs)
    assert [len(source), len(target)] == [6, 6]
    assert source.encode(["c"]) == target.encode(["a"]) == [3]


def test_a_seed_builds_the_same_model_twice(task, model):
    again = task.build(RNNSearch, RNNSearchConfig, 3, **SIZES)
    other = task.build(RNNSearch, RNNSearchConfig, 4, **SIZES)
    assert_close(again.state_dict(), model.state_dict())
    assert (other.target_embedding.weight != model.target_embedding.weight).any()
    assert model.config.source_vocab == len(task.vocabs[0])
    assert model.config.target_vocab == len(task.vocabs[1])


def test_fit_trains_on_the_pairs_and_falls_to_zero(task, model):
    asked, steps = [], []

    def schedule(total):
        asked.append(total)
        return lambda step: 0.0

    still = TrainingPlan(batch=PLAN.batch, learning_rate=0.1, schedule=schedule)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    history = task.fit(model, still, epochs=2, seed=0, on_step=steps.append)
    assert_close(model.state_dict(), before)
    assert asked == [2 * task.num_steps(still)] == [8]
    assert steps == list(range(8))
    assert history.dev_loss == []
    history = task.fit(model, PLAN, epochs=3, seed=0, pairs=task.train[:9], choose=True)
    assert len(history.step_loss) == 3 * task.num_steps(PLAN, task.train[:9]) == 6
    assert len(history.dev_loss) == 3
    assert history.epoch_loss[-1] < history.epoch_loss[0]
    assert not model.training


def test_fit_keeps_the_last_weights_stops_early_and_goes_on(task, tmp_path):
    plan = TrainingPlan(batch={"max_tokens": 60}, learning_rate=1e-2)
    file = tmp_path / "run.pt"

    def train(epochs, **options):
        model = task.build(RNNSearch, RNNSearchConfig, 3, **SIZES)
        history = task.fit(model, plan, epochs=epochs, seed=0, **options)
        return model.state_dict(), history

    straight, history = train(2)
    kept, with_dev = train(2, choose=True, keep="last", checkpoint=file)
    assert_close(kept, straight)
    assert with_dev.step_loss == history.step_loss
    assert len(history.step_loss) == 2 * task.num_steps(plan)
    again, resumed = train(2, choose=True, keep="last", checkpoint=file)
    assert_close(again, straight)
    assert resumed == with_dev  # not trained anew: the same seconds too
    still = replace(plan, schedule=lambda n: lambda step: 0.0)
    model = task.build(RNNSearch, RNNSearchConfig, 3, **SIZES)
    stopped = task.fit(model, still, epochs=9, seed=0, choose=True, patience=2)
    assert len(stopped.dev_loss) == 3
    with pytest.raises(ValueError, match=r"patience \(2\) needs a dev_loader"):
        train(2, patience=2)


def test_the_first_batch_is_that_of_the_plan(task):
    batch = task.first_batch(PLAN)
    assert_close(batch.target, task.batch(task.train[:8]).target)


def test_the_seed_decides_the_order_of_the_pairs(task):
    losses = []
    for seed in (1, 1, 2):
        model = task.build(RNNSearch, RNNSearchConfig, 0, **SIZES)
        losses.append(task.fit(model, PLAN, epochs=1, seed=seed).step_loss)
    assert losses[0] == losses[1] != losses[2]


def test_choosing_needs_held_out_pairs(model):
    task = numbers_task("en", "de", train=9, test=3, max_digits=2, device=CPU)
    with pytest.raises(ValueError, match="choose needs dev pairs, this task has none"):
        task.fit(model, PLAN, epochs=1, seed=0, choose=True)


class Copier(nn.Module):
    """Writes the source, then <eos>."""

    def start(self, source, source_mask):
        return source, torch.zeros(len(source), dtype=torch.long)

    def step(self, ids, state):
        source, position = state
        wanted = source.gather(1, position[:, None].clamp(max=source.shape[1] - 1))
        return nn.functional.one_hot(wanted[:, 0], 9).float(), (source, position + 1)


def test_outputs_are_words_in_the_order_of_the_pairs():
    pairs = [Pair(words(s), words(s)) for s in ("b a", "c", "a b c")]
    wrong = Pair(words("a"), words("b"))
    task = TranslationTask(
        languages=("x", "y"),
        train=pairs,
        dev=[],
        test=[*pairs, wrong],
        vocabs=make_vocabs(pairs, shared=True),
        device=CPU,
        max_tokens=9,
    )
    assert not task.has_alignment
    assert task.translate(Copier()) == [["b", "a"], ["c"], ["a", "b", "c"], ["a"]]
    assert task.translate(Copier(), pairs[1:2], beam_size=2) == [["c"]]
    assert task.exact_match(Copier()).tolist() == [1, 1, 1, 0]
    found = task.search(Copier(), pairs[:2])
    assert task.words(found) == [["b", "a"], ["c"]]
    assert found[1].log_prob == pytest.approx(2 * math.log(math.e / (math.e + 8)))
    assert task.exact_match(Copier(), [wrong, pairs[0]]).tolist() == [0, 1]


def test_max_tokens_ends_an_output():
    pairs = [Pair(words("b a c"), words("b"))]
    vocabs = make_vocabs(pairs, shared=True)
    parts = {"train": pairs, "dev": [], "test": pairs, "vocabs": vocabs}
    task = TranslationTask(languages=("x", "y"), **parts, device=CPU, max_tokens=2)
    assert task.translate(Copier()) == [["b", "a"]]


def test_weights_are_those_of_every_step_under_teacher_forcing(task, model):
    batch = task.batch(task.test[:3])
    weights = decoder_weights(model, batch)
    state = model.start(batch.source, batch.source_mask)
    with torch.no_grad(), record_weights(model) as recorded:
        for ids in batch.target[:, :-1].unbind(dim=1):
            _, state = model.step(ids, state)
    (steps,) = recorded.values()
    assert_close(weights, torch.cat(steps, dim=1))
    assert not weights.requires_grad


def test_links_leave_out_the_end_mark(task, model):
    pairs = task.test[:4]
    weights = decoder_weights(model, task.batch(pairs))
    for links, rows, pair in zip(task.links(model, pairs), weights, pairs, strict=True):
        wanted = {(rows[j].argmax().item(), j) for j in range(len(pair.target))}
        assert links == wanted


def test_links_of_a_model_with_a_layer_called_once(task):
    sizes = {"embed_dim": 5, "hidden_dim": 6}
    model = task.build(LuongTranslator, LuongConfig, 0, **sizes)
    assert [len(links) for links in task.links(model, task.test[:2])] == [
        len(pair.target) for pair in task.test[:2]
    ]


def test_one_attention_layer_is_needed(task):
    shared = numbers_task(
        "en", "de", train=9, test=3, max_digits=2, shared_vocab=True, device=CPU
    )
    sizes = {"embed_dim": 6, "num_heads": 2, "hidden_dim": 5, "num_layers": 1}
    model = shared.build(Transformer, TransformerConfig, 0, **sizes)
    with pytest.raises(ValueError, match="model must have one attention layer, got 3"):
        shared.links(model, shared.test)


def test_measured_are_outputs_and_links(task, model):
    kinds = {"all": all_links, "power": power_links}
    found = task.measure(model, kinds)
    assert found.outputs == task.translate(model)
    assert found.exact.tolist() == task.exact_match(model).tolist()
    assert found.links == task.links(model, task.test)
    assert found.loss == model.loss(task.batch(task.test)).item()
    assert found.rates == error_rates(found.links, task.test, kinds)


def test_links_are_not_measured_where_none_are_known(task, model):
    unknown = [replace(pair, alignment=None) for pair in task.test]
    found = replace(task, test=unknown).measure(model, {"all": all_links})
    assert found.links == []
    assert math.isnan(found.rates["all"])


def test_stages_go_on_from_the_weights_before(task):
    def build(window):
        sizes = {"embed_dim": 5, "hidden_dim": 6, "attention": "local-p"}
        return task.build(LuongTranslator, LuongConfig, 1, **sizes, window=window)

    still = TrainingPlan(
        batch=PLAN.batch, learning_rate=1.0, schedule=lambda n: lambda step: 0.0
    )
    (wide, first), (narrow, second) = fit_stages(
        task, PLAN, build, [({"window": 8}, 2), ({"window": 1}, 1)], seed=0
    )
    assert (wide.config.window, narrow.config.window) == (8, 1)
    assert (len(first.dev_loss), len(second.dev_loss)) == (2, 1)
    fresh = build(window=8).state_dict()
    assert any((fresh[k] != x).any() for k, x in wide.state_dict().items())
    stages = [({"window": 8}, 1), ({"window": 2}, 1)]
    names = []
    named = {"checkpoints": names.append, "description": "local"}
    (_, _), (kept, _) = fit_stages(task, still, build, stages, seed=0, **named)
    assert_close(kept.state_dict(), fresh)
    assert names == ["local, stage 1", "local, stage 2"]


CROSSED = Pair(
    words("three hundred forty two"),
    words("drei hundert zwei und vierzig"),
    frozenset({(0, 0), (1, 1), (3, 2), (2, 4)}),
)


def test_kinds_of_links():
    assert all_links(CROSSED) == CROSSED.alignment
    assert power_links(CROSSED) == {(1, 1)}
    assert digit_links(CROSSED) == {(0, 0), (3, 2), (2, 4)}
    assert crossing_links(CROSSED) == {(3, 2), (2, 4)}
    assert parallel_links(CROSSED) == {(0, 0), (1, 1)}


def test_two_links_of_one_word_do_not_cross():
    assert not crossing_links(
        Pair(words("a b"), words("c"), frozenset({(0, 0), (1, 0)}))
    )


def test_links_that_nobody_knows_are_refused():
    with pytest.raises(ValueError, match="the alignment of this pair is not known"):
        all_links(Pair(words("a"), words("b")))


def test_powers_are_known_in_two_languages():
    named = [is_power(word) for word in words("hundert tusen Million zwei miljoner")]
    assert named == [True, True, True, False, True]


def test_error_rates_of_each_kind():
    links = [{(0, 0), (2, 1), (3, 2), (0, 3), (2, 4)}]
    kinds = {
        "all": all_links,
        "power": power_links,
        "crossing": crossing_links,
        "none": lambda pair: (),
    }
    rates = error_rates(links, [CROSSED], kinds)
    assert math.isnan(rates.pop("none"))
    assert rates == {"all": 0.25, "power": 1.0, "crossing": 0.0}


def test_hits_step_by_step(task, model):
    batch = task.batch(task.test[:5])
    hits, real = next_word_hits(model.train(), batch)
    assert not model.training
    for row, pair in enumerate(task.test[:5]):
        one = task.batch([pair])
        state = model.start(one.source, one.source_mask)
        for step, wanted in enumerate(one.target[0, 1:]):
            logits, state = model.step(one.target[:, step], state)
            assert hits[row, step] == (logits[0].argmax() == wanted)
            assert real[row, step]
        assert real[row].sum() == len(pair.target) + 1


def test_probabilities_after_the_right_words_and_after_its_own(task, model):
    pair = task.test[0]
    batch = task.batch([pair])
    for own_words in (False, True):
        found = word_probabilities(model.train(), batch, own_words=own_words)
        assert not model.training
        assert found.shape == (1, len(pair.target) + 1, len(task.vocabs[1]))
        state = model.start(batch.source, batch.source_mask)
        read = batch.target[:, 0]
        for step in range(len(pair.target) + 1):
            logits, state = model.step(read, state)
            torch.testing.assert_close(found[:, step], logits.softmax(-1))
            read = logits.argmax(-1) if own_words else batch.target[:, step + 1]


def test_share_by_rank_counts_first_words_with_first_words():
    pairs = [CROSSED, Pair(words("a b"), words("c"), frozenset({(0, 0), (1, 0)}))]
    hits = torch.tensor([[1, 0, 1, 1, 0, 1], [0, 1, 1, 1, 1, 1]], dtype=torch.bool)

    def digits(pair):
        return sorted({target for _, target in digit_links(pair)})

    found = share_by_rank(hits, pairs, digits, 4)
    assert found[:3] == [
        0.5,
        1.0,
        0.0,
    ]  # "zwei": third word, second digit
    assert math.isnan(found[3])
    whole = share_by_rank(hits, pairs, lambda pair: range(len(pair.target)), 2)
    assert whole == [0.5, 0.0]


def test_share_of_linked_counts_each_word_once():
    pairs = [CROSSED, Pair(words("a b"), words("c"), frozenset({(0, 0), (1, 0)}))]
    hits = torch.tensor([[1, 0, 1, 1, 0, 1], [0, 1, 1, 1, 1, 1]], dtype=torch.bool)
    assert share_of_linked(hits, pairs, all_links) == 2 / 5
    assert share_of_linked(hits, pairs[:1], digit_links) == 2 / 3
    assert math.isnan(share_of_linked(hits, pairs, lambda pair: ()))


def test_stray_links_lead_ahead_behind_or_elsewhere():
    # In the order of the target, partners are 0, 1, 3 and 2; "und" is passed over.
    def count(*sources, chosen=lambda word: True):
        links = set(zip(sources, range(5), strict=True))
        found = stray_links([links], [CROSSED], chosen)
        return found.count, found.ahead, found.behind

    assert count(0, 1, 3, 3, 2) == (0, 0, 0)
    assert count(1, 1, 3, 0, 2) == (1, 1, 0)
    assert count(0, 1, 3, 0, 3) == (1, 0, 1)
    assert count(3, 2, 1, 0, 2) == (3, 0, 1)
    assert count(3, 2, 1, 0, 2, chosen=is_power) == (1, 0, 0)


def test_most_frequent_words_by_position():
    train = [Pair(words("x"), words(text)) for text in ("a b", "a c", "b c c", "a")]
    assert most_frequent_outputs(train, [4, 0, 1]) == [["a", "c", "c", ""], [], ["a"]]
    assert most_frequent_outputs(train, []) == []


def test_words_named_without_the_source_counted_by_hand(task):
    found = named_without_source(task.train, task.test)
    counts, right = Counter(), Counter()
    for pair in task.test:
        target = [word for word in pair.target if word != "und"]
        for n, word in enumerate(target):
            before = [w if is_power(w) else "digit" for w in target[:n]]
            followers = []
            for other in task.train:
                whole = [w for w in other.target if w != "und"]
                kinds = [w if is_power(w) else "digit" for w in whole[:n]]
                if len(whole) > n and kinds == before:
                    followers.append(whole[n])
            if followers:
                kind = "power words" if is_power(word) else "digit words"
                counts[kind] += 1
                best = Counter(followers).most_common(1)[0][0]
                right[kind] += word == best
    assert found == {kind: right[kind] / counts[kind] for kind in found}
    assert set(found) == {"digit words", "power words"}


def test_nothing_named_is_zero():
    zwei = [Pair(words("two"), words("zwei"))]
    found = named_without_source(zwei, list(zwei))
    assert found == {"digit words": 1.0, "power words": 0.0}


def test_the_table_has_a_line_for_each_bin():
    lengths, edges = [1, 2, 5], [1, 3, 6]
    table = length_table(
        {
            "a": score_by_bin(lengths, [1, 0, 1], edges),
            "b": score_by_bin(lengths, [0, 0, 1], edges),
        }
    )
    head, first, second = table.splitlines()
    assert head.split() == ["source", "words", "sentences", "a", "b"]
    assert first.split()[:5] == ["1", "to", "2", "2", "50.0%"]
    assert second.split()[3:5] == ["1", "100.0%"]
    assert len(first) == len(second)


def test_bleu_needs_raw_lines(task):
    with pytest.raises(ValueError, match="BLEU needs the raw lines of the test set"):
        task.bleu([["ein"]] * len(task.test))


def test_bleu_needs_an_output_for_each_sentence():
    with pytest.raises(
        ValueError, match=r"outputs \(1\) and test sentences \(2\) must"
    ):
        bleu_task(lines=["a b c d", "e f g h"]).bleu([words("a b c d")])


def bleu_task(**options):
    pairs = [Pair(words("a"), words("the cat sat on the mat"))]
    parts = {"train": pairs, "dev": [], "test": pairs, "max_tokens": 9} | options
    vocabs = Vocab(["a"]), Vocab(["b"])
    return TranslationTask(languages=("x", "en"), **parts, vocabs=vocabs, device=CPU)


def test_bleu_compares_joined_tokens_with_the_lines():
    lines = ["The cat sat on the mat"]
    output = [["the_", "cat_", "sat_", "on_", "the_", "mat_"]]

    def join(pieces):
        return "".join(pieces).replace("_", " ").strip()

    exact = bleu_task(lines=lines, join=join)
    lower = bleu_task(lines=lines, join=join, bleu_options={"lowercase": True})
    assert exact.bleu(output).score < 99
    assert lower.bleu(output).score == pytest.approx(100)
    assert "case:lc" in lower.bleu(output).signature


def test_bleu_is_of_text_and_word_bleu_of_words():
    task = bleu_task(
        lines=["The man's cat, Tom, sat."],
        detokenize=Moses("en").text,
        tokenize=Moses("en").words,
        bleu_options={"lowercase": True},
    )
    output = words("the man's cat , <unk> , sat .")
    assert task.text(output) == "the man's cat, ⁇, sat."
    raw = corpus_bleu(["the man's cat , ⁇ , sat ."], task.lines, lowercase=True)
    assert task.bleu([output]) == raw
    cut = "the man 's cat , {} , sat ."  # one word more, so another BLEU
    by_word = {"lowercase": True, "tokenize": "none"}
    found = corpus_bleu([cut.format("⁇")], [cut.format("Tom")], **by_word)
    assert task.word_bleu([output]) == found
    assert "case:lc|eff:no|tok:none" in found.signature
    assert 0 < raw.score < found.score < 90
    with pytest.raises(ValueError, match=r"outputs \(2\) and test sentences \(1\)"):
        task.word_bleu([output, output])


def test_bleu_as_text():
    assert bleu_text(Bleu(3.5, "nrefs:1")) == "BLEU 3.50  nrefs:1"
    assert bleu_text(Bleu(3.5, "s", 2.25, 5.0)) == "BLEU 3.50 (2.25 to 5.00)  s"


def test_bleu_of_some_sentences():
    task = bleu_task(lines=["a b c d e", "f g h i j", "k l m n o"])
    outputs = [words("a b c d e"), words("nothing of it is right"), words("k l m n o")]
    assert task.bleu(outputs, [0, 2]).score == pytest.approx(100)
    assert task.bleu(outputs, [1]).score < 10 < task.bleu(outputs).score < 90
    assert task.bleu(outputs, bootstrap=50).low is not None


LINES = ["two dogs run .", "a dog runs home .", "dogs"]


@pytest.fixture
def files(monkeypatch):
    """Small files in place of the real ones; their lines are their own translations."""
    pairs = [Pair(words(line), words(line)) for line in LINES]

    def some(split, source="en", target="vi", limit=None):
        return pairs[:limit]

    for name in ("multi30k", "iwslt15"):
        monkeypatch.setattr(recipe, name, some)
        monkeypatch.setattr(recipe, f"{name}_lines", lambda split, language: LINES)


@pytest.mark.usefixtures("files")
def test_multi30k_of_words():
    task = multi30k_task("de", "en", device=CPU, limit=2)
    assert [len(part) for part in (task.train, task.dev, task.test)] == [2, 2, 2]
    assert task.languages == ("de", "en")
    assert len(task.vocabs[1]) == 4 + 1  # only "." occurs twice
    assert task.bleu(task.references).score == pytest.approx(100)
    assert "case:lc" in task.bleu(task.references).signature


@pytest.mark.usefixtures("files")
def test_multi30k_of_subwords():
    task = multi30k_task("en", "de", device=CPU, max_pieces=19)
    assert task.vocabs[0] is task.vocabs[1]
    assert 4 < len(task.vocabs[0]) <= 4 + 19
    assert any(
        len(pair.source) > len(words(line))
        for pair, line in zip(task.train, LINES, strict=True)
    )
    for pair, line in zip(task.train, LINES, strict=True):
        assert task.join(pair.target) == task.join(pair.source) == line
    assert task.bleu(task.references).score == pytest.approx(100)


@pytest.mark.usefixtures("files")
def test_iwslt15_leaves_out_long_training_pairs():
    task = iwslt15_task(device=CPU, longest=4, min_count=1)
    assert [pair.source for pair in task.train] == [words(LINES[0]), words(LINES[2])]
    assert len(task.dev) == len(task.test) == len(task.lines) == 3
    assert len(task.vocabs[0]) == 4 + 4
    assert "tok:none" in task.bleu(task.references).signature

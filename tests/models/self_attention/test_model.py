"""The two small models: what they read, what they are blind to, that they learn."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.sequences.adding_problem import adding_problem
from attention_book.data.sequences.labelled import LabelledBatch, labelled_batches
from attention_book.models.self_attention.model import (
    MIXERS,
    AddingModel,
    MixingConfig,
    PixelClassifier,
)
from attention_book.training.loop import fit

B, SIDE, CLASSES = 3, 4, 5


def config(mixer, **sizes):
    sizes = {"num_classes": CLASSES, "kernel_size": 3, "embed_dim": 6} | sizes
    return MixingConfig(mixer=mixer, block_parameters=600, **sizes)


def adder(mixer, **more):
    return AddingModel(config(mixer, **more)).double()


def classifier(mixer, **more):
    return PixelClassifier(config(mixer, **more), SIDE).double()


@pytest.mark.parametrize("mixer", MIXERS)
def test_adder_reads_the_last_token(mixer):
    model = adder(mixer)
    tokens, _ = adding_problem(B, 6, num_digits=3)
    digits, marks = tokens.unbind(dim=-1)
    embedded = model.digit_embedding.weight[digits] + model.mark_embedding.weight[marks]
    logits = model(tokens)
    assert logits.shape == (B, CLASSES)
    assert_close(logits, model.class_proj(model.block(embedded))[:, -1])


def test_self_attention_does_not_see_the_order_of_earlier_tokens():
    model, (tokens, _) = adder("self-attention"), adding_problem(B, 6, num_digits=3)
    order = torch.cat([torch.randperm(6), torch.tensor([6])])  # the last one stays
    assert_close(model(tokens[:, order]), model(tokens))
    assert (adder("GRU")(tokens[:, order]) != adder("GRU")(tokens)).any()


def test_convolution_does_not_see_far():
    model, (tokens, _) = adder("convolution"), adding_problem(B, 6, num_digits=3)
    other = tokens.clone()
    other[:, :4, 0] = 2 - other[:, :4, 0]
    assert_close(model(other), model(tokens))  # it reaches two tokens back
    other[:, 4, 0] = (other[:, 4, 0] + 1) % 3
    assert (model(other) != model(tokens)).any()


@pytest.mark.parametrize("mixer", MIXERS[:2])
def test_classifier_reads_the_means_of_the_quarters(mixer):
    model = classifier(mixer)
    pixels = torch.randn(B, SIDE**2).double()
    tokens = pixels[..., None] * model.pixel_proj.weight[:, 0] + model.pixel_proj.bias
    tokens = model.block(model.positions(tokens))
    grid = tokens.unflatten(1, (SIDE, SIDE))
    quarters = [
        grid[:, rows, columns].mean((1, 2))
        for rows in (slice(0, 2), slice(2, 4))
        for columns in (slice(0, 2), slice(2, 4))
    ]
    # The layer's inputs run over the channels, and for each over the quarters.
    inputs = torch.stack(quarters, dim=2).flatten(1)
    assert_close(model(pixels), model.class_proj(inputs))


def test_models_of_all_mixers_have_about_as_many_parameters():
    for make, mixers in (adder, MIXERS), (classifier, MIXERS[:2]):
        counts = [sum(p.numel() for p in make(mixer).parameters()) for mixer in mixers]
        assert max(counts) - min(counts) <= 12


def test_loss_is_the_mean_over_the_batch():
    model = adder("GRU")
    tokens, sums = adding_problem(B, 4, num_digits=3)
    one_by_one = [
        -model(tokens[i : i + 1])[0].log_softmax(-1)[sums[i]] for i in range(B)
    ]
    loss = model.loss(LabelledBatch(tokens, sums))
    assert_close(loss, torch.stack(one_by_one).mean())
    pixels = torch.randn(B, SIDE**2).double()
    model, labels = classifier("convolution"), torch.tensor([0, 4, 2])
    chosen = model(pixels).log_softmax(-1)[range(B), labels]
    assert_close(model.loss(LabelledBatch(pixels, labels)), -chosen.mean())


@pytest.mark.parametrize("mixer", MIXERS)
def test_learns_ten_examples(mixer):
    torch.manual_seed(1)
    models = [(AddingModel(config(mixer)), adding_problem(10, 2, num_digits=3))]
    if mixer != "GRU":
        examples = torch.randn(10, SIDE**2), torch.arange(10) % CLASSES
        models.append((PixelClassifier(config(mixer), SIDE), examples))
    for model, (inputs, labels) in models:
        batches = labelled_batches(inputs, labels, batch_size=10, steps=150, seed=0)
        fit(model, batches, epochs=1, learning_rate=0.02, device="cpu")
        assert model.loss(batches[0]) < 0.1


def test_score_and_normaliser_reach_the_layer():
    for make in adder, classifier:
        for score in ("dot", "additive"):
            for normaliser in ("softmax", "relu"):
                more = {"score": score, "normaliser": normaliser}
                model = make("self-attention", **more)
                attention = model.block.mixer.attention
                assert attention.normaliser == normaliser
                assert (attention.score_proj is None) == (score == "dot")


def test_defaults():
    given = MixingConfig(mixer="GRU", num_classes=3, kernel_size=5)
    assert (given.embed_dim, given.block_parameters) == (16, 3000)
    assert (given.score, given.normaliser) == ("dot", "softmax")


def test_positions_of_pixels_start_as_large_as_the_pixels():
    positions = PixelClassifier(config("convolution"), 20).positions
    assert_close(positions.table.std().item(), 1.0, atol=0.05, rtol=0)


def test_the_smallest_image():
    assert PixelClassifier(config("convolution"), 2)(torch.ones(1, 4)).shape == (1, 5)


def test_errors():
    with pytest.raises(
        ValueError, match="self-attention, convolution, GRU, got 'LSTM'"
    ):
        config("LSTM")
    for side in 5, 0:
        with pytest.raises(ValueError, match=f"even and at least 2, got {side}"):
            PixelClassifier(config("convolution"), side)
    with pytest.raises(ValueError, match="mixer must not be GRU: the pixels"):
        PixelClassifier(config("GRU"), SIDE)


def test_digits_and_marks_out_of_range_are_errors():
    tokens, sums = adding_problem(B, 6, num_digits=3)
    for column, last in (0, CLASSES - 1), (1, 1):
        wrong = tokens.clone()
        wrong[1, 2, column] = 99
        with pytest.raises(ValueError, match=f"ids must be from 0 to {last}, .* to 99"):
            adder("GRU").loss(LabelledBatch(wrong, sums))


@pytest.mark.parametrize("mixer", MIXERS[:2])
def test_hooks_compile_export_and_copies(mixer, check_forward):
    tokens, sums = adding_problem(B, 6, num_digits=3)
    pixels = torch.randn(B, SIDE**2).double()
    for model, inputs in (adder(mixer), tokens), (classifier(mixer), pixels):
        check_forward(model, LabelledBatch(inputs, sums), inputs)

"""Encoders of images: where locations lie and what they see; the classifier learns."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.captions.captions import caption_batch
from attention_book.data.captions.digit_scenes import digit_scenes, scene_images
from attention_book.data.vocab import Vocab
from attention_book.models.encoders.image import (
    CellEncoder,
    GridEncoder,
    ImageClassifier,
)

D = 7


@pytest.fixture
def encoder():
    return GridEncoder(D, 3).double().eval()


def test_positions_run_row_by_row_and_know_where_they_are(encoder):
    annotations, mask, final = encoder(torch.rand(2, 12, 20).double())
    assert mask is None
    assert final is None
    assert annotations.shape == (2, 3 * 5, D)
    rows, columns = annotations[0, :, -2:].unbind(-1)
    assert_close(rows.view(3, 5)[:, 0], torch.tensor([-4.0, 0.0, 4.0]).double())
    assert_close(columns.view(3, 5)[0], torch.linspace(-4, 4, 5).double())
    assert (rows.view(3, 5) == rows.view(3, 5)[:, :1]).all()


def test_a_position_sees_18_pixels_around_its_own_four(encoder):
    image = torch.rand(1, 32, 32).double().requires_grad_()
    encoder(image).annotations.unflatten(1, (8, 8))[0, 3, 4].sum().backward()
    rows, columns = image.grad[0].nonzero().unbind(-1)
    # Pooling lets only the larger pixels through: 18 at most, centred on 4 x 4.
    assert rows.min() >= 12 - 7
    assert rows.max() <= 15 + 7
    assert columns.min() >= 16 - 7
    assert columns.max() <= 19 + 7


def test_an_image_moved_by_one_position_gives_the_same_numbers(encoder):
    image = torch.zeros(1, 40, 40).double()
    image[0, 14:22, 15:23] = torch.rand(8, 8).double()
    moved = image.roll((4, 8), dims=(1, 2))
    images = image, moved
    before, after = (
        encoder(x).annotations.unflatten(1, (10, 10))[..., :-2] for x in images
    )
    assert_close(before[:, 1:8, 1:7], after[:, 2:9, 3:9])


def test_a_cell_sees_itself_only():
    encoder = CellEncoder(D, 3, cell_size=4).double().eval()
    image = torch.rand(2, 12, 20).double().requires_grad_()
    annotations, mask, final = encoder(image)
    assert mask is None
    assert final is None
    assert annotations.shape == (2, 3 * 5, D)
    annotations.unflatten(1, (3, 5))[0, 1, 3, :-2].sum().backward()
    seen = image.grad[0] != 0
    assert seen[4:8, 12:16].all()
    assert seen.sum() == 16
    where = annotations[0, 8, -2:]  # row 1 of 3, column 3 of 5
    assert_close(where, torch.tensor([0.0, 0.5]).double())


def test_a_cell_is_a_hidden_layer_on_its_pixels():
    encoder = CellEncoder(D, 3, cell_size=4).double()
    image = torch.rand(5, 4, 4).double()
    hidden, norm, _, output, standard = encoder.layers
    x = image.flatten(1) @ hidden.weight.flatten(1).T + hidden.bias
    x = (x - x.mean(0)) / (x.var(0, correction=0) + norm.eps).sqrt()
    x = torch.relu(x)
    x = x @ output.weight.flatten(1).T + output.bias
    x = (x - x.mean(0)) / (x.var(0, correction=0) + standard.eps).sqrt()
    assert_close(encoder(image).annotations[:, 0, :-2], x / 4)


@pytest.mark.parametrize(("kind", "scale"), [(GridEncoder, 1), (CellEncoder, 4)])
def test_annotations_are_standardised(kind, scale):
    encoder = kind(D, 3)  # in training mode, over the batch
    annotations = encoder(torch.rand(11, 16, 16)).annotations
    features = scale * annotations[..., :-2].flatten(0, 1)
    assert_close(features.mean(0), torch.zeros(D - 2), atol=1e-4, rtol=0)
    assert_close(features.var(0, correction=0), torch.ones(D - 2), atol=0.05, rtol=0)


@pytest.mark.parametrize(("kind", "hidden"), [(GridEncoder, 5), (CellEncoder, 32)])
def test_classifier_learns_what_is_in_ten_images(kind, hidden):
    scenes = digit_scenes(train=10, test=1, max_digits=1, step=8).train
    names = [((scene.caption[1],),) for scene in scenes]
    vocab = Vocab(scene.caption[1] for scene in scenes)
    batch = caption_batch(scene_images(scenes), names, vocab)
    model = ImageClassifier(kind(11, hidden), 11, len(vocab))
    optim = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optim.zero_grad()
        model.loss(batch).backward()
        optim.step()
    assert (model(batch.source).argmax(-1) == batch.target[:, 1]).all()


def test_errors(encoder):
    with pytest.raises(ValueError, match=r"annotation_dim must be at least 3.*got 2"):
        GridEncoder(2, 3)
    with pytest.raises(ValueError, match="hidden_dim must be at least 1, got 0"):
        GridEncoder(5, 0)
    with pytest.raises(ValueError, match=r"annotation_dim must be at least 3.*got 2"):
        CellEncoder(2, 3)
    with pytest.raises(ValueError, match="cell_size must be at least 1, got 0"):
        CellEncoder(5, 3, cell_size=0)
    with pytest.raises(ValueError, match="multiples of 8, got 8 and 12"):
        CellEncoder(5, 3)(torch.zeros(1, 8, 12))
    with pytest.raises(ValueError, match="multiples of 4, got 12 and 18"):
        encoder(torch.zeros(1, 12, 18).double())
    with pytest.raises(
        ValueError, match=r"mask must have shape \(1, 6\).*got \(1, 5\)"
    ):
        encoder(torch.zeros(1, 8, 12).double(), torch.ones(1, 5, dtype=torch.bool))


@pytest.mark.parametrize("kind", [GridEncoder, CellEncoder])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_images_take_the_type_of_the_weights(dtype, kind):
    annotations = kind(D, 3).to(dtype)(torch.rand(2, 8, 8)).annotations
    assert annotations.dtype == dtype

"""Encoders of speech: lengths, masks, what an annotation sees, layers by loops."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.functional import token_mask
from attention_book.models.encoders.speech import (
    PyramidSpeechEncoder,
    StridedSpeechEncoder,
)

B, T, MELS, D, HIDDEN = 3, 11, 5, 6, 7
LENGTHS = T, 6, 1


@pytest.fixture
def frames():
    return torch.randn(B, T, MELS, dtype=torch.float64)


@pytest.fixture
def mask():
    return token_mask(torch.tensor(LENGTHS), T)


def strided(strides=(2, 3), width=3):
    encoder = StridedSpeechEncoder(MELS, D, HIDDEN, width=width, strides=strides)
    return encoder.double()


def pyramid(num_halvings=2):
    return PyramidSpeechEncoder(MELS, D, num_halvings=num_halvings).double()


def test_strided_layers_by_loops(frames):
    encoder = strided()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    got = encoder(frames).annotations
    for b in range(B):
        x = list(frames[b])
        layers = zip(encoder.convolutions, encoder.norms, (2, 3), strict=True)
        for layer, (convolution, norm, stride) in enumerate(layers):
            if layer:
                x = [vector.relu() for vector in x]
            outputs = []
            for middle in range(0, len(x), stride):
                y = convolution.bias
                for offset in (-1, 0, 1):
                    if 0 <= middle + offset < len(x):
                        weight = convolution.weight[:, :, 1 + offset]
                        y = y + weight @ x[middle + offset]
                y = (y - y.mean()) / (y.var(correction=0) + norm.eps).sqrt()
                outputs.append(norm.weight * y + norm.bias)
            x = outputs
        assert_close(got[b], torch.stack(x))


def test_an_annotation_sees_frames_around_its_middle():
    encoder = strided((2, 1, 2), width=3)
    assert encoder.reduction == 4
    assert encoder.receptive_field == 1 + 2 + 4 + 4
    frames = torch.randn(1, 40, MELS, dtype=torch.float64).requires_grad_()
    encoder(frames).annotations[0, 5].square().sum().backward()
    seen = frames.grad[0].ne(0).any(dim=1).nonzero().flatten()
    assert seen.tolist() == list(range(20 - 5, 20 + 6))


def test_equal_sounds_have_equal_annotations():
    """Far enough from each other and from the ends; recurrent states tell them apart"""
    frames = torch.zeros(1, 40, MELS, dtype=torch.float64)
    sound = torch.randn(3, MELS, dtype=torch.float64)
    frames[0, 9:12], frames[0, 25:28] = sound, sound
    annotations = strided((2, 2)).forward(frames).annotations[0]
    assert_close(annotations[1:4], annotations[5:8])
    states = pyramid()(frames).annotations[0]
    assert not torch.allclose(states[1:4], states[5:8])


@pytest.mark.parametrize("encoder", [strided(), strided((1,)), pyramid(), pyramid(0)])
def test_padding_changes_nothing(encoder, frames, mask):
    annotations, reduced, final = encoder(frames, mask)
    size = encoder.reduction
    assert reduced.sum(dim=1).tolist() == [-(-n // size) for n in LENGTHS]
    assert annotations.shape[:2] == reduced.shape
    assert (annotations[~reduced] == 0).all()
    for b, length in enumerate(LENGTHS):
        alone = encoder(frames[b : b + 1, :length])
        assert alone.mask is None
        count = alone.annotations.shape[1]
        assert count == reduced[b].sum()
        assert_close(annotations[b, :count], alone.annotations[0])
        if final is not None:
            assert_close(final[b], alone.final[0])
    frames = frames.masked_fill(~mask[..., None], 7.0)
    assert_close(encoder(frames, mask).annotations, annotations)


def test_a_pyramid_reads_two_states_as_one(frames, mask):
    encoder = pyramid(1)
    states = encoder.first(frames, mask).annotations
    pairs = torch.zeros(B, 6, 2 * D, dtype=torch.float64)
    halved = torch.zeros(B, 6, dtype=torch.bool)
    for b, length in enumerate(LENGTHS):
        for i in range(length):
            half = slice(D * (i % 2), D * (i % 2) + D)
            pairs[b, i // 2, half] = states[b, i]
            halved[b, i // 2] = True
    want = encoder.pyramid[0](pairs, halved)
    annotations, reduced, final = encoder(frames, mask)
    assert torch.equal(reduced, halved)
    assert_close((annotations, final), (want.annotations, want.final))


@pytest.mark.parametrize("encoder", [strided(), pyramid()])
def test_gradients_reach_the_real_frames_only(encoder, frames, mask):
    frames.requires_grad_()
    encoder(frames, mask).annotations.square().sum().backward()
    seen = frames.grad.ne(0).any(dim=-1)
    assert not (seen & ~mask).any()
    assert seen[:, 0].all()


def test_errors(frames, no_shape_checks):
    with pytest.raises(ValueError, match="width must be odd, got 4"):
        strided(width=4)
    with pytest.raises(ValueError, match="strides must have one entry"):
        strided(())
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        strided((0,))
    with pytest.raises(ValueError, match="num_mels must be at least 1, got 0"):
        StridedSpeechEncoder(0, D, HIDDEN)
    with pytest.raises(ValueError, match=r"annotation_dim must be even.*got 5"):
        PyramidSpeechEncoder(MELS, 5)
    with pytest.raises(ValueError, match="num_halvings must be at least 1, got -1"):
        pyramid(-1)
    for encoder in (strided(), pyramid()):
        with pytest.raises(ValueError, match="frames must have 5 features each, got 3"):
            encoder(frames[..., :3])
        with pytest.raises(ValueError, match=r"frames_mask must have the shape"):
            encoder(frames, torch.ones(B, 2, dtype=torch.bool))

"""Encoders of video: frames by themselves, then in order; temporal attention."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.data.captions.frames import frame_batch
from attention_book.data.captions.moving_digits import moving_digits
from attention_book.data.vocab import Vocab
from attention_book.functional import token_mask
from attention_book.models.encoders.video import FrameEncoder, VideoEncoder
from attention_book.models.soft_hard import ShowAttendTell, ShowAttendTellConfig

B, T, H, W, D, HIDDEN = 2, 5, 8, 12, 6, 3


@pytest.fixture
def frames():
    return torch.rand(B, T, H, W, dtype=torch.float64)


@pytest.fixture
def mask():
    return token_mask(torch.tensor([T, 3]), T)


def normalised(x, norm):
    """A frame's features, normalised all together."""
    x = (x - x.mean()) / (x.var(correction=0) + norm.eps).sqrt()
    return x * norm.weight[:, None, None] + norm.bias[:, None, None]


def test_a_frame_is_two_convolutions_and_the_largest_values(frames):
    encoder = FrameEncoder(D, HIDDEN).double()
    first, _, norm1, _, second, _, norm2, _ = encoder.layers
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    got = encoder(frames)
    assert got.mask is None
    for b in range(B):
        for t in range(T):
            x = F.conv2d(frames[b, t][None], first.weight, first.bias, padding=1)
            x = normalised(F.max_pool2d(x, 2), norm1).relu()
            x = F.conv2d(x, second.weight, second.bias, padding=1)
            x = normalised(F.max_pool2d(x, 2), norm2).relu()
            v = encoder.output_proj.weight @ x.amax(dim=(1, 2))
            assert_close(got.annotations[b, t], v + encoder.output_proj.bias)


def test_frames_by_themselves_have_no_order(frames):
    encoder = FrameEncoder(D, HIDDEN).double()
    order = torch.tensor([3, 0, 4, 1, 2])
    want = encoder(frames).annotations[:, order]
    assert_close(encoder(frames[:, order]).annotations, want)
    video = VideoEncoder(D, HIDDEN).double()
    got = video(frames[:, order]).annotations
    assert (got != video(frames).annotations[:, order]).any(dim=-1).all()


@pytest.mark.parametrize("kind", [FrameEncoder, VideoEncoder])
def test_padding_changes_nothing(kind, frames, mask):
    encoder = kind(D, HIDDEN).double()
    annotations, masked, final = encoder(frames, mask)
    assert annotations.shape == (B, T, D)
    assert torch.equal(masked, mask)
    alone = encoder(frames[1:, :3])
    assert alone.mask is None
    assert_close(annotations[1:, :3], alone.annotations)
    assert (annotations[1, 3:] == 0).all()
    if final is not None:
        assert_close(final[1:], alone.final)
    # The weights of its parts do not change with other padding either.
    other = frames.clone()
    other[1, 3:] = 7.0
    assert_close(encoder(other, mask).annotations, annotations)


def test_states_over_time_start_at_the_real_ends(frames, mask):
    encoder = VideoEncoder(D, HIDDEN).double()
    annotations, _, final = encoder(frames, mask)
    vectors = encoder.frame_encoder(frames, mask).annotations
    assert_close(annotations, encoder.time(vectors, mask).annotations)
    assert_close(annotations[:, 0, D // 2 :], final)


def test_temporal_attention_is_additive_attention_over_frames(frames, mask):
    """Yao et al., 2015: scores, softmax and sum over the frames, by plain loops."""
    annotations, mask, _ = FrameEncoder(D, HIDDEN).double()(frames, mask)
    layer = AdditiveAttention(4, D, 7).double()
    states = torch.randn(B, 3, 4, dtype=torch.float64)
    context, weights = layer(states, annotations, annotations, mask[:, None])
    W_a, U_a = layer.query_proj.weight, layer.key_proj.weight
    w = layer.score_proj.weight[0]
    for b, length in enumerate((T, 3)):
        for t in range(3):
            energies = [
                (w @ torch.tanh(W_a @ states[b, t] + U_a @ annotations[b, i])).exp()
                for i in range(length)
            ]
            alpha = torch.stack(energies) / sum(energies)
            assert_close(weights[b, t, :length], alpha)
            phi = sum(alpha[i] * annotations[b, i] for i in range(length))
            assert_close(context[b, t], phi)


def test_the_captioner_of_images_learns_clips():
    """Gate, mean start and penalty as in the code of Yao et al.; nothing is added."""
    torch.manual_seed(0)
    clips = moving_digits(train=6, test=1, size=8, max_digits=2).train
    captions = [clip.caption for clip in clips]
    vocab = Vocab([word for caption in captions for word in caption])
    batch = frame_batch([clip.frames for clip in clips], captions, vocab)
    config = ShowAttendTellConfig(
        target_vocab=len(vocab),
        annotation_dim=12,
        embed_dim=10,
        hidden_dim=14,
        kind="soft",
        penalty=0.7,
    )
    model = ShowAttendTell(config, FrameEncoder(12, 5))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    start = model.eval().loss(batch).item()
    model.train()
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    model.eval()
    assert model.loss(batch).item() < start / 4
    weights = model(batch.source, batch.target, batch.source_mask).weights
    blocked = ~batch.source_mask[:, None].expand_as(weights)
    assert (weights[blocked] == 0).all()


def test_gradients_reach_the_frames(frames, mask):
    frames.requires_grad_()
    VideoEncoder(D, HIDDEN).double()(frames, mask).annotations.square().sum().backward()
    seen = frames.grad.flatten(2).ne(0).any(dim=-1)
    assert torch.equal(seen, mask)


def test_errors(frames, no_shape_checks):
    with pytest.raises(ValueError, match="hidden_dim must be at least 1, got 0"):
        FrameEncoder(3, 0)
    with pytest.raises(ValueError, match=r"annotation_dim must be even.*got 5"):
        VideoEncoder(5, 3)
    encoder = VideoEncoder(D, HIDDEN).double()
    with pytest.raises(ValueError, match=r"at least 4 pixels, got \(3, 12\)"):
        encoder(frames[:, :, :3])
    with pytest.raises(ValueError, match=r"frames_mask must have the shape.*\(2, 5\)"):
        encoder(frames, torch.ones(B, 3, dtype=torch.bool))
    with pytest.raises(TypeError, match="frames_mask must be boolean"):
        encoder(frames, torch.ones(B, T))
    left = token_mask(torch.tensor([T, 3]), T).flip(1)
    with pytest.raises(ValueError, match="frames must be padded on the right"):
        encoder(frames, left)

"""Show, Attend and Tell: captions by a decoder with attention (Xu et al., 2015)."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.attention.soft_hard import HardAttention
from attention_book.data.captions.captions import CaptionBatch
from attention_book.data.captions.frames import FrameBatch
from attention_book.functional import attend
from attention_book.models.checks import check_rows
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.soft_hard.config import (
    CaptionState,
    DecoderOutput,
    ShowAttendTellConfig,
)
from attention_book.models.soft_hard.loss import (
    coverage_penalty,
    moving_average,
    other_draws,
    reinforce_surrogate,
    weights_entropy,
)


class ShowAttendTell(nn.Module):
    r"""An LSTM that attends to the annotations of an image before each word.

    .. math::
        \alpha_t &= \mathrm{softmax}_i f_{att}(a_i, h_{t-1}), \qquad
        \hat z_t = \phi(a, \alpha_t) \\
        (h_t, c_t) &= \mathrm{LSTM}([E y_{t-1}; \hat z_t], h_{t-1}, c_{t-1}), \qquad
        h_0, c_0 = f_{init}\bigl(\tfrac1L \textstyle\sum_i a_i\bigr) \\
        p(y_t) &\propto \exp\bigl(L_o (E y_{t-1} + L_h h_t + L_z \hat z_t)\bigr)

    where ``config.kind`` selects :math:`\phi`. For "soft" it is
    :math:`\beta_t \sum_i \alpha_{ti} a_i` with the scalar gate
    :math:`\beta_t = \sigma(f_\beta(h_{t-1}))`.

    In training, :meth:`loss` has all terms of the kind. In eval mode it is the
    likelihood alone, so that development losses of all kinds can be compared. A hard
    decoder then attends to the location of the largest weight, or draws one as in
    training if ``sample_in_eval`` is set to True.

    The moving average that a hard decoder subtracts from its reward is learned without
    a gradient: call :meth:`after_step` after each optimizer step, as
    :func:`attention_book.training.loop.fit` does.

    Args:
        config: sizes and terms; kept as ``self.config``.
        encoder: called as ``encoder(source, source_mask)``, returns an
            :class:`attention_book.models.encoders.encoded.Encoded`. None: the source
            consists of annotations, so that the model is the decoder of any encoder.

    Source: arXiv:1502.03044, sections 3 and 4. :math:`f_{init}` has one hidden layer.
        Whether a row gets the expected values is drawn for each image, not for the
        batch, as in the paper. Initial values are PyTorch's.
    """

    baseline: Tensor
    reward: Tensor
    num_steps: Tensor

    def __init__(
        self, config: ShowAttendTellConfig, encoder: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.sample_in_eval = False
        annotation, embed, hidden = (
            config.annotation_dim,
            config.embed_dim,
            config.hidden_dim,
        )
        self.embedding = TokenEmbedding(config.target_vocab, embed)  # E
        if config.glance:
            self.initial_hidden = _two_layers(annotation, hidden)  # f_init,h
            self.initial_cell = _two_layers(annotation, hidden)  # f_init,c
        if config.kind != "mean":
            layer = AdditiveAttention if config.kind == "soft" else HardAttention
            self.attention = layer(hidden, annotation, config.attention_dim)  # f_att
        if config.kind == "soft" and config.gate:
            self.gate_proj = nn.Linear(hidden, 1)  # f_beta
        # T, split into its parts for E y, h and z; the four gates side by side.
        self.input_proj = nn.Linear(embed, 4 * hidden)
        self.state_proj = nn.Linear(hidden, 4 * hidden, bias=False)
        self.context_proj = nn.Linear(annotation, 4 * hidden, bias=False)
        self.state_out = nn.Linear(hidden, embed, bias=False)  # L_h
        self.context_out = nn.Linear(annotation, embed, bias=False)  # L_z
        self.output_proj = nn.Linear(embed, config.target_vocab)  # L_o
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("baseline", torch.zeros(()))  # b
        # The mean reward of the last training batch, for the next baseline.
        self.register_buffer("reward", torch.zeros(()))
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.long))

    def forward(
        self,
        source: Float[Tensor, "rows ..."],
        target: Int[Tensor, "rows tokens"],
        source_mask: Bool[Tensor, "rows locations"] | None = None,
        *,
        expected: Bool[Tensor, " rows"] | None = None,
    ) -> DecoderOutput:
        """Return logits, weights and log-probabilities under teacher forcing.

        Args:
            source: images for the encoder, or annotations (rows, locations, dim).
            target: the words that the decoder reads, ``<bos> y_1 ... y_T``; the logits
                score the word after each.
            source_mask: True where the decoder may attend; None: everywhere.
            expected: as for :meth:`run`.
        """
        return self.run(target, self.start(source, source_mask), expected)

    def start(
        self,
        source: Float[Tensor, "rows ..."],
        source_mask: Bool[Tensor, "rows locations"] | None = None,
    ) -> CaptionState:
        """Encode the images; return the state from which decoding starts."""
        annotations, mask = source, source_mask
        if self.encoder is not None:
            annotations, mask, _ = self.encoder(source, source_mask)
        hidden = cell = annotations.new_zeros(len(annotations), self.config.hidden_dim)
        if self.config.glance:
            mean, _ = mean_annotation(annotations, mask)
            hidden, cell = self.initial_hidden(mean), self.initial_cell(mean)
        attends = self.config.kind != "mean"
        keys = self.attention.project(annotations) if attends else None
        return CaptionState(hidden, cell, annotations, keys, mask)

    def run(
        self,
        inputs: Int[Tensor, "rows tokens"],
        state: CaptionState,
        expected: Bool[Tensor, " rows"] | None = None,
    ) -> DecoderOutput:
        """Read ``inputs``, attending before each word.

        Args:
            inputs: words; the first one is usually ``<bos>``.
            state: from :meth:`start` or an earlier run.
            expected: for "hard": True for rows that get the weighted average instead of
                a drawn location; None: none.
        """
        check_rows(inputs, state.hidden)
        hidden, cell = state.hidden, state.cell
        embedded = self.embedding(inputs)
        states, attended, weights, log_probs = [], [], [], []
        for projected in self.input_proj(embedded).unbind(dim=1):
            context, weight, log_prob = self._attend(state, hidden, expected)
            gates = projected + self.state_proj(hidden) + self.context_proj(context)
            enter, forget, new, leave = gates.chunk(4, dim=-1)
            cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
            hidden = leave.sigmoid() * cell.tanh()
            states.append(hidden)
            attended.append(context)
            weights.append(weight)
            log_probs.append(log_prob)
        hiddens, contexts = torch.stack(states, 1), torch.stack(attended, 1)
        deep = embedded + self.state_out(hiddens) + self.context_out(contexts)
        return DecoderOutput(
            self.output_proj(self.dropout(deep)),
            torch.stack(weights, 1),
            torch.stack(log_probs, 1),
            state._replace(hidden=hidden, cell=cell),
        )

    def decode(
        self, inputs: Int[Tensor, "rows tokens"], state: CaptionState
    ) -> tuple[Float[Tensor, "rows tokens target_vocab"], CaptionState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        result = self.run(inputs, state)
        return result.logits, result.state

    def step(
        self, ids: Int[Tensor, " rows"], state: CaptionState
    ) -> tuple[Float[Tensor, "rows target_vocab"], CaptionState]:
        """Read one word per row; return the logits of the next, and the state."""
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state

    def log_likelihood(
        self,
        batch: CaptionBatch | FrameBatch,
        expected: Bool[Tensor, " batch"] | None = None,
    ) -> tuple[Float[Tensor, " batch"], DecoderOutput]:
        r"""Return :math:`\log p(y \mid \tilde s, a)` of each caption, and the output.

        Args:
            batch: images, or the frames of clips, and captions.
            expected: as for :meth:`run`.
        """
        result = self(
            batch.source, batch.target[:, :-1], batch.source_mask, expected=expected
        )
        target, mask = batch.target[:, 1:], batch.target_mask[:, 1:]
        log_probs = result.logits.log_softmax(dim=-1)
        words = log_probs.gather(-1, target[..., None]).squeeze(-1)
        # Filled, not multiplied: 0 times infinity is NaN.
        return words.masked_fill(~mask, 0.0).sum(dim=1), result

    def loss(self, batch: CaptionBatch | FrameBatch) -> Float[Tensor, ""]:
        """The training loss; in eval mode the negative log-likelihood alone.

        Both are sums over the captions divided by the number of words. The likelihood
        is then in nats per token, and the terms keep the paper's proportions.
        """
        config = self.config
        if self.training and config.kind == "hard":
            return self.hard_loss(batch)
        log_likelihood, result = self.log_likelihood(batch)
        loss = -log_likelihood
        if self.training and config.kind == "soft" and config.penalty > 0:
            mask = batch.target_mask[:, 1:]
            loss = loss + config.penalty * coverage_penalty(result.weights, mask)
        return loss.sum() / batch.num_tokens

    def hard_loss(self, batch: CaptionBatch | FrameBatch) -> Float[Tensor, ""]:
        """The surrogate whose gradient is the paper's estimate, in nats per token.

        It notes the mean reward for :meth:`after_step`; calling it again with the same
        random state returns the same value.
        """
        config, expected = self.config, None
        if config.expected_p > 0:  # a coin for each image, the same for all its draws
            coins = torch.rand(len(batch), device=batch.target.device)
            expected = (coins < config.expected_p).repeat(config.num_draws)
        batch = batch.repeated(config.num_draws)
        log_likelihood, result = self.log_likelihood(batch, expected)
        mask = batch.target_mask[:, 1:]
        log_prob = (result.log_prob * mask).sum(dim=1)
        scale = config.reward_scale * (self.num_steps >= config.reward_start)
        baseline = self.reward_baseline(log_likelihood)
        loss = reinforce_surrogate(log_likelihood, log_prob, baseline, scale)
        if config.entropy_weight > 0:
            entropy = weights_entropy(result.weights, mask)
            loss = loss - config.entropy_weight * entropy
        self.reward = log_likelihood.detach().mean()
        return loss.sum() / batch.num_tokens

    def reward_baseline(
        self, log_likelihood: Float[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        r"""Return what is subtracted from the reward of each row of a training batch.

        Args:
            log_likelihood: :math:`\log p(y \mid \tilde s, a)`; the draws of an image
                are as far apart as there are images.
        """
        if self.config.baseline == "moving average":
            return self.baseline.expand_as(log_likelihood)
        reward = log_likelihood.detach()
        if self.config.baseline == "other draws":
            return other_draws(reward.view(self.config.num_draws, -1)).flatten()
        return torch.zeros_like(reward)

    def after_step(self) -> None:
        """Move the baseline towards the reward of the last training batch; count steps.

        This comes after the loss, because a baseline that depends on the sample of its
        own step would bias the gradient.
        """
        if self.config.kind == "hard":
            self.baseline = moving_average(self.baseline, self.reward)
            self.num_steps = self.num_steps + 1

    def _attend(
        self,
        state: CaptionState,
        hidden: Float[Tensor, "rows hidden_dim"],
        expected: Bool[Tensor, " rows"] | None,
    ) -> tuple[
        Float[Tensor, "rows annotation_dim"],
        Float[Tensor, "rows locations"],
        Float[Tensor, " rows"],
    ]:
        """Return context, weights, and the drawn location's log-probability."""
        nothing = hidden.new_zeros(len(hidden))
        if self.config.kind == "mean":
            return *mean_annotation(state.annotations, state.mask), nothing
        mask = None if state.mask is None else state.mask[:, None]
        inputs = hidden[:, None], state.annotations, state.annotations, mask
        if self.config.kind == "soft":
            context, weights = self.attention(*inputs, projected_key=state.keys)
            context = context[:, 0]
            if self.config.gate:
                context = self.gate_proj(hidden).sigmoid() * context  # beta_t
            return context, weights[:, 0], nothing
        mode = "straight_through" if self.config.kind == "gumbel" else "sample"
        if not self.training:
            mode = "sample" if self.sample_in_eval else "argmax"
        context, weights, log_prob = self.attention(
            *inputs, projected_key=state.keys, mode=mode, expected=expected
        )
        return context[:, 0], weights[:, 0], log_prob[:, 0]


def mean_annotation(
    annotations: Float[Tensor, "batch locations annotation_dim"],
    mask: Bool[Tensor, "batch locations"] | None,
) -> tuple[Float[Tensor, "batch annotation_dim"], Float[Tensor, "batch locations"]]:
    """Return the plain average over the locations in the mask, and its weights."""
    scores = annotations.new_zeros(len(annotations), 1, annotations.shape[1])
    mask = None if mask is None else mask[:, None]
    context, weights = attend(scores, annotations, mask)
    return context[:, 0], weights[:, 0]


def _two_layers(input_dim: int, output_dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(input_dim, output_dim),
        nn.ReLU(),
        nn.Linear(output_dim, output_dim),
        nn.Tanh(),
    )

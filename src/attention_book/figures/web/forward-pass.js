// The forward pass of some of the book's models, from a file of their weights.
//
//   const model = attentionBook.forward.open(bytes);  // safetensors, 16-bit floats
//   let state = model.start(source);       // ids that end with <eos>, or an image
//   ({ logits, weights, state } = model.step(state, id));
//
// `weights` are those over the source, a list for each head of each layer, or null. The
// Transformer returns `written` besides: the weights over what it has read of its own
// output, the present token last.
//
// Every function is the equation of the layer in the package that its comment names, and
// is tested against it. A vector is a Float64Array, a list of tokens an array of vectors.
// A weight is {shape, data}, with PyTorch's rows: (out, in). Nothing changes its inputs,
// so that a state can be gone on from more than once.
(() => {
  "use strict";
  const book = window.attentionBook ??= {};
  if (book.forward) return; // a page or a notebook may hold this script more than once

  // Vectors.

  const zip = (a, b, f) => a.map((x, i) => f(x, b[i]));
  const add = (a, b) => zip(a, b, (x, y) => x + y);
  const concat = (...parts) => {
    const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  };
  const chunk = (x, count) => {
    const size = x.length / count;
    return Array.from({ length: count }, (_, i) => x.subarray(i * size, (i + 1) * size));
  };
  const dot = (a, b) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
    return sum;
  };
  const sigmoid = (x) => x.map((value) => 1 / (1 + Math.exp(-value)));
  const tanh = (x) => x.map(Math.tanh);
  const relu = (x) => x.map((value) => Math.max(value, 0));

  // Layers.

  // nn.Linear: W x + b. Some rows of W only: from `first` to before `end`.
  const linear = ({ weight: { shape, data }, bias }, x, first = 0, end = shape[0]) => {
    const width = shape[1], out = new Float64Array(end - first);
    for (let i = first, at = first * width; i < end; i++) {
      let sum = bias ? bias.data[i] : 0;
      for (let j = 0; j < width; j++) sum += data[at++] * x[j];
      out[i - first] = sum;
    }
    return out;
  };

  // nn.Embedding: the row of an id.
  const embed = ({ weight: { shape, data } }, id) =>
    Float64Array.from(data.subarray(id * shape[1], (id + 1) * shape[1]));

  // attention_book.functional.masked_softmax: where nothing is allowed, all are 0.
  const softmax = (scores, allowed = () => true) => {
    let most = -Infinity;
    scores.forEach((score, i) => { if (allowed(i)) most = Math.max(most, score); });
    const powers = scores.map((score, i) => (allowed(i) ? Math.exp(score - most) : 0));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => (sum > 0 ? power / sum : 0));
  };

  // The sum of vectors, each times its weight.
  const average = (weights, values) => {
    const out = new Float64Array(values[0].length);
    values.forEach((value, i) => {
      if (weights[i]) for (let j = 0; j < out.length; j++) out[j] += weights[i] * value[j];
    });
    return out;
  };

  // nn.GRU, one step: r inside the candidate after U h + b, z the share of the old state.
  const gru = (input, recurrent, x, h) => {
    const [xr, xz, xn] = chunk(linear(input, x), 3);
    const [hr, hz, hn] = chunk(linear(recurrent, h), 3);
    const r = sigmoid(add(xr, hr)), z = sigmoid(add(xz, hz));
    return h.map((old, i) => (1 - z[i]) * Math.tanh(xn[i] + r[i] * hn[i]) + z[i] * old);
  };

  // nn.LSTM, one step: input, forget, cell and output gate.
  const lstm = (input, recurrent, x, { hidden, cell }) =>
    lstmStep(add(linear(input, x), linear(recurrent, hidden)), cell);
  const lstmStep = (gates, cell) => {
    const [i, f, g, o] = chunk(gates, 4);
    const enter = sigmoid(i), keep = sigmoid(f), leave = sigmoid(o);
    const next = cell.map((old, k) => keep[k] * old + enter[k] * Math.tanh(g[k]));
    return { hidden: next.map((value, k) => leave[k] * Math.tanh(value)), cell: next };
  };

  // models.bahdanau.AttentionGRU, one step for a known context: r times the old state
  // alone, z the share of the new one.
  const attentionGru = ({ input, state, context }, x, h, c) => {
    const size = h.length;
    const outer = add(linear(input, x), linear(context, c));
    const gates = linear(state, h, 0, 2 * size);
    const r = sigmoid(add(outer.subarray(0, size), gates.subarray(0, size)));
    const z = sigmoid(add(outer.subarray(size, 2 * size), gates.subarray(size)));
    const inner = linear(state, zip(r, h, (a, b) => a * b), 2 * size, 3 * size);
    const candidate = tanh(add(outer.subarray(2 * size), inner));
    return h.map((old, i) => (1 - z[i]) * old + z[i] * candidate[i]);
  };

  // attention.bahdanau.AdditiveAttention: v tanh(W s + U h), the keys U h given.
  const additiveScores = (query, score, s, keys) => {
    const projected = linear(query, s);
    return Float64Array.from(keys, (key) =>
      dot(score.weight.data, zip(projected, key, (a, b) => Math.tanh(a + b))));
  };

  // attention.global_local.LocalAttention: the softmax over [centre - D, centre + D],
  // times a Gaussian for local-p. Positions from `length` on are padding.
  const localWeights = (scores, centre, window, length, predictive) => {
    const inside = (s) => s < length && Math.abs(s - centre) <= window;
    const weights = softmax(scores, inside), sigma = window / 2;
    if (!predictive) return weights;
    return weights.map((w, s) => w * Math.exp(-((s - centre) ** 2) / (2 * sigma ** 2)));
  };

  // nn.LayerNorm: the variance over all features, eps inside the root.
  const layerNorm = ({ weight, bias }, x, eps = 1e-5) => {
    const mean = x.reduce((a, b) => a + b, 0) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    const scale = 1 / Math.sqrt(variance + eps);
    return x.map((value, i) => (value - mean) * scale * weight.data[i] + bias.data[i]);
  };

  // nn.BatchNorm2d in eval mode, for one location: the running mean and variance.
  const batchNorm = ({ weight, bias, mean, variance }, x, eps = 1e-5) =>
    x.map((value, i) => (value - mean.data[i]) / Math.sqrt(variance.data[i] + eps)
      * weight.data[i] + bias.data[i]);

  // attention.positions.absolute.sinusoids: the encoding of one position.
  const sinusoid = (position, size) => Float64Array.from({ length: size }, (_, i) => {
    const angle = position * 10000 ** (-2 * (i >> 1) / size);
    return i % 2 ? Math.cos(angle) : Math.sin(angle);
  });

  // models.transformer.FeedForward.
  const feedForward = ({ hidden, out }, x) => linear(out, relu(linear(hidden, x)));

  // attention.multi_head: part 0, 1, 2 of in_proj are the queries, keys and values.
  const project = (layer, x, part) => {
    const size = layer.out.weight.shape[0];
    return linear(layer.in, x, part * size, (part + 1) * size);
  };

  // The same for one query and projected keys and values. `weigh` makes the weights of
  // the scores of a head; all heads may attend to all keys that are given.
  const multiHead = (layer, heads, query, keys, values, weigh = softmax) => {
    const size = query.length / heads, weights = [];
    const parts = Array.from({ length: heads }, (_, head) => {
      const cut = (x) => x.subarray(head * size, (head + 1) * size);
      const own = cut(query);
      weights.push(weigh(Float64Array.from(keys, (key) =>
        dot(own, cut(key)) / Math.sqrt(size))));
      return average(weights[head], values.map(cut));
    });
    return { context: linear(layer.out, concat(...parts)), weights };
  };

  // Models. `how` breaks them on purpose: `uniform` gives every source position the same
  // weight, `focus` all weight to one, `padding` appends so many padding positions that
  // no mask hides, `positions: false` adds none to the Transformer's tokens.

  const weigh = (scores, how) => {
    if (how.focus != null) return scores.map((_, i) => Number(i === how.focus));
    return how.uniform ? scores.map(() => 1 / scores.length) : softmax(scores);
  };
  const padded = (tokens, how) => [...tokens, ...Array.from({ length: how.padding ?? 0 },
    () => new Float64Array(tokens[0].length))];
  // The words backwards; <eos> stays at the end.
  const reversed = (items) => [...items.slice(0, -1).reverse(), items.at(-1)];

  // models.bahdanau.RNNSearch, with attention, or with one context: score "none", "mean".
  const RNNSearch = {
    start(w, { score }, ids, how) {
      const vectors = ids.map((id) => embed(w.layer("source_embedding"), id));
      const direction = (suffix) => {
        const names = ["ih", "hh"].map((kind) => w.gate("encoder.gru", kind, `l0${suffix}`));
        let h = new Float64Array(names[1].weight.shape[1]);
        return (x) => (h = gru(...names, x, h));
      };
      const forward = vectors.map(direction(""));
      const backward = [...vectors].reverse().map(direction("_reverse")).reverse();
      let annotations = forward.map((h, j) => concat(h, backward[j]));
      if (score === "none") annotations = [concat(forward.at(-1), backward[0])];
      else if (score === "mean") {
        annotations = [average(annotations.map(() => 1 / annotations.length), annotations)];
      } else annotations = padded(annotations, how);
      const keys = score !== "additive" && score !== "dot" ? null
        : annotations.map((h) => linear(w.layer("decoder.unit.attention.key_proj"), h));
      const hidden = tanh(linear(w.layer("decoder.initial_proj"), backward[0]));
      return { hidden, annotations, keys };
    },
    step(w, { score }, id, state, how) {
      const { hidden, annotations, keys } = state, unit = "decoder.unit";
      const x = embed(w.layer("target_embedding"), id);
      let weights = null, context = annotations[0];
      if (keys) {
        const query = w.layer(`${unit}.attention.query_proj`);
        const scores = score === "dot"
          ? Float64Array.from(keys, (key) => dot(linear(query, hidden), key))
          : additiveScores(query, w.layer(`${unit}.attention.score_proj`), hidden, keys);
        weights = weigh(scores, how);
        context = average(weights, annotations);
      }
      const next = attentionGru({ input: w.layer(`${unit}.input_proj`),
        state: w.layer(`${unit}.state_proj`), context: w.layer(`${unit}.context_proj`) },
      x, hidden, context);
      const pairs = linear(w.layer("decoder.maxout_proj"), concat(hidden, x, context));
      const maxout = Float64Array.from({ length: pairs.length / 2 }, (_, k) =>
        Math.max(pairs[2 * k], pairs[2 * k + 1]));
      return { logits: linear(w.layer("decoder.output_proj"), maxout),
        weights: weights && [[weights]], state: { ...state, hidden: next } };
    },
  };

  // A stack of nn.LSTM layers, one step: the state of each layer, from the first.
  const lstmLayers = (w, name, x, layers) => {
    const next = [];
    layers.forEach((layer, k) => {
      next.push(lstm(w.gate(name, "ih", `l${k}`), w.gate(name, "hh", `l${k}`),
        k ? next[k - 1].hidden : x, layer));
    });
    return next;
  };
  const noLstm = (w, name, count) => Array.from({ length: count }, () => {
    const size = w.gate(name, "hh", "l0").weight.shape[1];
    return { hidden: new Float64Array(size), cell: new Float64Array(size) };
  });

  // models.global_local.LuongTranslator: global, local-m or local-p attention, with the
  // scores dot, general or concat, and input feeding or not.
  const LuongTranslator = {
    start(w, config, ids, how) {
      let layers = noLstm(w, "encoder.lstm", config.num_layers);
      const tops = reversed(ids).map((id) => {
        const x = embed(w.layer("source_embedding"), id);
        layers = lstmLayers(w, "encoder.lstm", x, layers);
        return layers.at(-1).hidden;
      });
      const annotations = padded(reversed(tops), how);
      const score = "decoder.attention.score";
      const keys = config.score !== "concat" ? annotations
        : annotations.map((h) => linear(w.layer(`${score}.key_proj`), h));
      const fed = config.input_feeding ? new Float64Array(tops[0].length) : [];
      return { layers, annotations, keys, fed, time: 0 };
    },
    step(w, config, id, state, how) {
      const { annotations, keys, time } = state, length = annotations.length;
      const x = concat(embed(w.layer("target_embedding"), id), state.fed);
      const layers = lstmLayers(w, "decoder.lstm", x, state.layers);
      const query = layers.at(-1).hidden, attention = "decoder.attention";
      const own = w.layer(`${attention}.score.query_proj`);
      let scores;
      if (config.score === "concat") {
        scores = additiveScores(own, w.layer(`${attention}.score.score_proj`), query, keys);
      } else {
        const projected = config.score === "general" ? linear(own, query) : query;
        scores = Float64Array.from(keys, (key) => dot(projected, key));
      }
      let weights;
      if (config.attention === "global" || how.uniform || how.focus != null) {
        weights = weigh(scores, how);
      } else {
        const predictive = config.attention === "local-p";
        const centre = predictive
          ? length * sigmoid(linear(w.layer(`${attention}.centre.centre_proj`),
            tanh(linear(w.layer(`${attention}.centre.hidden_proj`), query))))[0]
          : Math.min(time, length - 1);
        weights = localWeights(scores, centre, config.window, length, predictive);
      }
      const context = average(weights, annotations);
      const fed = tanh(linear(w.layer("decoder.combine_proj"), concat(context, query)));
      return { logits: linear(w.layer("decoder.output_proj"), fed), weights: [[weights]],
        state: { ...state, layers, fed: config.input_feeding ? fed : [], time: time + 1 } };
    },
  };

  // models.transformer.Transformer, with sinusoidal positions or none. One token at a
  // time: the decoder keeps the keys and values of those before it.
  const Transformer = {
    attention(w, name) {
      return { in: w.layer(`${name}.in_proj`), out: w.layer(`${name}.out_proj`) };
    },
    norm: (w, name, { norm }, x) => (norm === "none" ? x : layerNorm(w.layer(name), x)),
    // models.transformer.Residual around a sub-layer `f`.
    residual(w, name, config, x, f) {
      const norm = (y) => this.norm(w, `${name}.norm`, config, y);
      const y = f(config.pre_norm ? norm(x) : x), sum = config.residual ? add(x, y) : y;
      return config.pre_norm ? sum : norm(sum);
    },
    feed(w, name, config, x) {
      const layer = { hidden: w.layer(`${name}.feed_forward.hidden_proj`),
        out: w.layer(`${name}.feed_forward.out_proj`) };
      return this.residual(w, `${name}.feed_forward_residual`, config, x,
        (y) => feedForward(layer, y));
    },
    embed(w, name, { embed_dim, positions }, id, position, how) {
      const x = embed(w.layer(name), id).map((value) => value * Math.sqrt(embed_dim));
      const without = positions === "none" || how.positions === false;
      return without ? x : add(x, sinusoid(position, embed_dim));
    },
    start(w, config, ids, how) {
      if (!["sinusoidal", "none"].includes(config.positions)
        || !["layer", "none"].includes(config.norm)) {
        throw new Error("no forward pass for these positions or this norm");
      }
      const { num_layers, num_heads } = config;
      const all = [...ids, ...Array.from({ length: how.padding ?? 0 }, () => 0)];
      let tokens = all.map((id, at) =>
        this.embed(w, "source_embedding", config, id, at, how));
      for (let k = 0; k < num_layers; k++) {
        const name = `encoder.layers.${k}`;
        const own = this.attention(w, `${name}.self_attention`);
        const norm = (x) => (config.pre_norm
          ? this.norm(w, `${name}.self_residual.norm`, config, x) : x);
        const [keys, values] = [1, 2].map((part) =>
          tokens.map((x) => project(own, norm(x), part)));
        tokens = tokens.map((x) => this.feed(w, name, config,
          this.residual(w, `${name}.self_residual`, config, x, (y) =>
            multiHead(own, num_heads, project(own, y, 0), keys, values).context)));
      }
      if (config.pre_norm) {
        tokens = tokens.map((x) => this.norm(w, "encoder.final_norm", config, x));
      }
      const source = Array.from({ length: num_layers }, (_, k) => [1, 2].map((part) =>
        tokens.map((x) => project(
          this.attention(w, `decoder.layers.${k}.cross_attention`), x, part))));
      return { source, cache: source.map(() => [[], []]) };
    },
    step(w, config, id, state, how) {
      const { num_heads } = config, cache = [], weights = [], written = [];
      let x = this.embed(w, "target_embedding", config, id, state.cache[0][0].length, how);
      state.source.forEach(([keys, values], k) => {
        const name = `decoder.layers.${k}`;
        const own = this.attention(w, `${name}.self_attention`);
        const cross = this.attention(w, `${name}.cross_attention`);
        x = this.residual(w, `${name}.self_residual`, config, x, (y) => {
          cache.push([1, 2].map((part) =>
            [...state.cache[k][part - 1], project(own, y, part)]));
          const found = multiHead(own, num_heads, project(own, y, 0), ...cache[k]);
          written.push(found.weights);
          return found.context;
        });
        x = this.residual(w, `${name}.cross_residual`, config, x, (y) => {
          const found = multiHead(cross, num_heads, project(cross, y, 0), keys, values,
            (scores) => weigh(scores, how));
          weights.push(found.weights);
          return found.context;
        });
        x = this.feed(w, name, config, x);
      });
      if (config.pre_norm) x = this.norm(w, "decoder.final_norm", config, x);
      return { logits: linear(w.layer("output_proj"), x), weights, written,
        state: { ...state, cache } };
    },
  };

  // models.encoders.image.CellEncoder: one annotation for each square cell of an image,
  // rows of brightness. A convolution that moves by its own width is a linear layer.
  const cells = (w, image, size) => {
    const side = Math.sqrt(image.length), count = side / size;
    const flat = ({ weight: { shape, data }, bias }) => ({ bias,
      weight: { shape: [shape[0], data.length / shape[0]], data } });
    const place = (k) => -1 + 2 * k / (count - 1);
    return Array.from({ length: count * count }, (_, cell) => {
      const top = size * Math.floor(cell / count), left = size * (cell % count);
      const patch = Float64Array.from({ length: size * size }, (_, k) =>
        image[(top + Math.floor(k / size)) * side + left + k % size]);
      const hidden = relu(batchNorm(w.norm("encoder.layers.1"),
        linear(flat(w.layer("encoder.layers.0")), patch)));
      const features = batchNorm(w.norm("encoder.layers.4"),
        linear(flat(w.layer("encoder.layers.3")), hidden));
      return concat(features.map((value) => value / 4),
        [place(Math.floor(cell / count)), place(cell % count)]);
    });
  };

  // models.soft_hard.ShowAttendTell with soft attention. It starts from an image.
  const ShowAttendTell = {
    start(w, { kind, glance }, image, how, { cell }) {
      if (kind !== "soft") throw new Error(`there is no forward pass for ${kind} attention`);
      const annotations = cells(w, image, cell);
      const mean = average(annotations.map(() => 1 / annotations.length), annotations);
      const first = (name) => (glance
        ? tanh(linear(w.layer(`${name}.2`), relu(linear(w.layer(`${name}.0`), mean))))
        : new Float64Array(w.layer("state_proj").weight.shape[1]));
      return { annotations, keys: annotations.map((a) =>
        linear(w.layer("attention.key_proj"), a)),
      hidden: first("initial_hidden"), cell: first("initial_cell") };
    },
    step(w, { gate }, id, state, how) {
      const { annotations, keys, hidden, cell } = state;
      const scores = additiveScores(w.layer("attention.query_proj"),
        w.layer("attention.score_proj"), hidden, keys);
      const weights = weigh(scores, how);
      let context = average(weights, annotations);
      if (gate) {
        const [open] = sigmoid(linear(w.layer("gate_proj"), hidden));
        context = context.map((value) => open * value);
      }
      const x = embed(w.layer("embedding"), id);
      const next = lstmStep(add(add(linear(w.layer("input_proj"), x),
        linear(w.layer("state_proj"), hidden)), linear(w.layer("context_proj"), context)),
      cell);
      const deep = add(add(x, linear(w.layer("state_out"), next.hidden)),
        linear(w.layer("context_out"), context));
      return { logits: linear(w.layer("output_proj"), deep), weights: [[weights]],
        state: { ...state, ...next } };
    },
  };

  const MODELS = { RNNSearch, LuongTranslator, Transformer, ShowAttendTell };

  // Files.

  // The values of all 65,536 floats of 16 bits.
  let halves = null;
  const half = (bits) => {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024)
      : 2 ** -14 * (fraction / 1024));
  };
  const table = () => halves ??= Float32Array.from({ length: 65536 }, (_, i) => half(i));

  // A safetensors file of 16-bit floats: its metadata, and its tensors by name.
  const parse = (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const start = 8 + Number(view.getBigUint64(0, true)), values = table();
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
    const { __metadata__: metadata, ...entries } = header, tensors = {};
    for (const [name, { dtype, shape, data_offsets: [first, end] }] of
      Object.entries(entries)) {
      if (dtype !== "F16") throw new Error(`${name}: want 16-bit floats, got ${dtype}`);
      const data = new Float32Array((end - first) / 2);
      for (let i = 0; i < data.length; i++) {
        data[i] = values[view.getUint16(start + first + 2 * i, true)];
      }
      tensors[name] = { shape, data };
    }
    return { metadata, tensors };
  };

  // Opens a file that attention_book.training.export wrote.
  const open = (bytes) => {
    const { metadata, tensors } = parse(bytes);
    const { model: { model: kind, ...described }, about } = JSON.parse(metadata.book);
    const config = Object.fromEntries(Object.entries(described).map(([name, value]) =>
      [name.replace("config.", ""), value]));
    const model = MODELS[kind];
    if (!model) throw new Error(`there is no forward pass for ${kind}`);
    const w = {
      layer: (name) => ({ weight: tensors[`${name}.weight`], bias: tensors[`${name}.bias`] }),
      norm: (name) => ({ ...w.layer(name), mean: tensors[`${name}.running_mean`],
        variance: tensors[`${name}.running_var`] }),
      gate: (name, kind, at) => ({ weight: tensors[`${name}.weight_${kind}_${at}`],
        bias: tensors[`${name}.bias_${kind}_${at}`] }),
    };
    return { kind, config, tensors, about,
      start: (input, how = {}) => model.start(w, config, input, how, about),
      step: (state, id, how = {}) => model.step(w, config, id, state, how) };
  };

  book.forward = { open, parse, half, linear, embed, softmax, average, gru, lstm,
    attentionGru, additiveScores, localWeights, layerNorm, batchNorm, sinusoid,
    feedForward, multiHead, project };
})();

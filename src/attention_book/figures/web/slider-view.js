// Bars that follow sliders: a formula that the reader can turn.
//
// <slider-view-1> holds its data as JSON and a still image. The formulas are those of
// the book's functions; tests compare the two.
(() => {
  "use strict";
  const NAME = "slider-view-1";
  if (customElements.get(NAME)) return;
  const { Figure, make } = window.attentionBook;

  const softmax = (scores) => {
    const most = Math.max(...scores);
    const powers = scores.map((score) => Math.exp(score - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  };
  const entropy = (weights) => weights.reduce((sum, weight) =>
    sum - (weight > 0 ? weight * Math.log(weight) : 0), 0);

  // Each takes the data and the sliders' values, and returns the heights of the bars,
  // or the weights over the images, and what is to be said of them.
  const FORMULAS = {
    // What was computed before, for each choice; the last slider moves fastest.
    rows({ rows, texts, sliders }, values) {
      const at = sliders.reduce((sum, { name, min, max }) =>
        sum * (max - min + 1) + values[name] - min, 0);
      return { bars: rows[at], text: texts[at] };
    },
    temperature({ scores }, { scale }) {
      const bars = softmax(scores.map((score) => score * scale));
      const gradient = bars.reduce((sum, w) => sum + w * (1 - w), 0) / bars.length;
      return { bars, text: `largest weight ${Math.max(...bars).toFixed(2)}, entropy ` +
        `${entropy(bars).toFixed(2)} nats; a score moves its own weight by ` +
        `${gradient.toFixed(3)} on average` };
    },
    window({ scores }, { centre, width }) {
      const inside = scores.map((_, s) => Math.abs(s - centre) <= width);
      const aligned = softmax(scores.filter((_, s) => inside[s]));
      const sigma = width / 2;
      const bars = scores.map((_, s) => !inside[s] ? 0 : aligned.shift() *
        Math.exp(-((s - centre) ** 2) / (2 * sigma ** 2)));
      const sum = bars.reduce((a, b) => a + b, 0);
      return { bars, text: `${inside.filter(Boolean).length} keys in the window; their ` +
        `weights sum to ${sum.toFixed(2)}` };
    },
    decoding({ scores, centres, queries, truth, names }, { step, shift, width }) {
      const centre = centres[step] + shift;
      const own = FORMULAS.window({ scores: scores[step] }, { centre, width });
      const most = Math.max(...own.bars);
      const seen = most > 0 ? `most on “${names[own.bars.indexOf(most)]}”` : "nothing is seen";
      const partner = truth[step] === null ? "none" : `“${names[truth[step]]}”`;
      return { bars: own.bars, mark: truth[step], text: `step ${step}, “${queries[step]}”: ` +
        `p = ${centre.toFixed(2)}; ${own.text}; ${seen}, true partner: ${partner}` };
    },
    rotation({ query, key, rates }, { position, offset }) {
      const turned = (vector, at) => vector.map((_, i) => {
        const pair = i >> 1, angle = at * rates[pair];
        const [a, b] = [vector[2 * pair], vector[2 * pair + 1]];
        return i % 2 ? a * Math.sin(angle) + b * Math.cos(angle)
          : a * Math.cos(angle) - b * Math.sin(angle);
      });
      const one = turned(query, position);
      const score = (at) => turned(key, at).reduce((sum, x, i) => sum + x * one[i], 0);
      const bars = Array.from({ length: 17 }, (_, i) => score(position + i - 8));
      return { bars, mark: 8 + offset, text: `query at position ${position}, key at ` +
        `${position + offset}: score ${bars[8 + offset].toFixed(3)}` };
    },
    bandit({ weights, rewards }, { baseline, place }) {
      const mean = (value) => weights.reduce((sum, w, s) => sum + w * value(s), 0);
      const push = (s, k) => (rewards[s] - baseline) * ((s === k ? 1 : 0) - weights[k]);
      const exact = weights.map((_, k) => mean((s) => push(s, k)));
      const square = (values) => values.reduce((sum, x) => sum + x * x, 0);
      const variance = mean((s) => square(weights.map((_, k) => push(s, k)))) - square(exact);
      const bars = [...weights.map((_, s) => push(s, place - 1)), exact[place - 1]];
      return { bars, mark: weights.length, text: `mean ${exact[place - 1].toFixed(2)} ` +
        `whatever b is; variance of one draw, over all scores: ${variance.toFixed(2)}` };
    },
    looks({ soft, hard, grid }, { step, draw }) {
      const chosen = hard[draw - 1];
      const seen = (look) => {
        const t = Math.min(step, look.words.length) - 1, at = look.at[t];
        return { weights: look.weights[t], at, word: look.words[t], text:
          `row ${Math.floor(at / grid) + 1}, column ${at % grid + 1} ` +
          `(weight ${(look.weights[t][at] / 1000).toFixed(2)})` };
      };
      const [one, other] = [seen(soft), seen(chosen)];
      return { pictures: [{ ...one, at: null }, other], text: `Soft writes “${one.word}”, ` +
        `most weight on ${one.text}. Hard looks at ${other.text} and writes ` +
        `“${other.word}”; its whole caption: “${chosen.words.join(" ")}”.` };
    },
  };

  const STYLE = `
    :host { display: block; margin: 1em 0; max-width: 40em; }
    .box { font: inherit; color: inherit; }
    label { display: grid; grid-template-columns: 9em 1fr 3.5em; gap: .6em;
      align-items: center; min-height: 32px; }
    input { width: 100%; accent-color: var(--bar); }
    input:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
    .bars { display: flex; align-items: stretch; gap: 3px; height: 9em;
      margin: .8em 0 .2em; }
    .bars div { flex: 1; position: relative; }
    .bars i { position: absolute; left: 0; right: 0; background: var(--bar);
      border-radius: 2px; min-height: 1px; }
    .bars .mark i { background: var(--mark); }
    .names { display: flex; gap: 3px; }
    .names span { flex: 1; text-align: center; font-size: .8em; overflow: hidden;
      text-overflow: ellipsis; white-space: nowrap; min-width: 0; }
    .pictures { display: flex; gap: 1.2em; max-width: 30em; margin: .8em 0 .2em; }
    .pictures > div { flex: 1; text-align: center; font-size: .9em; }
    .picture { position: relative; aspect-ratio: 1; border: 1px solid currentColor; }
    .picture img { position: absolute; width: 100%; height: 100%; left: 0;
      image-rendering: pixelated; filter: var(--image); }
    .cells { position: absolute; inset: 0; display: grid; }
    .cells i { background: rgb(230 110 20 / var(--w, 0)); outline-offset: -3px; }
    .cells .drawn { outline: 3px solid var(--mark); }
    [role=status] { margin: .5em 0 0; min-height: 2.9em; }
    @media print { label { display: none; } }
  `;
  const light = { bar: "#0b6aa8", mark: "#b34700", focus: "#0b5cd0", image: "none" };
  const dark = { bar: "#6fc3f7", mark: "#f5a25c", focus: "#9cc4ff",
    image: "invert(.93)" };

  class SliderView extends Figure {
    build() {
      const { sliders, names } = this.data;
      this.formula = FORMULAS[this.data.kind];
      this.values = {};
      const rows = sliders.map(({ name, label, min, max, step, value }) => {
        this.values[name] = value;
        const input = make("input", { type: "range", min, max, step });
        input.value = value; // after its range
        input.setAttribute("aria-label", label); // without the number beside it
        const shown = make("span", { className: "value", textContent: value });
        input.addEventListener("input", () => {
          this.values[name] = Number(input.value);
          shown.textContent = input.value;
          this.render();
        });
        // JupyterLab would take the arrow keys for itself.
        input.addEventListener("keydown", (event) => {
          if (event.key !== "Tab") event.stopPropagation();
        });
        return make("label", {}, make("span", { textContent: label }), input, shown);
      });
      const stage = this.data.image ? [this.pictures()] : this.columns(names);
      stage[0].setAttribute("aria-hidden", "true");
      this.status = make("p", { role: "status" });
      return make("div", { className: "box" }, ...rows, ...stage, this.status);
    }

    columns(names) {
      this.bars = names.map(() => make("i"));
      const columns = this.bars.map((bar) => make("div", {}, bar));
      return [make("div", { className: "bars" }, ...columns),
        make("div", { className: "names" }, ...names.map((name) =>
          make("span", { textContent: name, title: name })))];
    }

    pictures() {
      const { image, grid } = this.data;
      this.cells = [];
      return make("div", { className: "pictures" }, ...["soft", "hard"].map((name) => {
        const cells = Array.from({ length: grid * grid }, () => make("i"));
        this.cells.push(cells);
        const over = make("div", { className: "cells" }, ...cells);
        over.style.gridTemplate = `repeat(${grid}, 1fr) / repeat(${grid}, 1fr)`;
        const below = make("img", { src: `data:image/png;base64,${image}`, alt: "" });
        return make("div", {}, make("div", { className: "picture" }, below, over), name);
      }));
    }

    render() {
      const { low, high } = this.data;
      const { bars = [], pictures = [], mark, text } = this.formula(this.data, this.values);
      pictures.forEach(({ weights, at }, number) => weights.forEach((weight, i) => {
        const cell = this.cells[number][i];
        cell.style.setProperty("--w", 0.85 * Math.sqrt(weight / 1000)); // as the drawings
        cell.dataset.value = weight;
        cell.classList.toggle("drawn", i === at);
      }));
      const share = (value) =>
        100 * (Math.min(Math.max(value, low), high) - low) / (high - low);
      bars.forEach((value, index) => {
        const bar = this.bars[index];
        const [from, to] = [share(Math.min(value, 0)), share(Math.max(value, 0))];
        bar.style.bottom = `${from}%`;
        bar.style.height = `${to - from}%`;
        bar.dataset.value = value;
        bar.parentElement.classList.toggle("mark", index === mark);
      });
      this.status.textContent = text;
    }
  }

  Object.assign(SliderView, { style: STYLE, colours: { light, dark } });

  customElements.define(NAME, SliderView);
})();

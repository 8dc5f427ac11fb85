// A trained captioner of digit scenes, run in the reader's browser.
//
// <try-scene-1> holds images of digits as JSON, a table for where no script runs, and the
// captioner's weights, which are fetched when it first reads. What it computes is in
// forward-pass.js.
(() => {
  "use strict";
  const NAME = "try-scene-1";
  if (customElements.get(NAME)) return;
  const { Figure, make, forward } = window.attentionBook;

  const SIDE = 32, CELL = 8, GRID = SIDE / CELL; // pixels, pixels and cells
  const MOST_WORDS = 16;
  const BOS = 1, EOS = 2;
  const BRUSH = 1.4; // pixels
  const LEAST = 0.1; // of a weight that is spoken of; equal ones are 1/16
  const NUMBERS = "zero one two three four five six seven eight nine".split(" ");
  const STYLE = `
    :host { display: block; margin: 1em 0; }
    .box { font: inherit; color: inherit; line-height: 1.4; text-align: left; }
    [hidden] { display: none !important; }
    .line { display: flex; flex-wrap: wrap; gap: .4em .8em; margin-bottom: .6em;
      align-items: center; }
    label { display: inline-flex; align-items: center; gap: .4em; min-height: 28px;
      max-width: 100%; }
    input { width: 18px; height: 18px; flex: none; }
    select, button { font: inherit; color: inherit; background: transparent;
      border: 1px solid currentColor; border-radius: 4px; min-height: 30px;
      padding: 0 .5em; }
    button { cursor: pointer; }
    button.first { background: color-mix(in srgb, var(--query) 35%, transparent); }
    option { color: #202020; background: #fff; }
    :is(select, button, input):focus-visible { outline: 3px solid var(--focus);
      outline-offset: 1px; }
    .pad { position: relative; width: min(256px, 100%); aspect-ratio: 1;
      border: 1px solid currentColor; }
    canvas { width: 100%; height: 100%; image-rendering: pixelated; display: block;
      touch-action: none; cursor: crosshair; }
    .cells { position: absolute; inset: 0; display: grid; pointer-events: none;
      grid-template: repeat(${GRID}, 1fr) / repeat(${GRID}, 1fr); }
    .cells i { background: rgb(230 110 20 / var(--w, 0)); box-shadow:
      inset 0 0 0 .5px rgb(128 128 128 / .6); }
    .word[aria-pressed=true] { background: color-mix(in srgb, var(--query) 35%,
      transparent); }
    [role=status] { min-height: 2.9em; margin: .5em 0; }
    @media print { .line { display: none; } }
  `;
  const colours = {
    light: { query: "#009e73", focus: "#0b5cd0" },
    dark: { query: "#2fc79a", focus: "#9cc4ff" },
  };
  const place = (cell) => `row ${Math.floor(cell / GRID) + 1}, column ${cell % GRID + 1}`;
  const quarter = (cell) => [Math.floor(cell / GRID) < GRID / 2 ? "top" : "bottom",
    cell % GRID < GRID / 2 ? "left" : "right"].join(" ");

  class TryScene extends Figure {
    build() {
      this.image = new Float64Array(SIDE * SIDE);
      this.canvas = make("canvas", { width: SIDE, height: SIDE });
      this.canvas.setAttribute("role", "img");
      this.cells = Array.from({ length: GRID * GRID }, () => make("i"));
      this.caption = make("div", { className: "line" });
      this.status = make("p", { role: "status" });
      const button = (text, act, className = "") => {
        const made = make("button", { type: "button", textContent: text, className });
        made.addEventListener("click", act);
        return made;
      };
      const select = (label, names) => make("select", { "aria-label": label },
        ...names.map((name, value) => make("option", { value, textContent: name })));
      this.digit = select("digit", NUMBERS);
      this.cell = select("cell", this.cells.map((_, cell) => place(cell)));
      this.uniform = make("input", { type: "checkbox" });
      this.uniform.addEventListener("change", () => { if (this.steps.length) this.read(); });
      // Where the chosen word looks, or is made to look.
      this.look = make("select", { "aria-label": "make this word look" },
        make("option", { value: -1, textContent: "where it chose to" }),
        ...this.cells.map((_, cell) =>
          make("option", { value: cell, textContent: place(cell) })));
      this.look.addEventListener("change", () => this.force(Number(this.look.value)));
      this.more = make("div", { className: "line" },
        make("label", {}, "make this word look", this.look));
      const box = make("div", { className: "box" },
        make("div", { className: "line" },
          button("Read it", () => this.read(), "first"),
          button("a random scene", () => { this.scatter(); this.read(); }),
          button("clear", () => { this.clear(); this.changed(); })),
        make("div", { className: "line" }, make("label", {}, "digit", this.digit),
          make("label", {}, "cell", this.cell), button("put it there", () => {
            this.put(Number(this.digit.value), Number(this.cell.value));
            this.changed();
          })),
        make("div", { className: "pad" }, this.canvas,
          make("div", { className: "cells" }, ...this.cells)),
        make("div", { className: "line" }, make("label", {}, this.uniform,
          "uniform weights: every cell gets the same")),
        this.status, this.caption, this.more);
      box.addEventListener("keydown", (event) => {
        if (event.key !== "Tab") event.stopPropagation(); // JupyterLab takes the keys
      });
      this.follow();
      this.scatter();
      return box;
    }

    clear() {
      this.image.fill(0);
      this.placed = []; // [cell, digit], by hand and not drawn
      this.drawn = false;
    }

    // One of the images of a digit, in a cell.
    put(digit, cell) {
      const choices = this.data.digits[digit];
      const pixels = choices[Math.floor(choices.length * Math.random())];
      const top = CELL * Math.floor(cell / GRID), left = CELL * (cell % GRID);
      [...pixels].forEach((value, k) => {
        this.image[(top + Math.floor(k / CELL)) * SIDE + left + k % CELL] =
          parseInt(value, 36) / 16;
      });
      this.placed = this.placed.filter(([other]) => other !== cell);
      this.placed.push([cell, digit]);
    }

    // One or two digits, in different quarters, as in training.
    scatter() {
      this.clear();
      const used = new Set(), count = 1 + Math.floor(2 * Math.random());
      while (used.size < count) {
        const cell = Math.floor(this.cells.length * Math.random());
        if (used.has(quarter(cell))) continue;
        used.add(quarter(cell));
        this.put(Math.floor(10 * Math.random()), cell);
      }
      this.changed();
    }

    // Drawing by pointer or finger.
    follow() {
      const at = (event) => {
        const { left, top, width } = this.canvas.getBoundingClientRect();
        return [(event.clientX - left) * SIDE / width, (event.clientY - top) * SIDE / width];
      };
      let last = null;
      const stroke = ([x, y]) => {
        for (let row = 0; row < SIDE; row++) {
          for (let column = 0; column < SIDE; column++) {
            const far = Math.hypot(column + 0.5 - x, row + 0.5 - y);
            const k = row * SIDE + column;
            this.image[k] = Math.max(this.image[k], Math.min(1, BRUSH - far));
          }
        }
      };
      this.canvas.addEventListener("pointerdown", (event) => {
        this.canvas.setPointerCapture(event.pointerId);
        this.drawn = true;
        stroke(last = at(event));
        this.changed();
      });
      this.canvas.addEventListener("pointermove", (event) => {
        if (!last) return;
        const next = at(event), steps = Math.ceil(2 * Math.hypot(next[0] - last[0],
          next[1] - last[1]));
        for (let k = 1; k <= steps; k++) {
          stroke([0, 1].map((i) => last[i] + (next[i] - last[i]) * k / steps));
        }
        last = next;
        this.changed();
      });
      for (const end of ["pointerup", "pointercancel"]) {
        this.canvas.addEventListener(end, () => { last = null; });
      }
    }

    changed() {
      this.steps = [];
      this.selected = -1;
      this.render();
    }

    async read() {
      try {
        if (!this.model) {
          this.status.textContent = "Loading the model …";
          this.model = forward.open(await this.fetchWeights("scenes"));
        }
        this.steps = [];
        this.write(this.model.start(this.image), BOS);
        this.selected = -1;
        this.render();
        this.status.textContent = `${this.verdict()} Press a word to see where it looked.`;
        this.tell({ caption: this.steps.map(({ word }) => word) });
      } catch (error) {
        this.status.textContent = error.message;
      }
    }

    // Writes on, from a state and the word that is read next. The first word may be made
    // to look at one cell.
    write(state, id, focus) {
      while (id !== EOS && this.steps.length < MOST_WORDS) {
        const how = { uniform: this.uniform.checked, focus };
        const step = this.model.step(state, id, how);
        const best = step.logits.indexOf(Math.max(...step.logits));
        if (best !== EOS) {
          this.steps.push({ word: this.model.about.target[best], state, read: id, focus,
            chance: forward.softmax(step.logits)[best], weights: step.weights[0][0] });
        }
        [state, id, focus] = [step.state, best, undefined];
      }
    }

    // The same caption up to the chosen word, which looks at a cell, or where it likes.
    force(cell) {
      const at = this.selected, { state, read } = this.steps[at];
      this.steps.length = at;
      this.write(state, read, cell < 0 ? undefined : cell);
      if (at < this.steps.length) this.select(at);
      else {
        this.selected = -1;
        this.render();
      }
      const looks = this.selected < 0 ? "" : this.status.textContent;
      this.status.textContent = `${this.verdict()} ${looks}`;
    }

    verdict() {
      const caption = this.steps.map(({ word }) => word).join(" ");
      const said = caption ? `It reads “${caption}”.` : "It finds nothing to say.";
      const quarters = this.placed.map(([cell]) => quarter(cell));
      if (this.drawn || !quarters.length || new Set(quarters).size < quarters.length) {
        return said;
      }
      const order = ["top left", "top right", "bottom left", "bottom right"];
      const right = order.flatMap((name) => this.placed
        .filter(([cell]) => quarter(cell) === name)
        .map(([, digit]) => `a ${NUMBERS[digit]} ${name}`)).join(" and ");
      if (right === caption) return `${said} That is right.`;
      return `${said} Right would be “${right}”.` + (quarters.length > 2
        ? " In training there were at most two digits." : "");
    }

    render() {
      const context = this.canvas.getContext("2d");
      const pixels = context.createImageData(SIDE, SIDE);
      this.image.forEach((value, k) => {
        const grey = 255 * (1 - value);
        pixels.data.set([grey, grey, grey, 255], 4 * k);
      });
      context.putImageData(pixels, 0, 0);
      this.canvas.setAttribute("aria-label", `a scene: ${this.placed.map(([cell, digit]) =>
        `${NUMBERS[digit]} in ${place(cell)}`).concat(this.drawn ? "something drawn" : [])
        .join(", ") || "nothing"}`);
      const chosen = this.steps[this.selected];
      this.cells.forEach((cell, k) => cell.style.setProperty("--w",
        chosen ? 0.85 * Math.sqrt(chosen.weights[k]) : 0));
      const focused = this.root?.activeElement?.dataset?.step;
      const words = this.steps.map(({ word }, at) => {
        const made = make("button", { type: "button", className: "word",
          textContent: word });
        made.dataset.step = at;
        made.setAttribute("aria-pressed", String(at === this.selected));
        made.addEventListener("click", () => this.select(at));
        return made;
      });
      this.caption.replaceChildren(...words);
      this.caption.hidden = !words.length;
      this.more.hidden = !chosen;
      this.look.value = chosen?.focus ?? -1;
      if (focused !== undefined) words[focused]?.focus();
      if (!words.length) {
        this.status.textContent = "Press “Read it”, or draw a digit in one of the cells " +
          "first. The model is loaded when it first reads.";
      }
    }

    select(at) {
      this.selected = at;
      this.render();
      const { word, chance, weights } = this.steps[at];
      const top = [...weights.keys()].sort((a, b) => weights[b] - weights[a]).slice(0, 3)
        .filter((cell) => weights[cell] >= LEAST);
      this.status.textContent = `“${word}” (${(100 * chance).toFixed(0)} %) looks at ` +
        (top.map((cell) => `${place(cell)}: ${weights[cell].toFixed(2)}`).join("; ")
          || "no cell in particular");
    }
  }
  Object.assign(TryScene, { style: STYLE, colours, stays: "the table stays" });

  customElements.define(NAME, TryScene);
})();

// Words that can be put into another order, and what self-attention makes of them.
//
// <order-view-1> holds tokens and projections as JSON, a still image and a table. In each
// order the weights and contexts are computed anew. A word is dragged by pointer or
// finger, or moved by the arrow keys.
(() => {
  "use strict";
  const NAME = "order-view-1";
  if (customElements.get(NAME)) return;
  const { Figure, make } = window.attentionBook;

  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const project = (tokens, matrix) => tokens.map((token) =>
    matrix[0].map((_, j) => dot(token, matrix.map((row) => row[j]))));

  // attention.self_attention.SelfAttention: softmax(Q K' / sqrt d) V, row by row.
  const attend = (tokens, [q, k, v]) => {
    const [queries, keys, values] = [q, k, v].map((matrix) => project(tokens, matrix));
    const weights = queries.map((query) => {
      const scores = keys.map((key) => dot(query, key) / Math.sqrt(key.length));
      const most = Math.max(...scores);
      const powers = scores.map((score) => Math.exp(score - most));
      const sum = powers.reduce((a, b) => a + b, 0);
      return powers.map((power) => power / sum);
    });
    return { weights, contexts: project(weights, values) };
  };

  const STYLE = `
    :host { display: block; margin: 1em 0; }
    .box { font: inherit; color: inherit; line-height: 1.4; }
    label { display: inline-flex; align-items: center; gap: .4em; min-height: 28px;
      margin-bottom: .4em; }
    input { width: 18px; height: 18px; }
    .scroll { overflow-x: auto; padding: 4px; } /* a focused word's outline */
    table { border-collapse: separate; border-spacing: 2px; }
    th { font-weight: normal; text-align: center; padding: 0; }
    thead span { writing-mode: vertical-rl; transform: rotate(180deg); padding: 4px 0;
      display: inline-block; }
    tbody th { padding-right: .4em; }
    .word { font: inherit; color: inherit; width: 100%; min-height: 34px; cursor: grab;
      background: color-mix(in srgb, var(--query) 18%, transparent); white-space: pre;
      border: 1px solid transparent; border-radius: 4px; padding: 0 .6em;
      text-align: left; touch-action: none; user-select: none; }
    .word::before { content: "⠿ "; opacity: .6; }
    .word.held { border-color: currentColor; cursor: grabbing; }
    :is(.word, input):focus-visible { outline: 3px solid var(--focus);
      outline-offset: 1px; }
    .weight { width: 34px; min-width: 34px; border-radius: 2px; padding: 0;
      background: color-mix(in srgb, var(--weight) calc(var(--w) * 1%), var(--none)); }
    .context { padding: 0 .4em 0 .8em; text-align: right;
      font-variant-numeric: tabular-nums; }
    .context.changed { color: var(--changed); font-weight: bold; }
    [role=status] { min-height: 2.9em; margin: .5em 0 0; }
    @media print { label { display: none; } }
  `;
  const light = { weight: "#0b6aa8", none: "#e4e7ea", query: "#009e73",
    changed: "#a03c00", focus: "#0b5cd0" };
  const dark = { weight: "#6fc3f7", none: "#2b3036", query: "#2fc79a",
    changed: "#f5a25c", focus: "#9cc4ff" };

  class OrderView extends Figure {
    build() {
      const { words, tokens, projections } = this.data;
      this.order = words.map((_, at) => at);
      this.usual = attend(tokens, projections).contexts;
      this.placed = make("input", { type: "checkbox" });
      this.placed.addEventListener("change", () => this.render());
      this.heads = words.map(() => make("span"));
      const size = this.usual[0].length;
      this.rows = words.map((_, at) => {
        const word = make("button", { type: "button", className: "word" });
        word.addEventListener("keydown", (event) => this.key(event, at));
        word.addEventListener("pointerdown", (event) => this.grab(event, at));
        const weights = words.map(() => make("td", { className: "weight" }));
        const context = Array.from({ length: size }, () =>
          make("td", { className: "context" }));
        return { word, weights, context, row: make("tr", {},
          make("th", { scope: "row" }, word), ...weights, ...context) };
      });
      this.body = make("tbody", {}, ...this.rows.map(({ row }) => row));
      // The body holds the pointer: its rows stay where they are, only words move.
      this.body.addEventListener("pointermove", (event) => this.drag(event));
      for (const end of ["pointerup", "pointercancel"]) {
        this.body.addEventListener(end, () => {
          this.held = undefined;
          this.render();
        });
      }
      this.status = make("p", { role: "status" });
      const head = make("tr", {}, make("td"), ...this.heads.map((name) =>
        make("th", { scope: "col" }, name)),
      make("th", { scope: "colgroup", colSpan: size, textContent: "context" }));
      return make("div", { className: "box" },
        make("label", {}, this.placed, "add a vector for each position"),
        make("div", { className: "scroll" },
          make("table", {}, make("thead", {}, head), this.body)), this.status);
    }

    move(from, to) {
      if (from === to || to < 0 || to >= this.order.length) return;
      this.order.splice(to, 0, ...this.order.splice(from, 1));
      this.render();
    }

    key(event, at) {
      const last = this.order.length - 1;
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, ArrowRight: at + 1,
        ArrowLeft: at - 1, Home: 0, End: last }[event.key];
      if (to === undefined) return;
      this.move(at, to);
      this.rows[Math.min(Math.max(to, 0), last)].word.focus();
      event.preventDefault();
      event.stopPropagation(); // JupyterLab would move to another cell
    }

    grab(event, at) {
      if (event.button) return;
      this.held = at;
      this.body.setPointerCapture(event.pointerId);
      this.render();
    }

    drag({ clientY }) {
      if (this.held === undefined) return;
      const below = this.rows.findIndex(({ row }) =>
        clientY < row.getBoundingClientRect().bottom);
      const from = this.held;
      this.held = below < 0 ? this.rows.length - 1 : below;
      this.move(from, this.held);
    }

    render() {
      const { words, tokens, positions, projections } = this.data;
      const placed = this.placed.checked;
      const read = this.order.map((word, at) => (placed
        ? tokens[word].map((x, i) => x + positions[at][i]) : tokens[word]));
      const { weights, contexts } = attend(read, projections);
      let changed = 0;
      this.order.forEach((word, at) => {
        const row = this.rows[at], usual = this.usual[word];
        const other = contexts[at].some((x, i) => Math.abs(x - usual[i]) > 1e-6);
        changed += other;
        this.heads[at].textContent = row.word.textContent = words[word];
        row.word.setAttribute("aria-label", `${words[word]}, ${at + 1} of ${words.length}`);
        row.word.classList.toggle("held", at === this.held);
        weights[at].forEach((weight, j) => {
          row.weights[j].style.setProperty("--w", 100 * weight);
          row.weights[j].title = weight.toFixed(2);
        });
        contexts[at].forEach((x, i) => {
          row.context[i].textContent = x.toFixed(2);
          row.context[i].classList.toggle("changed", other);
        });
      });
      const order = this.order.map((word) => words[word]);
      this.status.textContent = `${order.join(", ")}: ` + (changed
        ? `${changed} of ${order.length} words have another context than at first, ` +
          "without positions."
        : "every word has the context that it had at first.");
      this.tell({ order, placed });
    }
  }

  Object.assign(OrderView, { style: STYLE, colours: { light, dark } });

  customElements.define(NAME, OrderView);
})();

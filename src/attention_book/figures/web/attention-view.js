// Attention weights that answer to pointer, touch and keyboard.
//
// <attention-view-1> holds its data as JSON, a still image and a table of numbers. Once
// this script has drawn the weights, they take the image's place: figure-element.js.
(() => {
  "use strict";
  const NAME = "attention-view-1";
  if (customElements.get(NAME)) return;
  const { Figure, make, choices } = window.attentionBook;

  const STYLE = `
    :host { display: block; margin: 1em 0; }
    .box { font: inherit; color: inherit; line-height: 1.4; }
    .controls { display: flex; flex-wrap: wrap; gap: .4em 1.2em; margin-bottom: .6em; }
    label { display: inline-flex; align-items: center; gap: .4em; }
    select, button, input { font: inherit; color: inherit; }
    select, .plain { background: transparent; border: 1px solid currentColor;
      border-radius: 4px; min-height: 28px; padding: 0 .4em; }
    option { color: #202020; background: #fff; }
    .scroll { overflow-x: auto; padding: 4px; } /* a focused word's outline */
    table { border-collapse: separate; border-spacing: 2px; }
    th { font-weight: normal; text-align: right; padding: 0; }
    thead th { vertical-align: bottom; text-align: center; }
    thead span { writing-mode: vertical-rl; transform: rotate(180deg);
      padding: 4px 0; display: inline-block; max-height: 9em; }
    td { width: 28px; min-width: 28px; height: 26px; border-radius: 2px; padding: 0;
      background: color-mix(in srgb, var(--weight) calc(var(--w) * 1%), var(--none)); }
    td.masked { background: repeating-linear-gradient(45deg, transparent 0 4px,
      var(--none) 4px 8px); }
    td.true { outline: 2px dashed var(--truth); outline-offset: -2px; }
    .word { background: transparent; border: 0; border-radius: 4px; cursor: pointer;
      padding: 0 .4em; min-height: 26px; min-width: 28px; white-space: pre; }
    .word:focus-visible, select:focus-visible, button:focus-visible,
    input:focus-visible { outline: 3px solid var(--focus); outline-offset: 1px; }
    .word.on { background: color-mix(in srgb, var(--query) 35%, transparent); }
    .dim td, line.dim { opacity: .25; } /* words can always be read */
    .links { display: grid;
      grid-template-columns: max-content minmax(3em, 8em) max-content; }
    .links ul { list-style: none; margin: 0; padding: 0; }
    .links li { height: 28px; display: flex; align-items: center; }
    .links ul:first-of-type li { justify-content: flex-end; }
    .key { padding: 0 .4em; border-radius: 4px; white-space: pre; background:
      color-mix(in srgb, var(--key) calc(var(--w, 0) * 1%), transparent); }
    svg { width: 100%; }
    line { stroke: var(--weight); }
    line.true { stroke: var(--truth); stroke-dasharray: 4 4; stroke-width: 2; }
    [role=status] { min-height: 2.9em; margin: .5em 0 0; }
    fieldset { border: 1px solid currentColor; border-radius: 6px; margin: 0 0 .8em;
      padding: .3em .8em .6em; }
    fieldset label { margin-right: 1em; min-height: 28px; }
    @media print { .controls, fieldset { display: none; } }
  `;
  const light = { weight: "#0b6aa8", none: "#e4e7ea", query: "#009e73",
    key: "#56b4e9", truth: "#b34700", focus: "#0b5cd0" };
  const dark = { weight: "#6fc3f7", none: "#2b3036", query: "#2fc79a",
    key: "#1f5f8b", truth: "#f5a25c", focus: "#9cc4ff" };

  const PACE = 800; // milliseconds for which a playing view shows a position

  const number = (permille) => (permille / 1000).toFixed(2);

  class AttentionView extends Figure {
    build() {
      const { data } = this;
      this.state = { query: null, pinned: null, view: data.view,
        axes: data.axes.map((axis) => axis.start), answered: !data.ask };
      this.status = make("p", { role: "status" });
      this.stage = make("div", { className: "scroll" });
      const controls = make("div", { className: "controls" });
      data.axes.forEach((axis, index) => {
        const select = make("select", {}, ...axis.names.map((name, position) =>
          make("option", { value: position, textContent: name })));
        select.value = axis.start;
        select.addEventListener("change", () => {
          this.state.axes[index] = Number(select.value);
          this.render();
        });
        controls.append(make("label", {}, axis.label, select));
        if (axis.names.length > 2) controls.append(this.player(index, select));
      });
      this.views = make("select", {},
        make("option", { value: "links", textContent: "links" }),
        make("option", { value: "map", textContent: "heat map" }));
      this.views.value = this.state.view;
      this.views.addEventListener("change", () => {
        this.state.view = this.views.value;
        this.render();
      });
      controls.append(make("label", {}, "view", this.views));
      const box = make("div", { className: "box" });
      if (data.ask) box.append(this.question());
      box.append(controls, this.stage, this.status);
      return box;
    }

    // A button that shows the positions of an axis one after the other.
    player(index, select) {
      const { axes } = this.state;
      const { label, names } = this.data.axes[index];
      const button = make("button", { className: "plain", type: "button" });
      let timer = null;
      const say = (word) => {
        button.textContent = word;
        button.ariaLabel = `${word}: ${label}`;
      };
      const stop = () => {
        clearInterval(timer);
        timer = null;
        say("play");
      };
      const show = (position) => {
        select.value = axes[index] = position;
        this.render();
        if (!this.isConnected || position === names.length - 1) stop();
      };
      button.addEventListener("click", () => {
        if (timer !== null) return stop();
        say("pause");
        timer = setInterval(() => show(axes[index] + 1), PACE);
        if (axes[index] === names.length - 1) show(0);
      });
      select.addEventListener("change", stop);
      say("play");
      return button;
    }

    question() {
      const { ask } = this.data;
      // A word that comes twice is told apart by its number.
      const keys = this.data.keys.map((key, at, all) => all.indexOf(key) ===
        all.lastIndexOf(key) ? key
        : `${key} (${all.slice(0, at + 1).filter((one) => one === key).length})`);
      const field = make("fieldset", {}, make("legend", { textContent: ask.text }));
      const say = make("span", { role: "status" });
      const settle = (text) => {
        this.state.answered = true;
        this.state.query = this.state.pinned = ask.query;
        say.textContent = text;
        this.render();
      };
      field.append(...choices(ask.choices.map((key) => keys[key]), (number) =>
        settle(ask.choices[number] === ask.key ? `Yes: ${keys[ask.key]}.`
          : `No: it looks at ${keys[ask.key]}.`), say));
      const show = make("button", { className: "plain", type: "button",
        textContent: "show me" });
      show.addEventListener("click", () => settle(`It looks at ${keys[ask.key]}.`));
      field.append(show, " ", say);
      return field;
    }

    // The weights of a query under the present choices, in thousandths.
    row(query) {
      const { shape, w } = this.data;
      const [queries, keys] = shape.slice(-2);
      const outer = this.state.axes.reduce((sum, at, axis) => sum * shape[axis] + at, 0);
      const start = (outer * queries + query) * keys;
      return w.slice(start, start + keys);
    }

    linked(query, key) {
      return this.data.truth.some(([k, q]) => k === key && q === query);
    }

    word(query) {
      const { data, state } = this;
      const button = make("button", { className: "word", type: "button",
        textContent: data.queries[query] });
      button.dataset.query = query;
      button.addEventListener("pointerenter", (event) => {
        if (event.pointerType === "mouse") this.look(query);
      });
      button.addEventListener("pointerleave", (event) => {
        if (event.pointerType === "mouse") this.look(state.pinned);
      });
      button.addEventListener("focus", () => this.look(query));
      button.addEventListener("click", () => {
        state.pinned = state.pinned === query ? null : query;
        this.look(query);
      });
      button.addEventListener("keydown", (event) => this.key(event, query));
      return button;
    }

    key(event, query) {
      const last = this.data.queries.length - 1;
      const to = { ArrowDown: query + 1, ArrowUp: query - 1, ArrowRight: query + 1,
        ArrowLeft: query - 1, Home: 0, End: last }[event.key];
      if (event.key === "Escape") {
        this.state.pinned = null;
        this.look(null);
      } else if (to === undefined) return;
      else this.words[Math.min(Math.max(to, 0), last)].focus();
      event.preventDefault();
      event.stopPropagation(); // JupyterLab would move to another cell
    }

    look(query) {
      if (!this.state.answered) return;
      this.state.query = query;
      this.mark();
    }

    render() {
      const { data, state } = this;
      const focused = this.root?.activeElement?.dataset?.query;
      this.words = data.queries.map((_, query) => this.word(query));
      this.stage.replaceChildren(state.view === "map" ? this.map() : this.links());
      this.stage.hidden = !state.answered;
      this.mark();
      if (focused !== undefined) this.words[focused].focus();
    }

    map() {
      const { data } = this;
      const head = make("tr", {}, make("td", { hidden: true }), make("th"),
        ...data.keys.map((key) => make("th", { scope: "col" },
          make("span", { textContent: key }))));
      head.firstChild.remove();
      const rows = data.queries.map((_, query) => make("tr", {},
        make("th", { scope: "row" }, this.words[query]),
        ...this.row(query).map((weight, key) => {
          const cell = make("td", { title: number(weight ?? 0) });
          if (weight === null) cell.className = "masked";
          else cell.style.setProperty("--w", weight / 10);
          if (this.linked(query, key)) cell.classList.add("true");
          return cell;
        })));
      this.cells = rows;
      return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
    }

    links() {
      const { data } = this;
      const side = (items) => make("ul", {}, ...items.map((item) =>
        make("li", {}, item)));
      this.keyWords = data.keys.map((key) =>
        make("span", { className: "key", textContent: key }));
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("aria-hidden", "true");
      svg.setAttribute("preserveAspectRatio", "none");
      const height = 28 * Math.max(data.queries.length, data.keys.length);
      svg.setAttribute("viewBox", `0 0 100 ${height}`);
      svg.setAttribute("height", height);
      this.lines = data.queries.map((_, query) => this.row(query).flatMap((weight, key) =>
        [[(weight ?? 0) / 1000, false], [1, true]]
          .filter(([share, truth]) => truth ? this.linked(query, key) : share >= 0.02)
          .map(([share, truth]) => {
            const line = document.createElementNS(svg.namespaceURI, "line");
            const place = { x1: 0, y1: 28 * query + 14, x2: 100, y2: 28 * key + 14 };
            for (const [name, value] of Object.entries(place)) {
              line.setAttribute(name, value);
            }
            line.setAttribute("vector-effect", "non-scaling-stroke");
            if (truth) line.setAttribute("class", "true");
            else {
              line.style.strokeWidth = `${1 + 5 * share}px`;
              line.style.strokeOpacity = share;
            }
            svg.append(line);
            return line;
          })));
      const left = side(this.words), right = side(this.keyWords);
      return make("div", { className: "links" }, left, svg, right);
    }

    mark() {
      const { data, state } = this;
      const { query } = state;
      const tab = query ?? state.pinned ?? 0;
      this.words.forEach((word, index) => {
        word.classList.toggle("on", index === query);
        word.setAttribute("aria-pressed", String(index === state.pinned));
        word.tabIndex = index === tab ? 0 : -1;
      });
      const other = (index) => query !== null && index !== query;
      if (state.view === "map") {
        this.cells.forEach((row, index) => row.classList.toggle("dim", other(index)));
      } else {
        this.lines.forEach((lines, index) => lines.forEach((line) =>
          line.classList.toggle("dim", other(index))));
        const weights = query === null ? [] : this.row(query);
        this.keyWords.forEach((word, key) =>
          word.style.setProperty("--w", (weights[key] ?? 0) / 10));
      }
      this.status.textContent = !state.answered ? "" : query === null
        ? "Point at a word on the left, tap it, or reach it with Tab and the arrow keys."
        : this.say(query);
      this.tell({ ...state });
    }

    say(query) {
      const { data } = this;
      const order = this.row(query).map((weight, key) => [weight ?? 0, key])
        .sort((a, b) => b[0] - a[0]).slice(0, 4).filter(([weight]) => weight >= 5);
      const parts = order.map(([weight, key]) => `${data.keys[key]} ${number(weight)}`);
      return `${data.queries[query]}: ${parts.join(", ") || "looks nowhere"}`;
    }
  }

  Object.assign(AttentionView, { style: STYLE, colours: { light, dark } });

  customElements.define(NAME, AttentionView);
})();

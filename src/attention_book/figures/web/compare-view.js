// Two mechanisms side by side: their weights on one sentence, and facts about each.
//
// <compare-view-1> holds its data as JSON, a still image and a table. Once this script
// has drawn both sides, they take the image's place; if anything fails, it stays.
(() => {
  "use strict";
  const NAME = "compare-view-1";
  if (customElements.get(NAME)) return;
  const { Figure, make, choices, isDark } = window.attentionBook;

  const STYLE = `
    :host { display: block; margin: 1em 0; text-align: left; }
    .box { font: inherit; color: inherit; line-height: 1.4; }
    .sides { display: flex; flex-wrap: wrap; gap: 1em 2em; }
    .side { min-width: 0; max-width: 100%; }
    label { display: inline-flex; align-items: center; gap: .4em; }
    select, button, input { font: inherit; color: inherit; }
    select, .plain { background: transparent; border: 1px solid currentColor;
      border-radius: 4px; min-height: 30px; padding: 0 .4em; max-width: 16em; }
    option { color: #202020; background: #fff; }
    .scroll { overflow-x: auto; margin-top: .2em; padding: 4px; } /* an outline */
    table { border-collapse: separate; border-spacing: 2px; }
    th { font-weight: normal; text-align: right; padding: 0; }
    .map thead th { vertical-align: bottom; text-align: center; }
    .map thead span { writing-mode: vertical-rl; transform: rotate(180deg);
      padding: 4px 0; display: inline-block; max-height: 9em; }
    .map tbody td { min-width: 36px; height: 28px; border-radius: 2px; padding: 0;
      text-align: center; font-size: .85em; font-variant-numeric: tabular-nums; }
    .word { background: transparent; border: 0; border-radius: 4px; cursor: pointer;
      padding: 0 .4em; min-height: 28px; min-width: 28px; white-space: pre; }
    .word:focus-visible, select:focus-visible, button:focus-visible,
    input:focus-visible { outline: 3px solid currentColor; outline-offset: 1px; }
    .on .word { box-shadow: inset 0 0 0 2px var(--query); font-weight: 600; }
    .dim td { opacity: .3; }
    .facts { margin-top: .8em; width: 100%; max-width: 44em; border-spacing: 0;
      table-layout: fixed; overflow-wrap: anywhere; }
    .facts :is(th, td) { text-align: left; vertical-align: top; padding: .25em .5em;
      border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
    .facts thead th { font-weight: 600; border: 0; }
    .facts tbody th { width: 26%; }
    .differs td { font-weight: 600; }
    [role=status] { min-height: 2.9em; margin: .5em 0 0; }
    fieldset { border: 1px solid currentColor; border-radius: 6px; margin: 0 0 .8em;
      padding: .3em .8em .6em; min-width: 0; }
    fieldset label { margin-right: 1em; min-height: 28px; }
    @media (max-width: 500px) {
      .facts { font-size: .85em; } .facts tbody th { width: 34%; } }
    @media print { fieldset { display: none; } }
  `;
  // Colours of no weight and of all of it, and of the frame of a query.
  const LIGHT = { none: [228, 231, 234], all: [11, 106, 168], query: "#00795a" };
  const DARK = { none: [43, 48, 54], all: [111, 195, 247], query: "#2fc79a" };

  const number = (permille) => (permille / 1000).toFixed(2);

  class CompareView extends Figure {
    paint() {
      this.shades = isDark(this) ? DARK : LIGHT;
      this.style.setProperty("--query", this.shades.query);
      this.cells.forEach(([cell, weight]) => this.shade(cell, weight));
    }

    // The colour of a weight, and black or white on it, whichever can be read better.
    shade(cell, weight) {
      const { none, all } = this.shades;
      const share = Math.min(Math.max(weight / 1000, 0), 1);
      const mixed = none.map((from, i) => from + share * (all[i] - from));
      const [r, g, b] = mixed.map((x) => x / 255).map((x) =>
        x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
      cell.style.background = `rgb(${mixed.map(Math.round)})`;
      cell.style.color = 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
    }

    build() {
      const { data } = this;
      const state = this.state = { sides: [...data.start], query: null, pinned: null,
        answered: !data.ask };
      this.shades = LIGHT;
      this.stage = make("div");
      this.status = make("p", { role: "status" });
      this.tables = [0, 1].map(() => make("div", { className: "scroll" }));
      const sides = [0, 1].map((side) => {
        const select = make("select", {}, ...data.panels.map(({ name }, value) =>
          make("option", { value, textContent: name })));
        select.value = state.sides[side];
        select.addEventListener("change", () => {
          state.sides[side] = Number(select.value);
          this.render();
        });
        return make("div", { className: "side" },
          make("label", {}, side ? "second" : "first", select), this.tables[side]);
      });
      this.facts = make("div");
      this.stage.append(make("div", { className: "sides" }, ...sides), this.status,
        this.facts);
      const box = make("div", { className: "box" }, this.stage);
      if (data.ask) box.prepend(this.question());
      box.addEventListener("keydown", (event) => this.key(event));
      return box;
    }

    question() {
      const { ask, panels } = this.data;
      const { queries, keys } = panels[ask.panel];
      const field = make("fieldset", {}, make("legend", { textContent: ask.text }));
      const say = make("span", { role: "status" });
      const settle = (text) => {
        this.state.answered = true;
        this.state.query = this.state.pinned = queries[ask.query];
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

    // The arrows move between the words of one side.
    key(event) {
      if (event.key === "Tab") return;
      event.stopPropagation(); // JupyterLab would move to another cell
      const at = this.words.findIndex((words) => words.includes(event.target));
      if (at < 0) return;
      const words = this.words[at];
      const query = words.indexOf(event.target), last = words.length - 1;
      const to = { ArrowDown: query + 1, ArrowUp: query - 1, Home: 0, End: last }[event.key];
      if (event.key === "Escape") {
        this.state.pinned = null;
        this.look(null);
      } else if (to === undefined) return;
      else words[Math.min(Math.max(to, 0), last)].focus();
      event.preventDefault();
    }

    word(name) {
      const { state } = this;
      const button = make("button", { className: "word", type: "button",
        textContent: name });
      button.addEventListener("pointerenter", (event) => {
        if (event.pointerType === "mouse") this.look(name);
      });
      button.addEventListener("pointerleave", (event) => {
        if (event.pointerType === "mouse") this.look(state.pinned);
      });
      button.addEventListener("focus", () => this.look(name));
      button.addEventListener("click", () => {
        state.pinned = state.pinned === name ? null : name;
        this.look(name);
      });
      return button;
    }

    look(query) {
      this.state.query = query;
      this.mark();
    }

    row({ w, keys }, query) {
      return w.slice(query * keys.length, (query + 1) * keys.length);
    }

    render() {
      const { data, state } = this;
      this.cells = [];
      this.lines = [];
      this.words = [0, 1].map((side) => {
        const panel = data.panels[state.sides[side]];
        const words = panel.queries.map((name) => this.word(name));
        const head = make("tr", {}, make("td"), ...panel.keys.map((key) =>
          make("th", { scope: "col" }, make("span", { textContent: key }))));
        const rows = words.map((word, query) => make("tr", {},
          make("th", { scope: "row" }, word),
          ...this.row(panel, query).map((weight) => {
            const cell = make("td", { textContent: number(weight).replace(/^0/, "") });
            this.cells.push([cell, weight]);
            this.shade(cell, weight);
            return cell;
          })));
        this.lines.push(rows);
        this.tables[side].replaceChildren(make("table", { className: "map",
          "aria-label": panel.name }, make("thead", {}, head),
        make("tbody", {}, ...rows)));
        return words;
      });
      this.facts.replaceChildren(this.compare());
      this.stage.hidden = !state.answered;
      this.mark();
    }

    compare() {
      const [one, other] = this.state.sides.map((side) => this.data.panels[side]);
      const head = make("tr", {}, make("td"), ...[one, other].map(({ name }) =>
        make("th", { scope: "col", textContent: name })));
      const rows = this.data.facts.map((fact, at) => {
        const differs = one.facts[at] !== other.facts[at];
        return make("tr", { className: differs ? "differs" : "" },
          make("th", { scope: "row", textContent: differs ? `${fact} ≠` : fact }),
          make("td", { textContent: one.facts[at] }),
          make("td", { textContent: other.facts[at] }));
      });
      return make("table", { className: "facts" }, make("thead", {}, head),
        make("tbody", {}, ...rows));
    }

    mark() {
      const { query, pinned } = this.state;
      this.lines.forEach((rows, side) => {
        const words = this.words[side];
        const names = words.map((word) => word.textContent);
        const tab = Math.max(0, names.indexOf(query ?? pinned));
        words.forEach((word, at) => {
          rows[at].classList.toggle("on", names[at] === query);
          rows[at].classList.toggle("dim", names.includes(query) && names[at] !== query);
          word.setAttribute("aria-pressed", String(names[at] === pinned));
          word.tabIndex = at === tab ? 0 : -1;
        });
      });
      this.status.textContent = query === null
        ? "Point at a word on the left of either table, or reach it with Tab and the " +
          "arrow keys."
        : this.state.sides.map((side) => this.say(this.data.panels[side], query))
          .join("; ");
      this.tell({ ...this.state });
    }

    say(panel, name) {
      const query = panel.queries.indexOf(name);
      if (query < 0) return `${panel.name} has no row for ${name}`;
      const order = this.row(panel, query).map((weight, key) => [weight, key])
        .sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([weight]) => weight >= 5);
      const parts = order.map(([weight, key]) => `${panel.keys[key]} ${number(weight)}`);
      return `${panel.name}, ${name}: ${parts.join(", ") || "looks nowhere"}`;
    }
  }

  Object.assign(CompareView, { style: STYLE, colours: { light: LIGHT, dark: DARK } });

  customElements.define(NAME, CompareView);
})();

// Trained translators of the book, run in the reader's browser.
//
// <try-it-1> holds the names of the models as JSON, a table for where no script runs, and
// for each model its weights, as base64 or as the address of a script that brings them.
// They are fetched when a model is first asked to translate. What the models compute is in
// forward-pass.js; how numbers are written in both languages is in numerals.js.
(() => {
  "use strict";
  const NAME = "try-it-1";
  if (customElements.get(NAME)) return;
  const { Figure, make, forward, numerals } = window.attentionBook;

  const MOST_WORDS = 40; // of an input
  const MOST_TOKENS = 40; // of a translation
  const SHOWN = 5; // alternatives
  const BOS = 1, EOS = 2;
  const STYLE = `
    :host { display: block; margin: 1em 0; }
    .box { font: inherit; color: inherit; line-height: 1.4; text-align: left; }
    .line { display: flex; flex-wrap: wrap; gap: .4em 1.2em; margin-bottom: .6em;
      align-items: center; }
    [hidden] { display: none !important; }
    label { display: inline-flex; align-items: center; gap: .4em; min-height: 28px;
      max-width: 100%; }
    select { min-width: 0; }
    label.wide { flex: 1 1 100%; flex-wrap: wrap; }
    select, button, input { font: inherit; color: inherit; }
    select, button, input[type=text] { background: transparent;
      border: 1px solid currentColor; border-radius: 4px; min-height: 30px;
      padding: 0 .5em; box-sizing: border-box; max-width: 100%; }
    input[type=text] { flex: 1 1 16em; min-width: 0; }
    input[type=checkbox] { width: 18px; height: 18px; flex: none; }
    button { cursor: pointer; }
    button.first { background: color-mix(in srgb, var(--query) 35%, transparent); }
    option { color: #202020; background: #fff; }
    :is(select, button, input, .scroll):focus-visible { outline: 3px solid var(--focus);
      outline-offset: 1px; }
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
    .word { border-color: transparent; white-space: pre; min-width: 28px; }
    .word[aria-pressed=true] { background: color-mix(in srgb, var(--query) 35%,
      transparent); }
    .word.forced { border: 1px dashed currentColor; }
    .more ol { list-style: none; padding: 0; margin: .3em 0; display: grid; gap: 3px; }
    .more li { display: grid; grid-template-columns: 8.5em 4em 1fr; gap: .6em;
      align-items: center; }
    .more li > span:last-child { height: .8em; background: var(--weight);
      width: calc(var(--w) * 1%); border-radius: 2px; min-width: 1px; }
    .more li button { text-align: left; }
    fieldset { border: 1px solid currentColor; border-radius: 6px; margin: 0 0 .6em;
      padding: .2em .8em .3em; min-width: 0; }
    fieldset label { margin-right: 1em; }
    summary { min-height: 28px; cursor: pointer; }
    [role=status] { min-height: 2.9em; margin: .5em 0; }
    .note { margin: 0 0 .6em; }
    @media print { .line, fieldset { display: none; } }
  `;
  const colours = {
    light: { weight: "#0b6aa8", none: "#e4e7ea", query: "#009e73", focus: "#0b5cd0" },
    dark: { weight: "#6fc3f7", none: "#2b3036", query: "#2fc79a", focus: "#9cc4ff" },
  };
  const BREAKS = {
    uniform: "uniform weights: every source position gets the same",
    padding: "no mask: eight padding positions that nothing hides",
    positions: "no positions",
  };
  const PADDING = 8;

  const softmax = (logits) => forward.softmax(logits);
  const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

  class TryIt extends Figure {
    build() {
      const { data } = this;
      this.models = new Map(); // those that are loaded
      this.steps = [];
      this.broken = { uniform: false, padding: false, positions: false };
      this.model = make("select", { "aria-label": "model" }, ...data.models.map(({ name, label }) =>
        make("option", { value: name, textContent: label })));
      this.model.value = data.start.model;
      this.model.addEventListener("change", () => this.changed());
      this.input = make("input", { type: "text", value: data.start.text, spellcheck: false,
        autocomplete: "off" });
      const button = (text, act, className = "") => {
        const made = make("button", { type: "button", textContent: text, className });
        made.addEventListener("click", act);
        return made;
      };
      const draw = (longer) => () => {
        this.input.value = numerals.draw(data.longest, longer).join(" ");
        this.translate();
      };
      this.note = make("p", { className: "note" });
      this.status = make("p", { role: "status" });
      this.stage = make("div", { className: "scroll", tabIndex: -1 });
      this.more = make("div", { className: "more" });
      this.axes = make("div", { className: "line" });
      this.breaks = make("div");
      const box = make("div", { className: "box" },
        make("div", { className: "line" }, make("label", {}, "model", this.model)),
        this.note,
        make("div", { className: "line" },
          make("label", { className: "wide" }, "a number, in English words or in digits",
            this.input)),
        make("div", { className: "line" },
          button("Translate", () => this.translate(), "first"),
          button("a random number", draw(false)), button("a longer one", draw(true))),
        this.breaks, this.status, this.axes, this.stage, this.more);
      // JupyterLab would take the keys for itself.
      box.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && event.target === this.input) this.translate();
        if (event.key !== "Tab") event.stopPropagation();
      });
      this.changed();
      // In JupyterLab the address is the notebook's.
      if (!this.closest(".jp-OutputArea")) {
        window.addEventListener("hashchange", () => this.restore());
        queueMicrotask(() => this.restore()); // once all is drawn
      }
      return box;
    }

    // A view has an address, so that it can be linked: the model, the number, what is
    // broken, and which weights are shown.
    get address() {
      const parts = new URLSearchParams({ model: this.entry.name,
        number: this.source.join(" ") });
      const broken = Object.keys(this.broken).filter((name) => this.broken[name]);
      if (broken.length) parts.set("break", broken.join(" "));
      for (const [key, usual] of Object.entries(this.usual)) {
        if (this.chosen[key] !== usual) parts.set(key, this.chosen[key]);
      }
      return `#${parts}`;
    }

    // It replaces the page's own: “back” leads where it led before.
    keep() {
      if (!this.source || this.closest(".jp-OutputArea")) return;
      try {
        history.replaceState(history.state, "", this.address);
      } catch {} // a frame without an address of its own, as in Colab
    }

    // Shows the view that the page's address asks for, if it is another one.
    restore() {
      const asked = new URLSearchParams(location.hash.slice(1)), name = asked.get("model");
      if (!this.data.models.some((model) => model.name === name)) return;
      if (this.source && location.hash === this.address) return;
      this.model.value = name;
      this.input.value = asked.get("number") ?? "";
      this.forget();
      this.changed(asked);
      this.scrollIntoView({ block: "nearest" });
      this.translate();
    }

    get entry() {
      return this.data.models.find(({ name }) => name === this.model.value);
    }

    // Another model is chosen: it translates only when it is asked to. What an address
    // asks for, of the choices below, is chosen from the start.
    changed(asked = new URLSearchParams()) {
      const { entry } = this;
      this.note.textContent = `${entry.note} To load: ${Math.round(entry.bytes / 1000)} kB.`;
      const broken = (asked.get("break") ?? "").split(" ");
      for (const name of Object.keys(this.broken)) {
        this.broken[name] = entry.breaks.includes(name) && broken.includes(name);
      }
      const boxes = entry.breaks.map((name) => {
        const check = make("input", { type: "checkbox", checked: this.broken[name] });
        check.addEventListener("change", () => {
          this.broken[name] = check.checked;
          if (this.source) this.translate();
        });
        return make("label", {}, check, BREAKS[name]);
      });
      this.breaks.replaceChildren(...(boxes.length
        ? [make("fieldset", {}, make("legend", { textContent: "Break it" }), ...boxes)] : []));
      this.axes.replaceChildren();
      this.chosen = { to: 0, layer: 0, head: 0 };
      this.usual = {};
      const select = (label, key, names, usual = 0) => {
        const list = make("select", { "aria-label": label }, ...names.map((text, value) =>
          make("option", { value, textContent: text })));
        list.value = asked.get(key) ?? usual;
        if (list.selectedIndex < 0) list.value = usual; // no such choice
        this.usual[key] = usual;
        this.chosen[key] = Number(list.value);
        list.addEventListener("change", () => {
          this.chosen[key] = Number(list.value);
          this.render();
          this.keep();
        });
        this.axes.append(make("label", {}, label, list));
      };
      const count = (size) => Array.from({ length: size }, (_, i) => `${i + 1}`);
      if (entry.written) select("attention to", "to", ["the number", "its own words"]);
      if (entry.layers > 1) select("layer", "layer", count(entry.layers), entry.layers - 1);
      if (entry.heads > 1) select("head", "head", ["mean of all", ...count(entry.heads)]);
      const again = this.source !== undefined;
      this.forget();
      if (this.root) this.render();
      if (again && this.models.has(entry.name)) this.translate();
    }

    forget() {
      this.run = (this.run ?? 0) + 1; // what still runs stops
      this.steps = [];
      this.source = this.selected = undefined;
    }

    // The words of the input, or a message that says what is wrong with it.
    read() {
      const text = this.input.value.trim().toLowerCase();
      if (!text) throw new Error("Type a number first, or press “a random number”.");
      let words = text.replace(/[-–,.]/g, " ").split(/\s+/).filter(Boolean);
      if (/^[+\-−]?[\d\s,._']+$/.test(text)) {
        if (!/^(\d+|\d{1,3}([\s,._']\d{3})+)$/.test(text)) {
          throw new Error("Whole numbers from 0 on, please, such as 43002 or 43,002.");
        }
        const digits = text.replace(/\D/g, "").replace(/^0+(?=\d)/, "");
        if (!digits || digits.length > 12) {
          throw new Error("Numbers of up to twelve digits, please.");
        }
        words = numerals.english(Number(digits));
        this.input.value = words.join(" ");
      }
      if (words.length > MOST_WORDS) {
        throw new Error(`That is ${words.length} words; up to ${MOST_WORDS}, please.`);
      }
      return words;
    }

    // The weights of a model, which are fetched when they are first needed.
    async load({ name }) {
      if (this.models.has(name)) return this.models.get(name);
      const model = forward.open(await this.fetchWeights(name));
      const ids = (words) => new Map(words.map((word, id) => [word, id]));
      model.ids = { source: ids(model.about.source), target: ids(model.about.target) };
      this.models.set(name, model);
      return model;
    }

    async translate() {
      this.forget();
      const { run, entry } = this;
      try {
        const words = this.read();
        if (!this.models.has(entry.name)) this.status.textContent = "Loading the model …";
        const model = await this.load(entry);
        if (run !== this.run) return;
        const strange = words.filter((word) => !model.ids.source.has(word));
        if (strange.length) {
          throw new Error("The models know number words only, and not " +
            `${strange.map((word) => `“${word}”`).join(", ")}.`);
        }
        this.loaded = model;
        this.source = words;
        const ids = [...words.map((word) => model.ids.source.get(word)), EOS];
        this.columns = [...words, "<eos>", ...Array.from(
          { length: this.broken.padding ? PADDING : 0 }, () => "<pad>")];
        this.how = { uniform: this.broken.uniform, positions: !this.broken.positions,
          padding: this.broken.padding ? PADDING : 0 };
        await this.write(run, model.start(ids, this.how), BOS);
      } catch (error) {
        if (run !== this.run) return;
        this.forget();
        this.render();
        this.status.textContent = error.message;
      }
    }

    // Writes on, from a state and the token that is read next, token by token. The first
    // token may be forced, and so may the position that its step attends to; that word
    // stays chosen.
    async write(run, state, id, { token, focus, chosen } = {}) {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.status.textContent = "Translating …";
      while (id !== EOS && this.steps.length < MOST_TOKENS) {
        const how = { ...this.how, focus };
        const { logits, weights, written, state: next } = this.loaded.step(state, id, how);
        const best = token ?? logits.indexOf(Math.max(...logits));
        this.steps.push({ state, read: id, id: best, weights, written, focus, next,
          chances: softmax(logits), forced: token !== undefined || focus !== undefined });
        [state, id, token, focus] = [next, best];
        this.selected = chosen ?? this.steps.length - 1;
        this.render();
        if (!calm) await new Promise((resolve) => setTimeout(resolve, 120));
        if (run !== this.run) return;
      }
      this.status.textContent = this.verdict();
      this.keep();
      this.tell({ model: this.entry.name, source: this.source, target: this.words() });
    }

    // The same translation up to a step, and another one from there on.
    branch(at, forced) {
      this.run += 1;
      const { state, read } = this.steps[at];
      this.steps.length = at;
      this.write(this.run, state, read, { ...forced, chosen: at });
    }

    words() {
      return this.steps.filter(({ id }) => id !== EOS).map(({ id }) =>
        this.loaded.about.target[id]);
    }

    verdict() {
      const written = this.words().join(" "), right = numerals.translate(this.source);
      const count = this.source.length, { longest } = this.data;
      let text = written ? `It wrote “${written}”. ` : "It wrote nothing. ";
      if (this.steps.at(-1).id !== EOS) text += "It did not come to an end. ";
      if (right === null) text += "No number in training was spelled like the input. ";
      else if (right.join(" ") === written) text += "That is right. ";
      else text += `Right would be “${right.join(" ")}”. `;
      const usual = right && numerals.english(numerals.valueOf(this.source)).join(" ");
      if (usual && usual !== this.source.join(" ")) {
        text += `In training it was spelled “${usual}”. `;
      }
      if (count > longest) {
        text += `The number has ${count} words, more than any in training (${longest}).`;
      }
      return text.trim();
    }

    // The weights of a step, over the source or over the words before it, for the chosen
    // layer and head; null: none.
    weightsOf({ weights, written }) {
      if (!weights) return null;
      const { to, layer, head } = this.chosen, heads = (to ? written : weights)[layer];
      if (head) return heads[head - 1];
      return heads[0].map((_, j) =>
        heads.reduce((sum, one) => sum + one[j], 0) / heads.length);
    }

    // What these weights are over.
    get attended() {
      return this.chosen.to ? this.steps.map(({ read }) => this.loaded.about.target[read])
        : this.columns;
    }

    render() {
      const { steps } = this, focused = this.root?.activeElement?.dataset?.step;
      this.axes.hidden = this.stage.hidden = this.more.hidden = !steps.length;
      if (!steps.length) {
        this.stage.replaceChildren();
        this.more.replaceChildren();
        this.status.textContent = "Press Translate: the model is loaded first.";
        return;
      }
      const attends = steps[0].weights !== null;
      this.axes.hidden = !attends;
      const { attended } = this;
      const head = make("tr", {}, make("th", { scope: "col" }), ...(attends
        ? attended.map((word) => make("th", { scope: "col" },
          make("span", { textContent: word }))) : []));
      this.buttons = steps.map((step, at) => this.button(step, at));
      const rows = steps.map((step, at) => {
        const weights = this.weightsOf(step);
        const cells = (weights ? attended : []).map((_, j) => {
          if (j >= weights.length) return make("td", { className: "masked" });
          const cell = make("td", { title: weights[j].toFixed(2) });
          cell.style.setProperty("--w", 100 * weights[j]);
          return cell;
        });
        return make("tr", {}, make("th", { scope: "row" }, this.buttons[at]), ...cells);
      });
      const table = make("table", {}, make("thead", {}, head),
        make("tbody", {}, ...rows));
      table.setAttribute("aria-label", attends ? "The translation, word by word, and the " +
        `weights of each word over ${this.chosen.to ? "those before it" : "the source"}` : "The translation, word by word");
      this.stage.replaceChildren(table);
      this.explain();
      if (focused !== undefined) this.buttons[focused]?.focus();
    }

    button(step, at) {
      const word = make("button", { type: "button", className: "word",
        textContent: this.loaded.about.target[step.id] });
      word.dataset.step = at;
      word.classList.toggle("forced", step.forced);
      word.setAttribute("aria-pressed", String(at === this.selected));
      word.tabIndex = at === this.selected ? 0 : -1;
      word.addEventListener("click", () => this.select(at));
      word.addEventListener("keydown", (event) => {
        const last = this.steps.length - 1;
        const to = { ArrowDown: at + 1, ArrowUp: at - 1, ArrowRight: at + 1,
          ArrowLeft: at - 1, Home: 0, End: last }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        this.select(Math.min(Math.max(to, 0), last));
        this.buttons[this.selected].focus();
      });
      return word;
    }

    select(at) {
      this.selected = at;
      this.render();
      const weights = this.weightsOf(this.steps[at]);
      const top = Array.from(weights ?? [], (weight, j) => [weight, this.attended[j]])
        .sort((a, b) => b[0] - a[0]).slice(0, 4).filter(([weight]) => weight >= 0.005);
      const word = this.loaded.about.target[this.steps[at].id];
      this.status.textContent = weights
        ? `${word} attends to ${top.map(([weight, key]) =>
          `${key} ${weight.toFixed(2)}`).join(", ") || "nothing"}`
        : `${word}: this model has one vector, and nothing to attend to.`;
    }

    // What else the model might have written at the chosen step.
    explain() {
      const at = this.selected, { chances, id, weights, focus } = this.steps[at];
      const names = this.loaded.about.target;
      const active = this.root?.activeElement; // what follows takes it away
      const held = this.more.contains(active) ? active.dataset.choice : undefined;
      const order = [...chances.keys()].sort((a, b) => chances[b] - chances[a]);
      const items = order.slice(0, SHOWN).map((token) => {
        const instead = make("button", { type: "button", textContent: names[token] });
        instead.dataset.choice = token;
        instead.setAttribute("aria-label", `write ${names[token]} here, and go on`);
        instead.addEventListener("click", () => this.branch(at, { token }));
        const bar = make("span");
        bar.style.setProperty("--w", 100 * chances[token]);
        return make("li", {}, instead, make("span", { textContent:
          percent(chances[token]) }), bar);
      });
      this.more.replaceChildren(make("p", { className: "note", textContent:
        `Word ${at + 1}, “${names[id]}”: how probable, and what else. ` +
        "Press a word to have it written instead." }), make("ol", {}, ...items));
      if (weights) this.more.append(this.looking(at, focus));
      if (held === undefined) return;
      (this.more.querySelector(`[data-choice="${held}"]`) ?? this.buttons[at]).focus();
    }

    // Where the chosen step looks, or is made to look.
    looking(at, focus) {
      const look = make("select", { "aria-label": "make this step look" },
        make("option", { value: -1, textContent: "where it chose to" }), ...this.columns.map((word, j) =>
        make("option", { value: j, textContent: `${j + 1}: ${word}` })));
      look.dataset.choice = "look";
      look.value = focus ?? -1;
      look.addEventListener("change", () => this.branch(at, Number(look.value) < 0 ? {}
        : { focus: Number(look.value) }));
      return make("label", {}, "make this step look", look);
    }
  }
  Object.assign(TryIt, { style: STYLE, colours, stays: "the table stays" });

  customElements.define(NAME, TryIt);
})();

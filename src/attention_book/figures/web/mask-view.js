// A text whose words can be hidden: what models guess in their place.
//
// <mask-view-1> holds its data as JSON, a still image and a table. All guesses were
// computed before; a click on a word, or Enter, hides it and shows them.
(() => {
  "use strict";
  const NAME = "mask-view-1";
  if (customElements.get(NAME)) return;
  const { Figure, make } = window.attentionBook;

  const STYLE = `
    :host { display: block; margin: 1em 0; max-width: 44em; }
    .box { font: inherit; color: inherit; line-height: 1.4; }
    .text { display: flex; flex-wrap: wrap; gap: 2px 0; margin: 0 0 .8em; padding: 0;
      list-style: none; }
    .word { font: inherit; color: inherit; background: transparent; border: 0;
      border-radius: 4px; cursor: pointer; padding: 0 .3em; min-height: 28px;
      min-width: 24px; white-space: pre; }
    .word:hover { background: color-mix(in srgb, var(--query) 18%, transparent); }
    .word[aria-pressed=true] { background: color-mix(in srgb, var(--query) 40%,
      transparent); font-weight: bold; }
    .word:focus-visible { outline: 3px solid var(--focus); outline-offset: 1px; }
    .sides { display: flex; flex-wrap: wrap; gap: .8em 2em; }
    .side { flex: 1 1 15em; min-width: 0; }
    .side h4 { font-size: 1em; margin: 0 0 .3em; }
    .guess { display: grid; grid-template-columns: 7em 1fr 3em; gap: .5em;
      align-items: center; min-height: 24px; }
    .guess span:first-child { overflow: hidden; text-overflow: ellipsis;
      white-space: nowrap; text-align: right; }
    .guess.right span { font-weight: bold; }
    .guess i { display: block; height: .9em; border-radius: 2px; min-width: 1px;
      background: var(--bar); }
    .guess.right i { background: var(--right); }
    .truth { font-size: .9em; margin: .2em 0 0; }
    [role=status] { min-height: 2.9em; margin: .6em 0 0; }
  `;
  const light = { bar: "#0b6aa8", right: "#00795a", query: "#009e73",
    focus: "#0b5cd0" };
  const dark = { bar: "#6fc3f7", right: "#2fc79a", query: "#2fc79a",
    focus: "#9cc4ff" };

  class MaskView extends Figure {
    build() {
      const { words, sides, start } = this.data;
      this.hidden_word = start;
      this.words = words.map((word, at) => {
        const button = make("button", { type: "button", className: "word" });
        button.addEventListener("click", () => this.hide(at));
        button.addEventListener("keydown", (event) => this.move(event, at));
        return button;
      });
      const text = make("ul", { className: "text" }, ...this.words.map((button) =>
        make("li", {}, button)));
      text.setAttribute("aria-label", "words of the text");
      this.sides = sides.map(({ name }) => {
        const list = make("div");
        const truth = make("p", { className: "truth" });
        return { list, truth, box: make("section", { className: "side" },
          make("h4", { textContent: name }), list, truth) };
      });
      this.status = make("p", { role: "status" });
      return make("div", { className: "box" }, text,
        make("div", { className: "sides" }, ...this.sides.map(({ box }) => box)),
        this.status);
    }

    hide(at) {
      this.hidden_word = at;
      this.render();
    }

    // One stop for the Tab key; the arrows lead from word to word.
    move(event, at) {
      const last = this.words.length - 1;
      const to = { ArrowRight: Math.min(at + 1, last), ArrowLeft: Math.max(at - 1, 0),
        ArrowDown: Math.min(at + 1, last), ArrowUp: Math.max(at - 1, 0), Home: 0,
        End: last }[event.key];
      if (to !== undefined) {
        this.words.forEach((word, i) => { word.tabIndex = i === to ? 0 : -1; });
        this.words[to].focus();
        event.preventDefault();
      }
      // JupyterLab would take the keys for itself.
      if (event.key !== "Tab") event.stopPropagation();
    }

    render() {
      const { words, sides, mask } = this.data;
      const at = this.hidden_word;
      this.words.forEach((button, i) => {
        button.textContent = i === at ? mask : words[i];
        button.tabIndex = i === at ? 0 : -1;
        button.setAttribute("aria-pressed", String(i === at));
        button.setAttribute("aria-label", i === at ? `${words[i]}, hidden` : words[i]);
      });
      const said = sides.map(({ name, guesses }, number) => {
        const { best, share, rank } = guesses[at];
        const { list, truth } = this.sides[number];
        list.replaceChildren(...best.map(([word, permille]) => {
          const bar = make("i");
          bar.style.width = `${permille / 10}%`;
          return make("div",
            { className: word === words[at] ? "guess right" : "guess" },
            make("span", { textContent: word, title: word }), make("span", {}, bar),
            make("span", { textContent: (permille / 1000).toFixed(2) }));
        }));
        truth.textContent = `${words[at]}: ${(share / 1000).toFixed(2)}, ` +
          `${rank === 1 ? "the first" : `number ${rank}`} of all words`;
        return `${name} guesses ${best[0][0]} ${(best[0][1] / 1000).toFixed(2)}`;
      });
      this.status.textContent = `${words[at]} is hidden: ${said.join("; ")}.`;
    }
  }

  Object.assign(MaskView, { style: STYLE, colours: { light, dark } });

  customElements.define(NAME, MaskView);
})();

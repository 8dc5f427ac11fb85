// A question that is answered before its table is shown.
//
// <predict-view-1> holds a plain HTML table, in the slot "table", and as JSON the question,
// the answers to choose from and the numbers of those that are right. Without scripts, and
// in print, the table stands there from the start.
(() => {
  "use strict";
  const NAME = "predict-view-1";
  if (customElements.get(NAME)) return;
  const { Figure, make, choices } = window.attentionBook;

  const STYLE = `
    :host { display: block; margin: 1em 0; text-align: left; }
    :host(:not([answered])) slot { display: none; }
    fieldset { font: inherit; color: inherit; line-height: 1.4; min-width: 0;
      border: 1px solid currentColor; border-radius: 6px; margin: 0 0 .8em;
      padding: .3em .8em .6em; }
    label { display: inline-flex; align-items: center; gap: .4em; margin-right: 1em;
      min-height: 28px; }
    input, button { font: inherit; color: inherit; }
    button { background: transparent; border: 1px solid currentColor; border-radius: 4px;
      min-height: 30px; padding: 0 .4em; }
    button:focus-visible, input:focus-visible { outline: 3px solid currentColor;
      outline-offset: 2px; }
    @media print {
      fieldset { display: none; }
      :host(:not([answered])) slot { display: contents; }
    }
  `;

  class PredictView extends Figure {
    build() {
      const { text, choices: names, right } = this.data;
      const say = make("span", { role: "status" });
      const told = right.map((number) => names[number]).join(" and ");
      const settle = (start) => {
        say.textContent = `${start} ${told}.`;
        this.setAttribute("answered", "");
        this.tell({ answered: true });
      };
      const show = make("button", { type: "button", textContent: "show me" });
      show.addEventListener("click", () => settle("It is"));
      const field = make("fieldset", {}, make("legend", { textContent: text }),
        ...choices(names, (number) =>
          settle(right.includes(number) ? "Yes:" : "No:"), say), show, " ", say);
      // JupyterLab would take the keys for itself.
      field.addEventListener("keydown", (event) => {
        if (event.key !== "Tab") event.stopPropagation();
      });
      return field;
    }

    render() {}
  }

  Object.assign(PredictView, { style: STYLE, stays: "the plain table stays" });

  customElements.define(NAME, PredictView);
})();

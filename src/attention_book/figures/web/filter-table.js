// A table that answers: choose values, and the rows that have them stay.
//
// <filter-table-1> holds a plain HTML table, and as JSON the rows that have each value.
// The table stays where it is, outside the shadow root, so that the page styles it; this
// script only puts controls above it and hides rows. Without scripts all rows are there.
(() => {
  "use strict";
  const NAME = "filter-table-1";
  if (customElements.get(NAME)) return;
  const { Figure, make, choices: answers } = window.attentionBook;

  const STYLE = `
    :host { display: block; margin: 1em 0; text-align: left; }
    .box { font: inherit; color: inherit; line-height: 1.4; }
    .controls { display: grid; gap: .5em .8em;
      grid-template-columns: repeat(auto-fill, minmax(9.5em, 1fr)); }
    .controls label { display: grid; gap: .1em; font-size: .9em; min-width: 0; }
    select, button, input { font: inherit; color: inherit; }
    select, button { background: transparent; border: 1px solid currentColor;
      border-radius: 4px; min-height: 30px; padding: 0 .4em; max-width: 100%; }
    .controls select { width: 100%; }
    select.set { border-width: 2px; font-weight: 600; }
    option { color: #202020; background: #fff; }
    option:disabled { color: #767676; }
    select:focus-visible, button:focus-visible, input:focus-visible {
      outline: 3px solid currentColor; outline-offset: 2px; }
    .line { display: flex; flex-wrap: wrap; gap: .3em 1em; align-items: center;
      margin: .6em 0; }
    fieldset { border: 1px solid currentColor; border-radius: 6px; margin: 0 0 .8em;
      padding: .3em .8em .6em; min-width: 0; }
    fieldset label { display: inline-flex; align-items: center; gap: .4em;
      margin-right: 1em; min-height: 28px; }
    @media print { .controls, fieldset, button { display: none; } }
  `;
  class FilterTable extends Figure {
    fail() {
      this.rows?.forEach((row) => { row.hidden = false; });
    }

    build() {
      const { facets, asks } = this.data;
      this.rows = [...this.querySelectorAll("tbody tr")];
      if (this.rows.length !== this.data.rows) throw new Error("rows are missing");
      this.chosen = facets.map(() => -1); // -1: any value
      this.selects = facets.map(({ label, values }, facet) => {
        const options = values.map((_, value) => make("option", { value }));
        const select = make("select", {}, make("option", { value: -1,
          textContent: "any" }), ...options);
        select.addEventListener("change", () => this.choose(facet, Number(select.value)));
        return select;
      });
      this.status = make("span", { role: "status" });
      const all = make("button", { type: "button", textContent: "show all" });
      all.addEventListener("click", () => {
        this.chosen.fill(-1);
        this.render();
      });
      const box = make("div", { className: "box" },
        make("div", { className: "controls" }, ...facets.map(({ label }, facet) =>
          make("label", {}, label, this.selects[facet]))),
        make("div", { className: "line" }, this.status, all));
      if (asks.length) box.prepend(this.question(0));
      // JupyterLab would take the keys for itself.
      box.addEventListener("keydown", (event) => {
        if (event.key !== "Tab") event.stopPropagation();
      });
      return box;
    }

    // A row is to be classified; the answer shows all rows of its kind.
    question(number) {
      const { asks, facets } = this.data;
      const { row, facet, text, choices, right } = asks[number];
      const names = facets[facet].values;
      const field = make("fieldset", {}, make("legend", { textContent: text }));
      const say = make("span", { role: "status" });
      const told = right.map((value) => names[value]).join(" and ");
      const settle = (start) => {
        say.textContent = `${start} ${told}.`;
        this.asked = row;
        this.chosen.fill(-1);
        this.choose(facet, right[0]);
      };
      field.append(...answers(choices.map((value) => names[value]), (number) =>
        settle(right.includes(choices[number]) ? "Yes:" : "No:"), say));
      const show = make("button", { type: "button", textContent: "show me" });
      show.addEventListener("click", () => settle("It is"));
      field.append(show, " ");
      if (asks.length > 1) {
        const next = make("button", { type: "button", textContent: "another question" });
        next.addEventListener("click", () => {
          const other = this.question((number + 1) % asks.length);
          field.replaceWith(other);
          other.querySelector("input").focus();
        });
        field.append(next, " ");
      }
      field.append(say);
      return field;
    }

    choose(facet, value) {
      this.chosen[facet] = value;
      this.render();
    }

    // Whether a row has the values that are chosen, one facet left out.
    fits(row, left = -1) {
      return this.data.facets.every(({ has }, facet) => facet === left ||
        this.chosen[facet] < 0 || has[this.chosen[facet]].includes(row));
    }

    render() {
      const { facets, noun } = this.data;
      let shown = 0;
      this.rows.forEach((row, number) => {
        row.hidden = !this.fits(number);
        row.style.outline = number === this.asked ? "2px solid" : "";
        row.style.outlineOffset = "-2px";
        shown += !row.hidden;
      });
      this.selects.forEach((select, facet) => {
        const { values, has } = facets[facet];
        const open = this.rows.map((_, row) => this.fits(row, facet));
        values.forEach((name, value) => {
          const count = has[value].filter((row) => open[row]).length;
          const option = select.options[value + 1];
          option.textContent = `${name} (${count})`;
          option.disabled = !count && value !== this.chosen[facet];
        });
        select.value = this.chosen[facet];
        select.classList.toggle("set", this.chosen[facet] >= 0);
      });
      this.status.textContent = `${shown} of ${this.rows.length} ${noun}`;
      this.tell({ chosen: [...this.chosen], shown });
    }
  }

  Object.assign(FilterTable, { style: STYLE, stays: "the plain table stays" });

  customElements.define(NAME, FilterTable);
})();

// What all figures that answer share: how they start, and which theme they are in.
//
// A figure is a custom element that holds its data as JSON and something to show where no
// script runs. It extends attentionBook.Figure with
//   static style    its style sheet, and  static colours  { light, dark } of it,
//   build()         makes what is drawn and returns it,
//   render()        draws the present state.
// Once both have run, the drawing takes the place of what was there; if either fails,
// that stays. Everything is drawn into a shadow root, so that neither the page's styles
// nor other figures can interfere.
(() => {
  "use strict";
  // A page or a notebook may hold this script more than once, and JupyterLab keeps what
  // an earlier version of it has defined: the number grows with every change.
  const VERSION = 3;
  const book = window.attentionBook ??= {};
  if (book.version >= VERSION) return;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name in element && name !== "list") element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  // Answers to choose from, as labels of radio buttons; `settle` gets the number of the
  // one that is given. The arrow keys check every button on their way: that is no answer
  // yet, and `say` tells that Enter or the space bar makes it one.
  const choices = (names, settle, say) => {
    let passing = false;
    return names.map((name, number) => {
      const radio = make("input", { type: "radio", name: "answer" });
      radio.addEventListener("keydown", (event) => {
        if (event.key === "Tab") return;
        event.stopPropagation(); // JupyterLab would move to another cell
        passing = event.key.startsWith("Arrow");
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        radio.checked = true;
        settle(number);
      });
      radio.addEventListener("keyup", () => { passing = false; });
      radio.addEventListener("change", () => {
        if (passing) say.textContent = `Press Enter to answer “${name}”.`;
        else settle(number);
      });
      return make("label", {}, radio, name);
    });
  };

  // The theme is what the inherited colour of the text says it is: pages, JupyterLab
  // and Colab each have their own switch.
  const isDark = (element) => {
    const [r, g, b] = getComputedStyle(element).color.match(/[\d.]+/g).map(Number);
    return 0.299 * r + 0.587 * g + 0.114 * b > 128;
  };

  class Figure extends HTMLElement {
    connectedCallback() {
      if (this.shadowRoot || this.started) return;
      this.started = true;
      this.style.display = "block"; // the box of an inline element is its last line
      // Far from the screen there is no hurry; and while the page is read, the
      // element's content comes after the element itself.
      if (!("IntersectionObserver" in window)) return this.begin();
      const near = new IntersectionObserver((entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        near.disconnect();
        this.begin();
      }, { rootMargin: "600px", scrollMargin: "600px" }); // of the page, of a notebook
      near.observe(this);
    }

    begin() {
      const { style, colours } = this.constructor;
      try {
        this.data = JSON.parse(
          this.querySelector("script[type='application/json']").textContent);
        const drawn = this.build();
        this.render(); // before anything is covered: it may fail
        this.root = this.attachShadow({ mode: "open" });
        this.root.append(make("style", { textContent: style }), drawn,
          make("slot", { name: "table" }));
        if (colours) this.followTheme();
        // Colab shows an output in a frame that does not grow by itself.
        const fit = window.google?.colab?.output?.resizeIframeToContent;
        if (fit) new ResizeObserver(() => fit()).observe(this);
        this.setAttribute("ready", "");
      } catch (error) {
        this.fail();
        console.error(`${this.localName}: ${this.constructor.stays}`, error);
      }
    }

    fail() {}

    followTheme() {
      this.paint();
      const again = () => this.paint();
      for (const target of [document.documentElement, document.body]) {
        new MutationObserver(again).observe(target, { attributes: true });
      }
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    }

    paint() {
      const { light, dark } = this.constructor.colours;
      for (const [name, value] of Object.entries(isDark(this) ? dark : light)) {
        this.style.setProperty(`--${name}`, value);
      }
    }

    // The weights of a model, which are fetched when they are first needed: they are in
    // the element as base64, or it has the address of a script that brings them.
    async fetchWeights(name) {
      const holder = this.querySelector(`script[data-weights="${name}"]`);
      let text = holder.textContent;
      const { src } = holder.dataset;
      if (src) {
        await new Promise((resolve, reject) => {
          const script = make("script", { src });
          script.onload = resolve;
          script.onerror = () => reject(new Error(
            "The model could not be loaded. Check the connection and try again."));
          document.head.append(script);
        });
        text = book.weights[name];
      }
      return Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
    }

    // Tells the page, and other figures on it, of a change.
    tell(detail) {
      this.dispatchEvent(new CustomEvent("ab-change",
        { bubbles: true, composed: true, detail }));
    }
  }
  Figure.stays = "the still image stays";

  Object.assign(book, { version: VERSION, Figure, make, choices, isDark });
})();

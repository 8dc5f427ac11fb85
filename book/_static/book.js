// Formulas that are wider than the page scroll; so that they do for keyboards, too, they
// can be focused.
function reachFormulas() {
  for (const box of document.querySelectorAll("mjx-container[display=true]")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
window.addEventListener("load", () => {
  window.MathJax?.startup?.promise?.then(reachFormulas);
});
window.addEventListener("resize", reachFormulas);

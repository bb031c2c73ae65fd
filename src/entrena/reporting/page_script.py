"""What a page does in a browser: it draws its figures, and draws them again in other colours and for paper."""

from __future__ import annotations

# A figure on paper is as wide as a page of A4 between its margins; a browser lays out again too late to be asked.
SCRIPT = """
"use strict";
(() => {
  const PAPER = 660;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const boxes = figures.map((_, k) => document.getElementById("figure-" + (k + 1)));
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const config = {displayModeBar: false, responsive: true, showTips: false};

  const colours = (layout) => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const [ground, text, quiet, line] = ["--ground", "--text", "--quiet", "--line"].map(colour);
    const changes = {
      "font.color": text, "hoverlabel.bgcolor": ground, "hoverlabel.bordercolor": quiet, "hoverlabel.font.color": text,
    };
    for (const axis of Object.keys(layout).filter((name) => /^[xy]axis[0-9]*$/.test(name))) {
      changes[axis + ".gridcolor"] = changes[axis + ".linecolor"] = line;
      changes[axis + ".tickfont.color"] = quiet;
    }
    return changes;
  };
  const recolour = (more = {}) =>
    boxes.map((box, k) => Plotly.relayout(box, {...colours(figures[k].layout), ...more}));

  boxes.forEach((box, k) => {
    Plotly.newPlot(box, figures[k].data, {...figures[k].layout, autosize: true}, config);
  });
  recolour();
  dark.addEventListener("change", () => recolour());
  window.addEventListener("beforeprint", () => {
    document.documentElement.classList.add("printing");
    recolour({autosize: false, width: PAPER});
  });
  window.addEventListener("afterprint", () => {
    document.documentElement.classList.remove("printing");
    recolour({autosize: true, width: null});
  });
})();
"""

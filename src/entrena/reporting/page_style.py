"""The style of a page: light and dark, on a telephone, a wide screen and paper."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --panel: #f5f6f8; --text: #1b1c1f; --quiet: #5c6066; --line: #d9dbe0; --accent: #0072b2;
}
@media screen and (prefers-color-scheme: dark) {
  :root:not(.printing) {
    --ground: #15171b; --panel: #1e2126; --text: #e4e6ea; --quiet: #a3a9b2; --line: #363a42; --accent: #5db4ea;
  }
}
* { box-sizing: border-box; }
html { background: var(--ground); color: var(--text); -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1.5rem clamp(0.9rem, 4vw, 2.5rem) 4rem; max-width: 76rem; overflow-wrap: anywhere;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 0.8rem; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 2.4rem 0 0.6rem; }
p { margin: 0 0 0.7rem; max-width: 46rem; }
p.large { font-size: 1.3rem; line-height: 1.4; max-width: none; }
section > p.large:first-child { margin-top: 1.6rem; }
dl { margin: 0; }
dl > div { display: grid; grid-template-columns: 8rem 1fr; gap: 0 1rem; padding: 0.15rem 0; }
dt { color: var(--quiet); }
dd { margin: 0; }
pre {
  background: var(--panel); border-radius: 4px; padding: 0.7rem 0.9rem; margin: 0 0 0.9rem; white-space: pre-wrap;
  font: 0.9rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
.wide { overflow-x: auto; margin: 0 0 0.6rem; }
.wide:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 1.1rem 0.3rem 0; }
th:last-child, td:last-child { padding-right: 0; }
th { color: var(--quiet); font-weight: 500; vertical-align: bottom; }
th, td { border-bottom: 1px solid var(--line); }
tbody tr:last-child td { border-bottom: 0; }
td:first-child { min-width: 11.5rem; max-width: 26rem; overflow-wrap: anywhere; }
.number { text-align: right; }
td.number { white-space: nowrap; }
figure { margin: 0.8rem 0 1.2rem; }
.plot { width: 100%; }
figcaption, .caption { color: var(--quiet); font-size: 0.9rem; max-width: 46rem; margin: 0.3rem 0 0; }
@media (max-width: 30rem) {
  h1 { font-size: 1.4rem; }
  p.large { font-size: 1.15rem; }
  table { font-size: 0.9rem; }
  dl > div { grid-template-columns: 1fr; padding: 0.3rem 0; }
}
@media print {
  @page { margin: 15mm; }
  body { padding: 0; max-width: none; font-size: 11pt; }
  figure, tr, pre { break-inside: avoid; }
  h2 { break-after: avoid; }
  .wide { overflow: visible; }
  th, td { padding-right: 0.7rem; }
}
"""

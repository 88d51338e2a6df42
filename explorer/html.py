"""The Pareto front as one interactive HTML page that loads nothing else."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pandas as pd

from explorer.explore import OBJECTIVES, ExplorationResult
from explorer.report import FAMILY_COLOURS
from rtl_gen.atomic import write_text

#: Points beside the front: enough to see the shape of the space, few enough to hover smoothly.
CLOUD_POINTS = 5_000


def write_html(result: ExplorationResult, path: Path) -> None:
    """Write a page with the front and a sample of all points; hovering shows a design.

    Raises:
        InputError: if it cannot be written.
    """
    page = _PAGE.replace("TITLE", html.escape(_title(result))).replace("DATA", _data(result))
    write_text(path, page)


def _title(result: ExplorationResult) -> str:
    return f"Pareto front: {len(result.front):,} of {len(result.points):,} predicted designs"


def _data(result: ExplorationResult) -> str:
    cloud = result.points.sample(min(CLOUD_POINTS, len(result.points)), random_state=0)
    # Objectives that were not optimised can be looked at too.
    axes = dict.fromkeys([*result.objectives, *OBJECTIVES])
    document = {
        "axes": [{"column": OBJECTIVES[a].column, "label": OBJECTIVES[a].label} for a in axes],
        "columns": list(result.points.columns),
        "colours": FAMILY_COLOURS,
        "notes": result.notes,
        "front": _rows(result.front),
        "cloud": _rows(cloud),
    }
    return json.dumps(document).replace("</", "<\\/")  # nothing may end the script early


def _rows(table: pd.DataFrame) -> list[list[object]]:
    return [
        [f"{v:.4g}" if isinstance(v, float) else v for v in row]
        for row in table.itertuples(index=False, name=None)
    ]


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>TITLE</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5em; color: #222; max-width: 1000px }
h1 { font-size: 1.3em } canvas { width: 100%; height: 560px; border: 1px solid #ccc }
#tip { position: fixed; display: none; background: #fff; border: 1px solid #888; padding: .5em;
  font-size: 13px; box-shadow: 2px 2px 6px #0003; pointer-events: none }
td { padding: 0 .6em 0 0 } .dot { display: inline-block; width: .7em; height: .7em;
  border-radius: 50%; margin: 0 .3em 0 1em }
</style>
<h1>TITLE</h1>
<p>x <select id="x"></select> y <select id="y"></select> <span id="legend"></span></p>
<canvas id="plot"></canvas>
<div id="tip"></div>
<ul id="notes"></ul>
<script>
const data = DATA, get = id => document.getElementById(id), tip = get("tip");
const canvas = get("plot"), pen = canvas.getContext("2d"), edge = 60;
const column = name => data.columns.indexOf(name), family = column("family");
let drawn = [];

for (const [id, chosen] of [["x", 0], ["y", 1]]) {
  data.axes.forEach((axis, i) => get(id).add(new Option(axis.label, i, false, i === chosen)));
  get(id).onchange = draw;
}
for (const [name, colour] of Object.entries(data.colours)) {
  const dot = get("legend").appendChild(document.createElement("span"));
  dot.className = "dot";
  dot.style.background = colour;
  dot.after(name);
}
for (const note of data.notes)
  get("notes").appendChild(document.createElement("li")).textContent = note;

// Round numbers from min to max: 1, 2 or 5 times powers of ten.
function ticks(min, max, log) {
  const powers = [...Array(24).keys()].map(i => 10 ** (i - 9));
  if (log) return powers.flatMap(p => [p, 2 * p, 5 * p]).filter(v => v >= min && v <= max);
  const step = powers.flatMap(p => [p, 2 * p, 5 * p]).find(s => (max - min) / s <= 8) || 1;
  const count = Math.floor(max / step) - Math.ceil(min / step) + 1;
  return [...Array(count).keys()].map(i => (Math.ceil(min / step) + i) * step);
}
function scale(index, low, high) {
  const values = data.cloud.concat(data.front).map(row => +row[index]);
  const min = values.reduce((a, b) => Math.min(a, b));
  const max = values.reduce((a, b) => Math.max(a, b));
  const log = max > 20 * min, bend = log ? Math.log10 : v => v;
  const from = bend(min), span = bend(max) - from || 1;
  const at = value => low + (bend(value) - from) / span * (high - low);
  return { at, ticks: ticks(min, max, log) };
}

function draw() {
  const ratio = window.devicePixelRatio || 1, wide = canvas.clientWidth, high = canvas.clientHeight;
  canvas.width = wide * ratio;
  canvas.height = high * ratio;
  pen.scale(ratio, ratio);
  pen.font = "12px sans-serif";
  const [ax, ay] = [get("x"), get("y")].map(menu => data.axes[menu.value]);
  const [ix, iy] = [column(ax.column), column(ay.column)];
  const x = scale(ix, edge + 10, wide - 25), y = scale(iy, high - edge, 25);
  const tick = value => (+value.toPrecision(6)).toLocaleString("en");
  pen.fillStyle = "#444";
  pen.strokeStyle = "#eee";
  for (const v of x.ticks) {
    line(x.at(v), 15, x.at(v), high - edge + 8);
    text(tick(v), x.at(v), high - 36);
  }
  for (const v of y.ticks) {
    line(edge, y.at(v), wide - 15, y.at(v));
    text(tick(v), 38, y.at(v) + 4);
  }
  text(ax.label, wide / 2, high - 12);
  pen.save();
  pen.rotate(-Math.PI / 2);
  text(ay.label, -high / 2, 12);
  pen.restore();
  drawn = [];
  for (const [rows, size, alpha] of [[data.cloud, 2, .35], [data.front, 5, 1]])
    for (const row of rows) {
      const px = x.at(+row[ix]), py = y.at(+row[iy]);
      pen.globalAlpha = alpha;
      pen.fillStyle = data.colours[row[family]];
      pen.strokeStyle = "#000";
      pen.beginPath();
      pen.arc(px, py, size, 0, 7);
      pen.fill();
      if (alpha === 1) pen.stroke();
      drawn.push([px, py, row, alpha === 1]);
    }
  pen.globalAlpha = 1;
}
function line(x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}
function text(words, x, y) { pen.textAlign = "center"; pen.fillText(words, x, y); }

canvas.onmousemove = event => {
  let best = null, least = 200;  // squared pixels; a point of the front wins over its neighbours
  for (const [px, py, row, front] of drawn) {
    const distance = (px - event.offsetX) ** 2 + (py - event.offsetY) ** 2 - (front ? 50 : 0);
    if (distance < least) { least = distance; best = row; }
  }
  tip.style.display = best ? "block" : "none";
  if (!best) return;
  tip.innerHTML = "<table>" + data.columns.map((name, i) =>
    `<tr><td>${name}<td><b>${best[i]}</b>`).join("") + "</table>";
  tip.style.left = Math.min(event.clientX + 15, window.innerWidth - 290) + "px";
  tip.style.top = Math.max(5, Math.min(event.clientY - 40, window.innerHeight - 420)) + "px";
};
canvas.onmouseleave = () => { tip.style.display = "none"; };
window.onresize = draw;
draw();
</script>
"""

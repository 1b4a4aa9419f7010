// The last minutes of a few figures, drawn as they come.

import { write } from "./figures.js";
import { onStatus } from "./live.js";

const SAMPLES = 300;
const [WIDTH, HEIGHT] = [300, 60];
const CHARTS = [
  ["Sessions", "count", [["client", (status) => status.sessions?.total]]],
  ["Traffic", "bits", [["client", (status) => status.rates?.bits_per_second]]],
  ["Packets per second", "rate", [["client", (status) => status.rates?.packets_per_second]]],
  ["Refused and dropped per second", "rate", [
    ["peer", (status) => (status.rates?.refused_per_second ?? 0) + (status.rates?.dropped_per_second ?? 0)],
  ]],
];

function element(name, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

class Chart {
  constructor(title, form, lines, parent) {
    this.title = title;
    this.form = form;
    const figure = document.createElement("figure");
    figure.className = "chart";
    this.caption = document.createElement("figcaption");
    this.svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", preserveAspectRatio: "none" });
    element("line", { class: "grid", x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 }, this.svg);
    this.lines = lines.map(([name, of]) => ({ of, values: [], drawn: element("polyline", { class: `line ${name}` }, this.svg) }));
    figure.append(this.caption, this.svg);
    parent.append(figure);
  }

  take(status) {
    let most = 0;
    for (const line of this.lines) {
      line.values.push(line.of(status) ?? 0);
      if (line.values.length > SAMPLES) line.values.shift();
      most = Math.max(most, ...line.values);
    }
    for (const { values, drawn } of this.lines) {
      const points = values.map((value, index) => {
        const x = WIDTH - (values.length - 1 - index) * (WIDTH / (SAMPLES - 1));
        return `${x.toFixed(1)},${(HEIGHT - 2 - (most > 0 ? value / most : 0) * (HEIGHT - 6)).toFixed(1)}`;
      });
      drawn.setAttribute("points", points.join(" "));
    }
    const text = `${this.title}, last 5 minutes; at most ${write(this.form, most)}`;
    if (this.caption.textContent !== text) {
      this.caption.textContent = text;
      this.svg.setAttribute("aria-label", text);
    }
  }
}

export function begin(parent) {
  parent.hidden = false;
  const charts = CHARTS.map(([title, form, lines]) => new Chart(title, form, lines, parent));
  let last = 0;
  onStatus((status) => {
    // One sample a second, however often somebody speaks.
    if (Date.now() - last < 900) return;
    last = Date.now();
    for (const chart of charts) chart.take(status);
  });
}

// Figures as people read them, as figures.rs writes them; figures.json holds examples that both are tested with.

export const NOTHING = "–";

// Half goes up.
function fixed(value, digits) {
  const scale = 10 ** digits;
  return (Math.round(value * scale) / scale).toFixed(digits);
}

const count = (value) => String(Math.round(Math.max(value, 0))).replace(/\B(?=(\d{3})+$)/g, ",");

const rate = (value) => (value > 0 && value < 9.95 ? fixed(value, 1) : count(value));

function scaled(value, step, units) {
  let place = 0;
  value = Math.max(value, 0);
  while (place + 1 < units.length && value >= step) {
    value /= step;
    place += 1;
  }
  return `${fixed(value, place === 0 || value >= 99.95 ? 0 : 1)} ${units[place]}`;
}

const percent = (value) => `${fixed(value, value > 0 && value < 9.95 ? 1 : 0)} %`;

function duration(seconds) {
  const units = [["d", 86400, Infinity], ["h", 3600, 24], ["min", 60, 60], ["s", 1, 60]];
  const parts = units.map(([unit, length, wrap]) => [unit, Math.floor(seconds / length) % wrap]);
  const first = parts.findIndex(([, number]) => number > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([, number]) => number > 0).map(([unit, number]) => `${number} ${unit}`).join(" ");
}

export const forms = {
  count,
  rate,
  duration,
  percent,
  bits: (value) => scaled(value, 1e3, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]),
  bytes: (value) => scaled(value, 1e3, ["B", "kB", "MB", "GB", "TB"]),
  share: (value) => percent(value * 100),
  millis: (value) => `${fixed(value, value < 99.95 ? 1 : 0)} ms`,
  mos: (value) => fixed(value, 2),
};

export function write(form, value) {
  return typeof value === "number" ? forms[form](value) : NOTHING;
}

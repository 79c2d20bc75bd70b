// Drift over time: how far windows of images are from normal, and how far they may be.
import { at, say, set, show } from "./dom.js";
import { counted, isOdd, percent } from "./words.js";

const [WIDE, HIGH] = [600, 160];
let drawn = "";

export function showDrift(status) {
  const known = status.windows.filter((window) => window.distance !== null);
  show(at("plot"), known.length > 0);
  say(at("drift-words"), words(status, known.at(-1)));
  say(at("drift-more"), more(known));
  set(at("drift-words"), "class", isOdd(known.at(-1)) ? "odd" : "");
  const points = JSON.stringify(known);
  if (known.length === 0 || points === drawn) return;
  drawn = points;
  say(at("drift-from"), `${counted(known.length * known[0].images, "image", "images")} ago`);
  draw(known);
}

function words(status, last) {
  if (last === undefined) {
    return status.learning_normal ? "It still learns what is normal here." : "Not enough images were seen yet to tell.";
  }
  return isOdd(last)
    ? "The last images look different from those that the model knows."
    : "The last images look like those that the model knows.";
}

function more(known) {
  const last = known.at(-1);
  if (last === undefined) return "";
  const odd = `${known.filter(isOdd).length} of ${counted(known.length, "window", "windows")} of ${last.images} images`;
  return `${odd} looked different. Answers to the last ones are ${percent(last.confidence)} sure on average.`;
}

function draw(known) {
  // Distances are squared; as they are the limit would be flat on the ground beside a drift.
  const root = (value) => Math.sqrt(Math.max(value, 0));
  const top = Math.max(...known.map((window) => Math.max(root(window.distance), root(window.limit)))) * 1.08 || 1;
  const x = (index) => (known.length === 1 ? WIDE / 2 : (index / (known.length - 1)) * (WIDE - 8) + 4).toFixed(1);
  const y = (value) => (HIGH - (root(value) / top) * HIGH).toFixed(1);
  const line = (name) => known.map((window, index) => `${x(index)},${y(window[name])}`).join(" ");
  const [odd, distance, limit] = at("drift").children;
  distance.setAttribute("points", known.length === 1 ? `${line("distance")} ${line("distance")}` : line("distance"));
  limit.setAttribute("points", known.length === 1 ? `0,${y(known[0].limit)} ${WIDE},${y(known[0].limit)}` : line("limit"));
  odd.setAttribute("d", known.map((window, index) => (isOdd(window) ? `M${x(index)},${HIGH}V${y(window.distance)}` : "")).join(""));
}

// The page of the agent: asks for its status every two seconds, shows it, and says what people say.
"use strict";

const REFRESH_MS = 2000;
const at = (id) => document.getElementById(id);
const percent = (share) => `${Math.round(share * 100)} %`;
let status = null;
let undo = [];
const skipped = new Set();

async function ask(path, body) {
  const given = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await fetch(path, { method: "POST", headers: { "X-TBFT-Edge": "1" }, ...given });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function made(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function current() {
  return status.asked.find((image) => image.label === null && !skipped.has(image.digest)) ?? null;
}

function showAsking() {
  const image = current();
  at("asking").hidden = status.asked.length === 0;
  if (at("asking").hidden) return;
  const wanted = Math.max(status.labels_wanted, 1);
  at("progress").max = wanted;
  at("progress").value = Math.min(status.labels_there, wanted);
  at("progress-words").textContent = image === null
    ? "Thank you: nothing more is asked for now."
    : `${status.labels_there} of ${status.labels_wanted} are labelled.`;
  for (const id of ["picture", "answer", "classes", "new-class", "none", "skip", "keys"]) at(id).hidden = image === null;
  at("undo").disabled = undo.length === 0;
  if (image === null || at("card").dataset.digest === image.digest) return;
  at("card").dataset.digest = image.digest;
  at("picture").src = `/api/image/${image.digest}`;
  at("answer").textContent = `The model says ${image.answer}, ${percent(image.confidence)} sure.`;
  const names = [...status.classes, ...newClasses()];
  at("classes").replaceChildren(...names.map((name, index) => {
    const button = made("button", index < 9 ? `${index + 1} ${name}` : name, { type: "button", dir: "auto" });
    button.addEventListener("click", () => label(name));
    return button;
  }));
}

function newClasses() {
  const said = status.asked.map((image) => image.label).filter((name) => name !== null && name !== "");
  return [...new Set(said)].filter((name) => !status.classes.includes(name)).sort();
}

async function label(name) {
  const image = current();
  if (image === null) return;
  undo.push(image.digest);
  await tell(() => ask("/api/label", { digest: image.digest, label: name }));
}

async function takeBack() {
  const digest = undo.pop();
  if (digest === undefined) return;
  skipped.delete(digest);
  at("card").dataset.digest = "";
  await tell(() => ask("/api/label", { digest, label: null }));
}

function skip() {
  const image = current();
  if (image === null) return;
  undo.push(image.digest);
  skipped.add(image.digest);
  showAsking();
}

async function tell(what, words = "") {
  try {
    await what();
    at("said").textContent = words;
  } catch (error) {
    at("said").textContent = error.message;
  }
  await refresh();
}

function showDrift() {
  const known = status.windows.filter((window) => window.distance !== null);
  const last = known.at(-1);
  at("drift").replaceChildren();
  if (last === undefined) {
    at("drift-words").textContent = status.learning_normal
      ? "What is normal here is still being learned."
      : "No window of images has been seen yet.";
    return;
  }
  const odd = last.distance > last.limit;
  at("drift-words").textContent = odd
    ? "The last images look otherwise than those that the model knows."
    : "The last images look like those that the model knows.";
  at("drift-words").className = odd ? "odd" : "";
  const top = Math.max(...known.map((window) => Math.max(window.distance, window.limit))) * 1.1;
  const line = (values) => values
    .map((value, index) => `${(index / Math.max(values.length - 1, 1)) * 600},${140 - (value / top) * 140}`).join(" ");
  for (const [name, values] of [["limit", known.map((w) => w.limit)], ["distance", known.map((w) => w.distance)]]) {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    shape.setAttribute("class", name);
    shape.setAttribute("points", line(values));
    at("drift").append(shape);
  }
}

function showModel() {
  const { version, latency } = status;
  const verified = version.number === 0 ? "" : version.verified ? ", verified by labels" : ", not verified";
  const facts = [
    ["answers", `version ${version.number}: ${version.how}${verified}`],
    ["images", `${status.answered.toLocaleString()} answered`],
    ["an answer takes", latency.p50 === null ? "–" : `${latency.p50} ms, 95 % at most ${latency.p95} ms`],
    ["kept", `${status.images.toLocaleString()} images, ${(status.image_bytes / 1e6).toFixed(1)} MB`],
    ["drift is seen by", status.watches],
    ["training today", `${status.joules_today} J`],
  ];
  if (status.celsius !== null) facts.push(["board", `${Math.round(status.celsius)} °C`]);
  at("model").replaceChildren(...facts.flatMap(([name, value]) => [made("dt", name), made("dd", value, { dir: "auto" })]));
  at("pause").setAttribute("aria-pressed", String(status.paused));
  at("pause").textContent = status.paused ? "Go on training" : "Pause training";
  at("rollback").disabled = version.number === 0;
}

function showRecent() {
  at("recent").replaceChildren(...status.recent.map((image) => {
    const item = made("li", "");
    item.append(made("img", "", { src: `/api/image/${image.digest}`, alt: `Answered: ${image.answer}`, loading: "lazy" }));
    item.append(made("div", `${image.answer} ${percent(image.confidence)}`, { dir: "auto" }));
    return item;
  }));
}

function showJournal() {
  at("journal").replaceChildren(...status.journal.toReversed().map((entry) => {
    const item = made("li", "");
    item.append(made("time", entry.time.replace("T", " ").slice(0, 19), { datetime: entry.time }));
    item.append(made("div", `${entry.what}: ${entry.says}`, { dir: "auto" }));
    return item;
  }));
}

async function refresh() {
  try {
    const answer = await fetch("/api/status");
    if (!answer.ok) throw new Error(await answer.text());
    status = await answer.json();
  } catch (error) {
    at("state").textContent = `The agent does not answer: ${error.message}`;
    return;
  }
  at("state").textContent = status.paused ? `${status.state}, training is paused` : status.state;
  at("waits").hidden = status.waits_for === null;
  at("waits").textContent = status.waits_for === null ? "" : `Waiting: ${status.waits_for}.`;
  showAsking();
  showDrift();
  showModel();
  showRecent();
  showJournal();
}

document.addEventListener("keydown", (event) => {
  if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey || status === null) return;
  const names = [...status.classes, ...newClasses()];
  if (event.key >= "1" && event.key <= "9" && names[Number(event.key) - 1] !== undefined) label(names[Number(event.key) - 1]);
  else if (event.key === "0") label("");
  else if (event.key === " " && !(event.target instanceof HTMLButtonElement)) { event.preventDefault(); skip(); }
  else if (event.key === "z" || event.key === "Z") takeBack();
});
at("new-class").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = at("new-name").value.trim();
  if (name !== "") label(name);
  at("new-name").value = "";
});
at("none").addEventListener("click", () => label(""));
at("skip").addEventListener("click", skip);
at("undo").addEventListener("click", takeBack);
at("adapt").addEventListener("click", () => tell(() => ask("/api/adapt"), "It adapts as soon as it may."));
at("pause").addEventListener("click", () => tell(() => ask("/api/pause", { paused: !status.paused })));
at("rollback").addEventListener("click", () => tell(() => ask("/api/rollback"), "The model before answers."));
refresh();
setInterval(refresh, REFRESH_MS);

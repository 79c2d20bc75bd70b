// One image after the other, and what people say that it shows.
import { choose, clear, folded, onChosen, showClasses } from "./classes.js";
import { allow, at, fill, named, say, set, show } from "./dom.js";
import { tell } from "./talk.js";
import { percent } from "./words.js";

// Nobody has seen an image that came so shortly ago: what is pressed was meant for the one before.
const BLIND_MS = 250;
const REMEMBERED = 5;
// What the agent does not know yet, by the image.
const said = new Map();
const skipped = new Set();
const done = [];
let status = null;
let picked = null;
let shown = { digest: null, since: 0 };
let latest = [];
let queue = Promise.resolve();
let note = () => {};
let refresh = async () => {};

export const labelOf = (image) => (said.has(image.digest) ? said.get(image.digest).name : image.label);

const open = () => status.asked.filter((image) => labelOf(image) === null);
const current = () => picked ?? open().find((image) => !skipped.has(image.digest)) ?? null;

export function showAsking(found) {
  status = found;
  const image = current();
  const wanted = status.labels_wanted > 0 ? status.labels_wanted : status.asked.length;
  const there = status.labels_wanted > 0 ? status.labels_there + unsent() : status.asked.length - open().length;
  show(at("asking"), image !== null || status.labels_wanted > 0 || open().length > 0 || done.length > 0);
  show(at("enough"), wanted > 0);
  fill(at("progress"), there, wanted);
  say(at("progress-words"), there >= wanted ? `${there} labels: that is enough.` : `${there} of ${wanted} labels, ${wanted - there} to go.`);
  for (const id of ["card", "skip", "keys"]) show(at(id), image !== null);
  show(at("nothing"), image === null);
  show(at("again"), image === null && skipped.size > 0 && open().length > 0);
  show(at("forget"), image !== null && labelOf(image) !== null);
  allow(at("undo"), done.length > 0);
  if (image === null) say(at("nothing"), nothing(there, wanted));
  else showCard(image);
}

// How many labels more there will be when the agent knows all of what was said.
function unsent() {
  const heard = new Map([...status.recent, ...status.asked].map((image) => [image.digest, image.label]));
  const gained = ([digest, { name, before }]) => Boolean(name) - Boolean(heard.has(digest) ? heard.get(digest) : before);
  return [...said].map(gained).reduce((sum, each) => sum + each, 0);
}

function nothing(there, wanted) {
  if (open().length > 0) return "You skipped the rest.";
  if (there >= wanted) return "Thank you! Nothing more is asked for now.";
  if (status.asked.length === 0) return "It looks for the images that are worth asking about …";
  return `${wanted - there} more are needed: tap images under “What it sees”, and say what they show.`;
}

function showCard(image) {
  const label = labelOf(image);
  if (shown.digest !== image.digest) {
    shown = { digest: image.digest, since: performance.now() };
    at("picture").src = `/api/image/${image.digest}`;
    at("picture").alt = `The image in question; the model says ${image.answer}`;
    at("answer").replaceChildren("The model says ", named(image.answer), ` (${percent(image.confidence)}\u00a0sure)`);
    clear();
  }
  ask(label);
  say(at("skip"), label === null ? "Skip" : "Leave it so");
  set(at("none"), "aria-pressed", String(label === ""));
  const fresh = [...said.values()].map(({ name }) => name).filter((name) => name && !status.classes.includes(name));
  const news = [...new Set([...status.new_classes, ...fresh])];
  showClasses([...status.classes, ...news], [...new Set([image.answer, ...latest])], label);
}

function ask(label) {
  const title = at("asking-title");
  if (title.dataset.said === String(label)) return;
  title.dataset.said = String(label);
  title.replaceChildren(label === null ? "What does this show?" : "You said: ");
  if (label !== null) title.append(label === "" ? "none of these" : named(label));
}

export function pick(image) {
  picked = image;
  show(at("asking"), true);
  showAsking(status);
  at("asking-title").focus({ preventScroll: true });
  at("asking").scrollIntoView({ block: "start" });
}

function label(name) {
  const image = current();
  if (image === null || performance.now() - shown.since < BLIND_MS) return;
  done.push({ image, before: labelOf(image) });
  if (name) latest = [name, ...latest.filter((other) => other !== name)].slice(0, REMEMBERED);
  answer(image, name);
}

function answer(image, name) {
  picked = null;
  const mine = { name, before: image.label };
  said.set(image.digest, mine);
  clear();
  showAsking(status);
  queue = queue.then(async () => {
    try {
      await tell("/api/label", { digest: image.digest, label: name });
      image.label = name;
      note("");
      await refresh();
    } catch (error) {
      note(`That was not kept. ${error.message}`);
    }
    if (said.get(image.digest) !== mine) return;
    said.delete(image.digest);
    showAsking(status);
  });
}

function undo() {
  const last = done.pop();
  if (last === undefined) return;
  if (last.skipped) skipped.delete(last.image.digest);
  else answer(last.image, last.before);
  picked = last.image;
  showAsking(status);
}

function skip() {
  const image = current();
  if (image === null) return;
  done.push({ image, skipped: true });
  if (labelOf(image) === null) skipped.add(image.digest);
  picked = null;
  showAsking(status);
}

function addClass(event) {
  event.preventDefault();
  const name = at("new-name").value.trim().normalize("NFC");
  if (name === "") return;
  const known = [...at("classes").children].map((button) => button.dataset.key);
  label(known.find((other) => folded(other) === folded(name)) ?? name);
  at("new-name").value = "";
  unfold(false);
  at("new").focus();
}

function unfold(open) {
  show(at("new-class"), open);
  set(at("new"), "aria-expanded", String(open));
  if (open) at("new-name").focus();
}

function pressed(event) {
  const typing = event.target instanceof HTMLInputElement || document.querySelector("dialog[open]") !== null;
  if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey || status === null) return;
  if (event.key >= "1" && event.key <= "9" && current() !== null) choose(event.key);
  else if (event.key === "0") label("");
  else if (event.key === "s") skip();
  else if (event.key === "z") undo();
  else if (event.key === "/" && !at("filter").hidden && current() !== null) {
    event.preventDefault();
    at("filter").focus();
  }
}

export function beginAsking(noted, refreshed) {
  [note, refresh] = [noted, refreshed];
  onChosen(label);
  at("none").addEventListener("click", () => label(""));
  at("skip").addEventListener("click", skip);
  at("undo").addEventListener("click", undo);
  at("forget").addEventListener("click", () => label(null));
  at("again").addEventListener("click", () => { skipped.clear(); showAsking(status); });
  at("new").addEventListener("click", () => unfold(at("new-class").hidden));
  at("new-class").addEventListener("submit", addClass);
  // A photo of a few pixels is shown as such, and not as a blur.
  at("picture").addEventListener("load", () => at("picture").classList.toggle("tiny", at("picture").naturalWidth < 128));
  document.addEventListener("keydown", pressed);
}

// The last images, each of which can be tapped to say what it shows.
import { labelOf, pick } from "./asking.js";
import { at, keep, made, named, say, set } from "./dom.js";
import { percent } from "./words.js";

let held = false;
let seen = null;

export function showLately(status) {
  seen = status;
  const recent = at("recent");
  const hovered = matchMedia("(hover: hover)").matches && recent.matches(":hover");
  const still = held || hovered || recent.matches(":focus-within");
  say(at("lately-words"), status.recent.length === 0
    ? "No image was answered yet."
    : still ? "Held still for you." : "Tap an image if its answer is wrong, and say what it shows.");
  // Nobody can tap what moves away.
  const images = still && recent.children.length > 0 ? shownOf(recent) : status.recent;
  keep(recent, images, (image) => image.digest, makeShot, update);
}

const shots = new Map();

function shownOf(recent) {
  const fresh = new Map([...seen.recent, ...seen.asked].map((image) => [image.digest, image]));
  return [...recent.children].map(({ dataset }) => fresh.get(dataset.key) ?? shots.get(dataset.key));
}

function makeShot(image) {
  const item = made("li");
  const button = made("button", "", { type: "button" });
  const picture = made("img", "", { src: `/api/image/${image.digest}`, alt: "", loading: "lazy" });
  picture.addEventListener("load", () => picture.classList.toggle("tiny", picture.naturalWidth < 128));
  const answer = made("span", "", { class: "answer" });
  answer.append(named(image.answer));
  button.append(picture, answer, made("span", `${percent(image.confidence)} sure`, { class: "quiet sure" }), made("span", "", { class: "told" }));
  button.addEventListener("click", () => pick(shots.get(image.digest) ?? image));
  item.append(button);
  return item;
}

function update(item, image) {
  shots.set(image.digest, image);
  const label = labelOf(image);
  const told = item.querySelector(".told");
  if (told.dataset.label === String(label)) return;
  told.dataset.label = String(label);
  if (label === null) told.replaceChildren();
  else if (label === "") told.replaceChildren("You: none of these");
  else told.replaceChildren("You: ", named(label));
  set(item, "class", label === null ? "" : label === image.answer ? "right" : "wrong");
}

export function beginLately() {
  at("hold").addEventListener("click", () => {
    held = !held;
    set(at("hold"), "aria-pressed", String(held));
    if (seen !== null) showLately(seen);
  });
}

// The classes as buttons, and how one of very many is found.
import { at, keep, made, named, say, set, show } from "./dom.js";

// So many are seen at a glance.
const FEW = 12;
const KEYS = 9;
let names = [];
let likely = [];
let chosen = () => {};

export const folded = (name) => name.normalize("NFC").toLocaleLowerCase();

export function onChosen(callback) {
  chosen = callback;
  at("filter").addEventListener("input", showFound);
  at("filter").addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear();
    const first = visible()[0];
    if (event.key !== "Enter" || event.repeat || at("filter").value.trim() === "" || first === undefined) return;
    event.preventDefault();
    chosen(first.dataset.key);
  });
}

// `first` are the likeliest, `label` what somebody said already.
export function showClasses(all, first, label) {
  const many = all.length > FEW;
  const changed = all.length !== names.length || all.some((name, index) => name !== names[index]);
  const others = first.length !== likely.length || first.some((name, index) => name !== likely[index]);
  show(at("filter"), many);
  set(at("classes"), "class", many ? "many" : "");
  if (changed || (many && others)) {
    names = all;
    likely = first;
    arrange(many ? [...new Set([...first, ...all])] : all);
  }
  for (const button of at("classes").children) {
    const name = button.dataset.key;
    set(button, "aria-pressed", String(name === label));
    button.classList.toggle("guess", name === first[0]);
  }
}

function arrange(order) {
  const focused = document.activeElement;
  keep(at("classes"), order, (name) => name, (name) => {
    const button = made("button", "", { type: "button" });
    button.append(made("kbd", "", { "aria-hidden": "true" }), named(name));
    button.addEventListener("click", () => chosen(name));
    return button;
  });
  if (at("classes").contains(focused)) focused.focus({ preventScroll: true });
  at("classes").scrollTop = 0;
  showFound();
}

export function clear() {
  if (at("filter").value === "") return;
  at("filter").value = "";
  showFound();
}

export function choose(key) {
  const button = visible()[Number(key) - 1];
  if (button !== undefined) chosen(button.dataset.key);
}

const visible = () => [...at("classes").children].filter((button) => !button.hidden);

function showFound() {
  const wanted = folded(at("filter").value.trim());
  for (const button of at("classes").children) show(button, folded(button.dataset.key).includes(wanted));
  const found = visible();
  const numbers = new Map(found.slice(0, KEYS).map((button, index) => [button, String(index + 1)]));
  for (const button of at("classes").children) {
    const key = numbers.get(button) ?? "";
    say(button.querySelector("kbd"), key);
    if (key === "") button.removeAttribute("aria-keyshortcuts");
    else set(button, "aria-keyshortcuts", key);
  }
  show(at("found"), wanted !== "");
  say(at("found"), wanted === "" ? "" : `${found.length} of ${names.length} classes`);
}

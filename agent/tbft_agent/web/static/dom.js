// Changes of the page that leave alone what is as it should be: focus, scrolling and screen readers stay where they are.

export const at = (id) => document.getElementById(id);

export function say(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

// A button that does nothing now keeps the focus that it may have.
export function allow(button, allowed) {
  set(button, "aria-disabled", String(!allowed));
}

export function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function fill(bar, value, most) {
  set(bar, "max", String(Math.max(most, 1)));
  set(bar, "value", String(Math.min(value, most)));
}

export function made(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Names of classes come from strangers: each is text in a box of its own, in which it may run whichever way it wants.
export const named = (name) => made("bdi", name, { class: "name" });

// One child for each item, made once for each key.
export function keep(parent, items, keyOf, make, update = () => {}) {
  const keys = new Set(items.map(keyOf));
  for (const child of [...parent.children]) if (!keys.has(child.dataset.key)) child.remove();
  const there = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const key = keyOf(item);
    const child = there.get(key) ?? make(item);
    set(child, "data-key", key);
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
    update(child, item, index);
  });
}

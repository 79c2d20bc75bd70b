// The model that answers, what came of the last candidate, and what people may decide.
import { allow, at, fill, keep, made, say, set, show } from "./dom.js";
import { tell } from "./talk.js";
import { counted, rightOf, sentence, verdict } from "./words.js";

let status = null;

export function showModel(found) {
  status = found;
  keep(at("model"), facts(), ([name]) => name, ([name]) => {
    const pair = made("div");
    pair.append(made("dt", name), made("dd", "", { dir: "auto" }));
    return pair;
  }, (pair, [, value]) => say(pair.lastChild, value));
  showJudged();
  const waits = status.state !== "probation";
  show(at("accept"), status.acceptable);
  say(at("accept"), waits ? "Use the new model anyway" : "Keep the new model");
  allow(at("adapt"), status.state === "watching");
  allow(at("rollback"), status.version.number > 0);
  say(at("pause"), status.paused ? "Go on training" : "Pause training");
}

function facts() {
  const { version, latency, latency_training: beside } = status;
  const verified = version.number === 0 ? "" : version.verified ? ", verified by labels" : ", not verified by labels";
  const found = [
    ["Answers", version.number === 0 ? "the model as it came" : `version ${version.number}: ${version.how}${verified}`],
    ["Answered", counted(status.answered, "image", "images")],
    ["One takes", latency.p50 === null ? "–" : `${latency.p50} ms, 95 % at most ${latency.p95} ms`],
    ...(beside.p50 === null ? [] : [["Beside a training", `${beside.p50} ms, 95 % at most ${beside.p95} ms`]]),
    ["Kept", `${counted(status.images, "image", "images")}, ${(status.image_bytes / 1e6).toFixed(1)} MB`],
    ["Training today", `${Math.round(status.joules_today).toLocaleString()} J`],
  ];
  return status.celsius === null ? found : [...found, ["Board", `${Math.round(status.celsius)} °C`]];
}

function showJudged() {
  const { judged } = status;
  show(at("judged"), judged !== null);
  if (judged === null) return;
  say(at("judged-verdict"), verdict(judged, status.versions));
  show(at("bars"), judged.images > 0);
  for (const [name, right] of [["before", judged.right_before], ["after", judged.right_after]]) {
    fill(at(name), right, judged.images);
    say(at(`${name}-words`), rightOf(right, judged.images));
  }
  show(at("trial"), status.state === "probation");
  fill(at("trial-bar"), status.trial_images, status.trial_wanted);
  say(at("trial-words"), `Watched for ${status.trial_images} of ${status.trial_wanted} images.`);
}

export function showJournal({ journal }) {
  const times = new Map();
  const entries = journal.map((entry) => {
    const name = `${entry.time} ${entry.what} ${entry.says}`;
    times.set(name, (times.get(name) ?? 0) + 1);
    return { ...entry, key: `${name} ${times.get(name)}` };
  });
  keep(at("journal"), entries.toReversed(), ({ key }) => key, (entry) => {
    const item = made("li");
    item.append(made("time", entry.time.slice(0, 16).replace("T", " "), { datetime: entry.time }));
    item.append(made("div", sentence(entry.says), { dir: "auto" }));
    return item;
  });
}

// Asks once more before what cannot be undone.
function sure(words, yes, then) {
  say(at("sure-words"), words);
  say(at("sure-yes"), yes);
  at("sure-yes").onclick = () => { at("sure").close(); then(); };
  at("sure").showModal();
  at("sure-no").focus();
}

function accept() {
  const go = () => send("/api/accept", undefined, "The new model is kept.");
  if (status.state === "probation") go();
  else sure("Labels do not say that the new model is better. Use it anyway? It is watched for a while.", "Use it", go);
}

function rollBack() {
  const words = `Version ${status.version.number} is given up for good, and the model before answers again.`;
  sure(words, "Go back", () => send("/api/rollback", undefined, "The model before answers."));
}

let send = () => {};

// `done` is told what came of it.
export function beginModel(done) {
  send = async (path, body, words) => {
    try {
      await tell(path, body);
      await done(words);
    } catch (error) {
      await done(error.message);
    }
  };
  const click = (id, what) => at(id).addEventListener("click", () => {
    if (status !== null && at(id).getAttribute("aria-disabled") !== "true") what();
  });
  click("accept", accept);
  click("rollback", rollBack);
  click("adapt", () => send("/api/adapt", undefined, "It learns as soon as it may."));
  click("pause", () => send("/api/pause", { paused: !status.paused }, status.paused ? "It may train again." : "Training is paused."));
  at("sure-no").addEventListener("click", () => at("sure").close());
}

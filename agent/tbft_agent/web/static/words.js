// What the agent says of itself, in words for people.

export const percent = (share) => `${Math.round(share * 100)}\u00a0%`;
export const counted = (count, one, many) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

const STATES = {
  watching: ["All is well", "The images look like those that the model knows."],
  drifted: ["Something changed", "It gets ready to learn."],
  asking: ["It needs your help", "Say what some images show, so that it can learn from them."],
  adapting: ["It is learning", "The model before goes on answering meanwhile."],
  proving: ["It is being checked", "What it learned is compared with the model that answers."],
  probation: ["A new model answers", "It is watched for a while; the one before is kept at hand."],
};
const CAUSES = {
  images: "The images look different from those that the model knows.",
  answers: "Labels say that its answers are wrong too often.",
  told: "Somebody wants it to learn.",
};
// Which of them somebody should look at, and in which it works.
const TONES = { drifted: "odd", asking: "odd", adapting: "busy", proving: "busy", probation: "busy" };

export function stateWords(status) {
  const [title, says] = STATES[status.state] ?? [status.state, ""];
  const cause = CAUSES[status.cause];
  const because = cause !== undefined && ["drifted", "asking"].includes(status.state) ? `${cause} ` : "";
  if (status.state !== "watching") return { title, says: because + says, tone: TONES[status.state] ?? "" };
  if (status.stuck) return { title: "It could not learn this", says: "What it learned was no better, or forgot too much. It goes on answering as before.", tone: "odd" };
  if (status.learning_normal) return { title: "It is getting to know this place", says: "It answers, and learns what is normal here.", tone: "busy" };
  const odd = isOdd(status.windows.at(-1));
  if (!odd && status.verifying) {
    return { title: "It is watching", says: "No label says yet that the new model is right: it asks about a few images.", tone: "" };
  }
  return odd ? { title: "It is watching", says: "The last images look unusual.", tone: "odd" } : { title, says, tone: "" };
}

export const isOdd = (window) => window !== undefined && window.distance !== null && window.distance > window.limit;

export function waiting(status) {
  const paused = status.paused ? "Training is paused. " : "";
  const waits = status.waits_for === null || status.paused ? "" : `It waits: ${status.waits_for}.`;
  const troubles = status.troubles.map((words) => ` ${sentence(words)}`).join("");
  return (paused + waits + troubles).trim();
}

const VERDICTS = {
  better: "Not verified: there are no labels yet that say whether it is better.",
  accepted: "Not verified by labels: somebody chose to use it.",
  undecided: "Not decided: there are too few labels to tell whether it is better.",
  "no better": "It is not used.",
};

export function verdict(judged, versions) {
  const made = `New model: ${judged.how}.`;
  const words = judged.verified
    ? "Verified: on labelled images that it never learned from it is right more often, by more than chance."
    : VERDICTS[judged.what] ?? "";
  const why = judged.what === "no better" ? ` ${sentence(judged.says)}` : "";
  const failed = versions.find((version) => version.number === judged.version)?.failed ?? null;
  return `${made} ${words}${why}${failed === null ? "" : ` It does not answer any more: ${failed}.`}`;
}

export const rightOf = (right, images) => `${right} of ${images} right (${percent(images === 0 ? 0 : right / images)})`;

export function sentence(words) {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

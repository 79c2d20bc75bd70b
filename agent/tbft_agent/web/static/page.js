// The page of the agent: asks how it is every two seconds, shows that, and tells it what people say.
import { beginAsking, showAsking } from "./asking.js";
import { at, say, set, show } from "./dom.js";
import { showDrift } from "./drift.js";
import { beginLately, showLately } from "./lately.js";
import { beginModel, showJournal, showModel } from "./model.js";
import { status as asked } from "./talk.js";
import { sentence, stateWords, waiting } from "./words.js";

const REFRESH_MS = 2000;
// It is asked less often while it does not answer.
const SLOWEST_MS = 10000;
let wait = REFRESH_MS;
let heard = null;
let timer = 0;
let newest = 0;

function showState(status) {
  const { title, says, tone } = stateWords(status);
  set(at("state"), "class", tone);
  say(at("state-title"), title);
  say(at("state-says"), says);
  say(at("waits"), waiting(status));
  show(at("waits"), waiting(status) !== "");
  document.title = `${title} – tbft-edge agent`;
}

async function refresh() {
  const mine = ++newest;
  try {
    const status = await asked();
    if (mine !== newest) return;
    [wait, heard] = [REFRESH_MS, new Date()];
    show(at("offline"), false);
    for (const part of [showState, showAsking, showLately, showDrift, showModel, showJournal]) part(status);
  } catch (error) {
    if (mine !== newest) return;
    wait = Math.min(2 * wait, SLOWEST_MS);
    const since = heard === null ? "" : ` This is how it was at ${heard.toLocaleTimeString()}.`;
    say(at("offline"), `${sentence(error.message)}${since} It is asked again.`);
    show(at("offline"), true);
  }
}

async function goOn() {
  clearTimeout(timer);
  if (!document.hidden) await refresh();
  timer = setTimeout(goOn, wait);
}

const note = (words) => say(at("said"), words);

beginAsking(note, refresh);
beginLately();
beginModel(async (words) => {
  note(words);
  await refresh();
});
document.addEventListener("visibilitychange", goOn);
goOn();

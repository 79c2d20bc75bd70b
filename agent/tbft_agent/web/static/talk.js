// What the page asks the agent, and tells it.

const PATIENCE_MS = 8000;

async function answered(path, options) {
  let answer;
  try {
    answer = await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new Error("The agent does not answer.");
  }
  if (!answer.ok) throw new Error((await answer.text()) || `The agent answered ${answer.status}.`);
  return answer.json();
}

export const status = () => answered("/api/status", {});

export function tell(path, body) {
  const given = body === undefined ? {} : { body: JSON.stringify(body) };
  return answered(path, { method: "POST", headers: { "X-TBFT-Edge": "1" }, ...given });
}

// WHIP and WHEP over HTTP for the clients beside this file. Knows nothing of WebRTC libraries.

import { readFileSync } from "node:fs";

const GATHER_S = 5;

/** Offers over HTTP and takes the answer; returns status, address and what was answered. */
export async function start(pc, url) {
  await pc.setLocalDescription(await pc.createOffer());
  await gathered(pc);
  const response = await fetch(url, {
    method: "POST",
    body: pc.localDescription.sdp,
    headers: { "Content-Type": "application/sdp" },
  });
  const answer = await response.text();
  if (response.status === 201) await pc.setRemoteDescription({ type: "answer", sdp: answer });
  return { status: response.status, address: new URL(response.headers.get("Location") ?? "/", url), answer };
}

/** Ends the transmission; returns the status. */
export async function end(address) {
  return (await fetch(address, { method: "DELETE" })).status;
}

/** A package and its installed version. */
export function named(name) {
  const path = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return `${name} ${JSON.parse(readFileSync(path, "utf8")).version}`;
}

/** Waits until a condition holds, or the time is over; returns whether it does. */
export async function until(condition, seconds) {
  const giveUp = Date.now() + seconds * 1000;
  while (!condition() && Date.now() < giveUp) await new Promise((done) => setTimeout(done, 20));
  return condition();
}

/** One line of JSON for the test; then the process ends, whatever a library still runs. */
export function tell(facts) {
  process.stdout.write(`${JSON.stringify(facts)}\n`, () => process.exit(0));
}

async function gathered(pc) {
  await until(() => pc.iceGatheringState === "complete", GATHER_S);
}

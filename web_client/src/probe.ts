// A data channel to the server and back: whether media could pass, how, and how fast. The same way as a call's, without
// its pictures. Knows nothing of the page.

import type { Api } from "./api.js";
import { IceEvidence, type IceFindings } from "./ice_evidence.js";
import { asProblem, type Problem } from "./problem.js";
import type { IceServer } from "./protocol.js";

/** A TURN server that is silent is given up by browsers after about 10 s. */
const GATHER_PATIENCE_MS = 12_000;
/** After the first usable candidate: time for the others, which are rarely needed. */
const GATHER_GRACE_MS = 300;
const CONNECT_PATIENCE_MS = 10_000;
const PINGS = 5;

export interface ProbeResult {
  readonly findings: IceFindings;
  /** Median round trip; null: nothing came back. */
  readonly rtt_ms: number | null;
  /** The candidate types of the pair that carried, for example "host → srflx". */
  readonly pair: string | null;
  /** What the server said instead of an answer. */
  readonly refusal: Problem | null;
}

/** Tries one way: `all` whatever these ICE servers offer, `relay` through the TURN server only. */
export async function probe(api: Api, iceServers: readonly IceServer[], policy: RTCIceTransportPolicy): Promise<ProbeResult> {
  const peer = new RTCPeerConnection({ iceServers: [...iceServers], iceTransportPolicy: policy });
  const evidence = new IceEvidence(peer);
  try {
    const channel = peer.createDataChannel("check");
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer, evidence, policy);
    if (evidence.findings.ways.length === 0) return { findings: evidence.findings, rtt_ms: null, pair: null, refusal: null };
    let answer: string;
    try {
      answer = await api.checkConnection(peer.localDescription?.sdp ?? "");
    } catch (error) {
      return { findings: evidence.findings, rtt_ms: null, pair: null, refusal: asProblem(error) };
    }
    await peer.setRemoteDescription({ type: "answer", sdp: answer });
    const rtt_ms = (await opened(channel)) ? await roundTrip(channel) : null;
    const pair = rtt_ms === null ? null : await carryingPair(peer);
    return { findings: evidence.findings, rtt_ms, pair, refusal: null };
  } finally {
    peer.close();
  }
}

/** Waits until the browser has looked everywhere, or has what it needs. */
function gathered(peer: RTCPeerConnection, evidence: IceEvidence, policy: RTCIceTransportPolicy): Promise<void> {
  return new Promise((resolve) => {
    const patience = window.setTimeout(resolve, GATHER_PATIENCE_MS);
    const look = (): void => {
      const wanted = policy === "relay" ? "relay" : "host";
      if (peer.iceGatheringState === "complete") resolve();
      else if (evidence.findings.ways.some((way) => way.type === wanted)) window.setTimeout(resolve, GATHER_GRACE_MS);
      else return;
      window.clearTimeout(patience);
    };
    peer.addEventListener("icegatheringstatechange", look);
    peer.addEventListener("icecandidate", look);
    look();
  });
}

function opened(channel: RTCDataChannel): Promise<boolean> {
  return new Promise((resolve) => {
    const patience = window.setTimeout(() => resolve(false), CONNECT_PATIENCE_MS);
    const done = (open: boolean): void => {
      window.clearTimeout(patience);
      resolve(open);
    };
    channel.addEventListener("open", () => done(true));
    channel.addEventListener("close", () => done(false));
    channel.addEventListener("error", () => done(false));
  });
}

async function roundTrip(channel: RTCDataChannel): Promise<number | null> {
  const times: number[] = [];
  for (let index = 0; index < PINGS; index++) {
    const begun_ms = performance.now();
    const back = await new Promise<boolean>((resolve) => {
      const word = `ping ${index}`;
      const patience = window.setTimeout(() => resolve(false), 2000);
      channel.addEventListener("message", (event) => {
        if (event.data !== word) return;
        window.clearTimeout(patience);
        resolve(true);
      });
      channel.send(word);
    });
    if (back) times.push(performance.now() - begun_ms);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)] ?? null;
}

async function carryingPair(peer: RTCPeerConnection): Promise<string | null> {
  const entries = new Map<string, Record<string, unknown>>();
  (await peer.getStats()).forEach((entry: Record<string, unknown>) => entries.set(String(entry["id"]), entry));
  for (const entry of entries.values()) {
    if (entry["type"] !== "candidate-pair" || entry["state"] !== "succeeded" || entry["nominated"] !== true) continue;
    const type = (end: unknown): string => String(entries.get(String(end))?.["candidateType"] ?? "?");
    return `${type(entry["localCandidateId"])} to ${type(entry["remoteCandidateId"])}`;
  }
  return null;
}

// Watches a session over WHEP: one POST, then pictures and voice until either side ends. Knows nothing of the page.

import { socketProtocols } from "../access.js";
import { Emitter } from "../events.js";
import { IceEvidence, whyNoWay } from "../ice_evidence.js";
import { NoticeSocket } from "../notice_socket.js";
import { asProblem, connectionLost, Problem, problemOfAnswer, unreachable } from "../problem.js";
import type { ServerConfig } from "../protocol.js";
import type { Layout } from "./painter.js";

const ANSWER_TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 15_000;
/** Addresses that are found later are not needed: the server's are in its answer, and it learns ours from our checks. */
const GATHERING_MS = 400;
const GRACE_MS = 4_000;

export interface WatcherEvents {
  stream: MediaStream;
  /** It is over. Comes once, unless `close` was called. */
  ended: Problem;
}

export class Watcher extends Emitter<WatcherEvents> {
  readonly peer: RTCPeerConnection;
  private readonly stream = new MediaStream();
  private readonly evidence: IceEvidence;
  private resource: URL | null = null;
  private timers: number[] = [];
  private grace = 0;
  private over = false;
  private connected = false;
  private notices: NoticeSocket | null = null;

  constructor(
    /** The WHEP endpoint. */
    private readonly endpoint: URL,
    /** The WebSocket that tells of the session's end. */
    private readonly notices_url: string,
    private readonly token: string | null,
    private readonly layout: Layout,
    private readonly config: ServerConfig,
  ) {
    super();
    const iceServers = [...config.ice_servers];
    this.peer = new RTCPeerConnection({ iceServers, iceTransportPolicy: config.ice_transport_policy, bundlePolicy: "max-bundle" });
    this.evidence = new IceEvidence(this.peer);
    this.peer.addTransceiver("audio", { direction: "recvonly" });
    this.peer.addTransceiver("video", { direction: "recvonly" });
    this.peer.addEventListener("track", this.onTrack);
    this.peer.addEventListener("connectionstatechange", this.onState);
  }

  /** Starts; throws a Problem. */
  async open(): Promise<void> {
    try {
      await this.peer.setLocalDescription(await this.peer.createOffer());
      await this.gathered();
      if (this.over) return;
      const answer = await this.post(this.peer.localDescription?.sdp ?? "");
      if (this.over) {
        this.leave();
        return;
      }
      this.notices = new NoticeSocket(this.notices_url, socketProtocols(this.token), (problem) => this.finish(problem));
      await this.peer.setRemoteDescription({ type: "answer", sdp: answer });
      this.timers.push(window.setTimeout(() => !this.connected && this.finish(this.noWay()), CONNECT_TIMEOUT_MS));
    } catch (error) {
      if (this.over) return;
      this.close();
      throw asProblem(error);
    }
  }

  /** Leaves, and tells the server so. Harmless when it is over. */
  close(): void {
    if (this.over) return;
    this.over = true;
    for (const timer of this.timers) window.clearTimeout(timer);
    window.clearTimeout(this.grace);
    this.peer.close();
    this.notices?.close();
    this.leave();
  }

  private async post(sdp: string): Promise<string> {
    const address = new URL(this.endpoint);
    if (this.layout !== "plain") address.searchParams.set("alpha", this.layout);
    const patience = new AbortController();
    const timer = window.setTimeout(() => patience.abort(), ANSWER_TIMEOUT_MS);
    try {
      const headers = { "Content-Type": "application/sdp", ...this.authorization() };
      const answer = await fetch(address, { method: "POST", headers, body: sdp, signal: patience.signal });
      if (!answer.ok) throw problemOfAnswer(answer.status, await answer.json().catch(() => null), answer.headers.get("Retry-After"));
      const location = answer.headers.get("Location");
      if (location !== null) this.resource = new URL(location, address);
      return await answer.text();
    } catch (error) {
      throw error instanceof Problem ? error : unreachable();
    } finally {
      window.clearTimeout(timer);
    }
  }

  private leave(): void {
    if (this.resource === null) return;
    void fetch(this.resource, { method: "DELETE", headers: this.authorization(), keepalive: true }).catch(() => undefined);
    this.resource = null;
  }

  private authorization(): Record<string, string> {
    return this.token === null ? {} : { Authorization: `Bearer ${this.token}` };
  }

  private gathered(): Promise<void> {
    if (this.peer.iceGatheringState === "complete") return Promise.resolve();
    return new Promise((done) => {
      this.timers.push(window.setTimeout(done, GATHERING_MS));
      this.peer.addEventListener("icegatheringstatechange", () => this.peer.iceGatheringState === "complete" && done());
    });
  }

  private noWay(): Problem {
    return whyNoWay(this.evidence.findings, this.config.ice_servers);
  }

  private readonly onTrack = (event: RTCTrackEvent): void => {
    // Browsers align lips and voice only within one stream.
    const stream = event.streams[0] ?? this.stream;
    if (!stream.getTracks().includes(event.track)) stream.addTrack(event.track);
    if ("jitterBufferTarget" in event.receiver) event.receiver.jitterBufferTarget = 0;
    this.emit("stream", stream);
  };

  private readonly onState = (): void => {
    window.clearTimeout(this.grace);
    const state = this.peer.connectionState;
    if (state === "connected") this.connected = true;
    else if (state === "disconnected") this.grace = window.setTimeout(() => this.finish(connectionLost()), GRACE_MS);
    else if (state === "failed") this.finish(this.connected ? connectionLost() : this.noWay());
    else if (state === "closed") this.finish(connectionLost());
  };

  private finish(problem: Problem): void {
    if (this.over) return;
    if (problem.code === "worker_lost") this.resource = null; // it is gone with its worker
    this.close();
    this.emit("ended", problem);
  }
}

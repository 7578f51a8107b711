// One call on the wire: the signalling WebSocket and the RTCPeerConnection of one session, until either ends.
// Knows nothing of avatars, microphones or the page; reconnecting means a new session, so that is not done here.

import { Emitter } from "./events.js";
import { IceEvidence, whyNoWay, type IceFindings } from "./ice_evidence.js";
import { applyHolds, type Holds } from "./lip_sync.js";
import { asProblem, connectionLost, Problem } from "./problem.js";
import {
  readServerMessage,
  type Alpha,
  type AvatarState,
  type Mood,
  type ByeReason,
  type ClientMessage,
  type IceServer,
  type ServerStats,
} from "./protocol.js";

/** From the answer until media flows. ICE itself gives up after about 15 s, and not in every browser. */
const CONNECT_TIMEOUT_MS = 15_000;
/** A lost path often comes back by itself: Wi-Fi roaming takes a few seconds. */
const DISCONNECTED_GRACE_MS = 5_000;
const PING_INTERVAL_MS = 5_000;
const MISSED_PINGS = 3;
/** Complaints about our offer: without an answer to it there is nothing to wait for. */
const REFUSALS = new Set(["bad_sdp", "no_codec", "negotiation_timeout", "ports_exhausted", "turn_unavailable"]);

export interface ConnectionEvents {
  stream: MediaStream;
  answered: void;
  connected: void;
  state: { readonly state: AvatarState; readonly epoch: number };
  mood: Mood;
  speaker: number;
  stats: ServerStats;
  /** The server complains; the call goes on. */
  problem: Problem;
  /** The call is over: null when that was wanted. Comes exactly once. */
  ended: Problem | null;
}

export class Connection extends Emitter<ConnectionEvents> {
  readonly peer: RTCPeerConnection;
  private readonly voice: RTCRtpSender;
  private readonly evidence: IceEvidence;
  private readonly stream = new MediaStream();
  private readonly offer: Promise<string>;
  private socket: WebSocket | null = null;
  private waiting: ClientMessage[] = [];
  private timers: number[] = [];
  private grace = 0;
  private unanswered = 0;
  private pings = 0;
  private wasConnected = false;
  private answered = false;
  private over = false;
  private complaint: Problem | null = null;

  /** Prepares the offer at once, so that it is ready when the session is. */
  constructor(
    private readonly iceServers: readonly IceServer[],
    iceTransportPolicy: RTCIceTransportPolicy = "all",
    private readonly alpha: Alpha | null = null,
  ) {
    super();
    this.peer = new RTCPeerConnection({ iceServers: [...iceServers], iceTransportPolicy, bundlePolicy: "max-bundle" });
    this.evidence = new IceEvidence(this.peer);
    this.voice = this.peer.addTransceiver("audio", { direction: "sendrecv" }).sender;
    this.peer.addTransceiver("video", { direction: "recvonly" });
    this.peer.addEventListener("track", this.onTrack);
    this.peer.addEventListener("icecandidate", this.onCandidate);
    this.peer.addEventListener("icegatheringstatechange", this.onGathering);
    this.peer.addEventListener("connectionstatechange", this.onConnectionState);
    this.offer = this.makeOffer();
    // `open` reports a failed offer; a call that is cancelled before must not leave an unhandled rejection.
    this.offer.catch(() => undefined);
  }

  /** Sends this track as the voice; null sends nothing. Works before and during the call. */
  async setVoice(track: MediaStreamTrack | null): Promise<void> {
    if (!this.over) await this.voice.replaceTrack(track);
  }

  /** Opens the signalling of a session and starts the call. What happens then comes as events. */
  open(signalUrl: string, protocols: string[] = []): void {
    if (this.over) return;
    const socket = new WebSocket(signalUrl, protocols);
    this.socket = socket;
    socket.addEventListener("open", () => void this.negotiate());
    socket.addEventListener("message", (event) => void this.onMessage(event));
    socket.addEventListener("close", () => this.finish((this.wasConnected ? null : this.complaint) ?? connectionLost()));
  }

  send(message: ClientMessage): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** What the browser found while it looked for a way to the server. */
  get findings(): IceFindings {
    return this.evidence.findings;
  }

  /** Lets the player hold a track back at least so long, for the other one's sake. */
  hold(holds: Holds): void {
    applyHolds(this.peer, holds);
  }

  /** Hangs up. */
  close(): void {
    this.send({ type: "bye" });
    this.finish(null);
  }

  private async makeOffer(): Promise<string> {
    const offer = await this.peer.createOffer();
    await this.peer.setLocalDescription(offer);
    return this.peer.localDescription?.sdp ?? offer.sdp ?? "";
  }

  private async negotiate(): Promise<void> {
    try {
      const sdp = await this.offer;
      this.send(this.alpha === null ? { type: "offer", sdp } : { type: "offer", sdp, alpha: this.alpha });
    } catch (error) {
      this.finish(asProblem(error));
      return;
    }
    // Candidates found before the socket was open follow the offer, in order.
    for (const message of this.waiting) this.send(message);
    this.waiting = [];
    this.timers.push(window.setInterval(this.ping, PING_INTERVAL_MS));
    this.timers.push(window.setTimeout(this.onConnectTimeout, CONNECT_TIMEOUT_MS));
  }

  private async onMessage(event: MessageEvent): Promise<void> {
    this.unanswered = 0;
    try {
      const message = readServerMessage(JSON.parse(String(event.data)));
      switch (message.type) {
        case "answer":
          this.answered = true;
          await this.peer.setRemoteDescription({ type: "answer", sdp: message.sdp });
          this.emit("answered", undefined);
          break;
        case "state":
          this.emit("state", { state: message.state, epoch: message.epoch });
          break;
        case "mood": {
          const { type: _, ...mood } = message;
          this.emit("mood", mood);
          break;
        }
        case "speaker":
          this.emit("speaker", message.person);
          break;
        case "stats":
          this.emit("stats", message);
          break;
        case "error":
          this.onComplaint(Problem.from(message.error));
          break;
        case "bye":
          this.finish(this.farewell(message.reason));
          break;
        case "pong":
          break;
      }
    } catch (error) {
      if (this.over) return;
      // A message that cannot be read is a defect somewhere, but no reason to end a call that runs.
      console.error(error);
      if (!this.wasConnected) this.finish(asProblem(error));
    }
  }

  private onComplaint(complaint: Problem): void {
    if (complaint.code === "connection_failed" && !this.wasConnected) {
      // Of a connection that never came about, this side knows more than the server; `bye` follows.
      this.complaint = this.noWay();
      return;
    }
    this.complaint = complaint;
    if (!this.answered && REFUSALS.has(complaint.code)) this.finish(complaint);
    else this.emit("problem", complaint);
  }

  private noWay(): Problem {
    return whyNoWay(this.evidence.findings, this.iceServers);
  }

  private farewell(reason: ByeReason): Problem | null {
    switch (reason) {
      case "client":
        return null;
      case "failed":
        return (
          this.complaint ??
          new Problem("call_failed", "The server had to end the call.", "Start it again; the server's log says why.")
        );
      case "expired":
        return new Problem("call_expired", "The call ended because nothing arrived for a while.", "Start it again.");
      case "shutdown":
        return new Problem("server_shutdown", "The server is shutting down or restarting.", "Start again in a moment.");
      case "deleted":
        return new Problem("call_deleted", "The call was ended on the server.", "Start it again if that was not meant.");
    }
  }

  private readonly onTrack = (event: RTCTrackEvent): void => {
    // Lip sync first: both tracks come in one stream of the sender, and the browser aligns only what shares a stream.
    const stream = event.streams[0] ?? this.stream;
    if (!stream.getTracks().includes(event.track)) stream.addTrack(event.track);
    // Ask for the smallest player buffer; the browser still adds what jitter and lip sync need.
    if ("jitterBufferTarget" in event.receiver) event.receiver.jitterBufferTarget = 0;
    this.emit("stream", stream);
  };

  private readonly onCandidate = (event: RTCPeerConnectionIceEvent): void => {
    const found = event.candidate;
    // An empty candidate ends one generation in some browsers; null, which follows, ends them all.
    if (found !== null && found.candidate === "") return;
    const candidate = found && {
      candidate: found.candidate,
      sdpMid: found.sdpMid,
      sdpMLineIndex: found.sdpMLineIndex,
    };
    const message: ClientMessage = { type: "candidate", candidate };
    if (this.timers.length > 0) this.send(message);
    else this.waiting.push(message);
  };

  private readonly onConnectionState = (): void => {
    window.clearTimeout(this.grace);
    switch (this.peer.connectionState) {
      case "connected":
        if (!this.wasConnected) {
          this.wasConnected = true;
          this.emit("connected", undefined);
        }
        break;
      case "disconnected":
        this.grace = window.setTimeout(() => this.finish(connectionLost()), DISCONNECTED_GRACE_MS);
        break;
      case "failed":
        this.finish(this.wasConnected ? connectionLost() : this.noWay());
        break;
      default:
        break;
    }
  };

  private readonly onGathering = (): void => {
    if (this.evidence.hopeless && this.socket !== null) this.finish(this.noWay());
  };

  private readonly onConnectTimeout = (): void => {
    if (!this.wasConnected) this.finish(this.noWay());
  };

  private readonly ping = (): void => {
    if (this.unanswered >= MISSED_PINGS) {
      this.finish(connectionLost());
      return;
    }
    this.unanswered += 1;
    this.pings += 1;
    this.send({ type: "ping", id: this.pings });
  };

  private finish(problem: Problem | null): void {
    if (this.over) return;
    this.over = true;
    for (const timer of this.timers) window.clearTimeout(timer);
    window.clearTimeout(this.grace);
    this.peer.close();
    this.socket?.close();
    this.emit("ended", problem);
  }
}

// AvatarClient: a live avatar in a <video> element of any page. Opens the session, sends a voice, plays picture and
// sound, and measures what the viewer sees. Knows nothing of this page's buttons.

import { socketProtocols } from "./access.js";
import { Api } from "./api.js";
import { assertCallsPossible, microphonePermission, openMicrophone } from "./audio.js";
import { Connection } from "./connection.js";
import { Emitter } from "./events.js";
import { FrameMeter } from "./frames.js";
import { asProblem, type Problem } from "./problem.js";
import type { Alpha, Avatar, AvatarState, Format, Mood, MoodChange, ServerConfig, ServerStats, Session } from "./protocol.js";
import { LipSync } from "./lip_sync.js";
import { readReport, type CallStats, type Totals } from "./stats.js";
import { emptyTimeline, type ClientStats, type Timeline } from "./timeline.js";

export type Phase = "idle" | "connecting" | "live";

export interface ClientOptions {
  /** Plays the avatar: picture and voice. */
  readonly video: HTMLVideoElement;
  /** Where the server lives; by default the folder of the page. */
  readonly baseUrl?: string | URL;
  /** A token, where the server asks for one: it is for anybody who can open the page, so let it be short-lived. */
  readonly token?: string | null;
}

export interface StartOptions {
  /**
   * The voice to send: any audio track (a voice agent's speech, for example), or null to send none. By default the
   * microphone is opened. The caller keeps its own track: the call works on a clone.
   */
  readonly voice?: MediaStreamTrack | null;
  /** Ask for transparency: see docs/obs.md for what the video then shows. */
  readonly alpha?: Alpha;
  /** A name under which others can watch the call, and a microphone or agent may take over the voice. */
  readonly show?: string;
  /** Who in a picture of several people speaks first, by number; see `Avatar.faces`. */
  readonly speaker?: number;
  /** Cut the picture to this shape; by default what the server's settings say. */
  readonly format?: Format;
  /** When the person asked for the call, on the clock of `performance.now()`; by default now. */
  readonly clicked_ms?: number;
}

export interface ClientEvents {
  phase: Phase;
  /** What the avatar does. */
  state: { readonly state: AvatarState; readonly epoch: number };
  /** Somebody, perhaps this page, has set how the avatar is to be. */
  mood: Mood;
  /** Somebody, perhaps this page, has chosen who in the picture speaks. */
  speaker: number;
  /** The first frame is on screen, this many milliseconds after the click. */
  firstframe: number;
  /** Once a second during a call. */
  stats: ClientStats;
  /** Something went wrong. `fatal`: the call is over (or never began). */
  problem: { readonly problem: Problem; readonly fatal: boolean };
  /** The browser refused to play sound without a click: call `unmuteSpeaker()` from one. */
  soundblocked: void;
}

const SAMPLE_INTERVAL_MS = 1000;
/** Settings hold a password for the TURN server that expires. */
const SETTINGS_FRESH_MS = 60_000;
/** Two hours of A/V samples. */
const OFFSETS_KEPT = 7200;

export class AvatarClient extends Emitter<ClientEvents> {
  readonly api: Api;
  readonly video: HTMLVideoElement;
  phase: Phase = "idle";
  state: AvatarState = "idle";
  epoch = 0;
  muted = false;
  session: Session | null = null;
  /** Times of the running or last call, milliseconds after the click. */
  timeline: Timeline = emptyTimeline();

  private config: Promise<ServerConfig> | null = null;
  private configAsked_ms = 0;
  private connection: Connection | null = null;
  private voice: MediaStreamTrack | null = null;
  private frames: FrameMeter | null = null;
  private sampler = 0;
  private totals: Totals | null = null;
  private call: CallStats | null = null;
  private server: ServerStats | null = null;
  private offsets: number[] = [];
  private lipSync = new LipSync();
  /** Counts calls: what belongs to an older one is thrown away. */
  private turn = 0;

  constructor(options: ClientOptions) {
    super();
    this.video = options.video;
    this.api = new Api(new URL(options.baseUrl ?? ".", document.baseURI), options.token ?? null);
  }

  /** The server's settings, asked once a minute at most. */
  settings(): Promise<ServerConfig> {
    const now_ms = performance.now();
    if (now_ms - this.configAsked_ms > SETTINGS_FRESH_MS) this.config = null;
    if (this.config === null) this.configAsked_ms = now_ms;
    this.config ??= this.api.config().catch((error: unknown) => {
      this.config = null;
      throw error;
    });
    return this.config;
  }

  avatars(): Promise<Avatar[]> {
    return this.api.avatars();
  }

  /**
   * Starts a call; resolves when the server has been asked for media. Rejects with a Problem, which is also announced
   * as a `problem` event. A call that runs already is ended first.
   */
  async start(avatarId: string, options: StartOptions = {}): Promise<void> {
    const turn = ++this.turn;
    this.hangUp();
    const clicked_ms = options.clicked_ms ?? performance.now();
    this.timeline = { ...emptyTimeline(), clicked_ms };
    this.totals = this.call = this.server = null;
    this.offsets = [];
    this.lipSync = new LipSync();
    this.setPhase("connecting");
    try {
      assertCallsPossible();
      const settings = this.settings();
      const voice = this.obtainVoice(options.voice);
      voice.catch(() => undefined);
      // While the browser still asks for permission, no place on the server is taken.
      if (options.voice === undefined && (await microphonePermission()) !== "granted") await voice;
      const opening = this.openSession(avatarId, options, turn);
      opening.catch(() => undefined);
      // The offer is made while the server opens the session.
      const config = await settings;
      if (turn === this.turn) this.prepare(config, turn, options.alpha ?? null);
      const session = await opening;
      if (turn !== this.turn || session === null) return;
      this.session = session;
      this.mark("session_ms");
      this.connection?.open(this.api.signalUrl(session), socketProtocols(this.api.token));
      const track = await voice;
      if (turn !== this.turn) track?.stop();
      else await this.adoptVoice(track);
    } catch (error) {
      if (turn !== this.turn) return;
      const problem = asProblem(error);
      this.fail(problem);
      throw problem;
    }
  }

  /** Hangs up. Harmless when no call runs. */
  stop(): void {
    this.turn += 1;
    this.hangUp();
    this.setPhase("idle");
  }

  /** Sends silence while on. */
  mute(on: boolean): void {
    this.muted = on;
    if (this.voice !== null) this.voice.enabled = !on;
  }

  /** The avatar stops speaking at once. */
  interrupt(): void {
    this.connection?.send({ type: "interrupt" });
  }

  /** Somebody else speaks to the avatar: while on, it listens. */
  attend(on: boolean): void {
    this.connection?.send({ type: "attend", on });
  }

  /** The avatar is to be another way: an emotion and its strength, a preset, or as its voice sounds. */
  setMood(change: MoodChange): void {
    this.connection?.send({ type: "mood", ...change });
  }

  /** Somebody else in the picture speaks from now on, by number; see `Session.faces`. */
  setSpeaker(person: number): void {
    this.connection?.send({ type: "speaker", person });
  }

  /** Changes the voice in the middle of a call, to another microphone for example. */
  async setVoice(track: MediaStreamTrack | null): Promise<void> {
    if (this.connection !== null) await this.adoptVoice(track === null ? null : track.clone());
  }

  /** Whether the avatar's voice is heard here. */
  speaker(on: boolean): void {
    this.video.muted = !on;
    if (on && this.video.srcObject !== null) void this.play();
  }

  /** What is known at this moment, without waiting. */
  stats(): ClientStats {
    const log = this.frames?.log;
    return {
      phase: this.phase,
      state: this.state,
      epoch: this.epoch,
      first_frame_ms: this.timeline.first_frame_ms,
      fps: log?.fps(performance.now()) ?? 0,
      frames_total: log?.total ?? 0,
      freezes: log?.freezes ?? 0,
      longest_gap_ms: log?.longest_gap_ms ?? 0,
      av_offset_ms: [...this.offsets],
      call: this.call,
      server: this.server,
    };
  }

  private async obtainVoice(given: MediaStreamTrack | null | undefined): Promise<MediaStreamTrack | null> {
    if (given === undefined) return openMicrophone(null);
    return given === null ? null : given.clone();
  }

  private async openSession(avatarId: string, wanted: StartOptions, turn: number): Promise<Session | null> {
    const { show, speaker, format } = wanted;
    const session = await this.api.openSession(avatarId, show ?? null, speaker ?? 0, format ?? null);
    if (turn === this.turn) return session;
    // Hung up while the server was still answering: give the place back.
    void this.api.closeSession(session.id);
    return null;
  }

  private prepare(config: ServerConfig, turn: number, alpha: Alpha | null): void {
    const connection = new Connection(config.ice_servers, config.ice_transport_policy, alpha);
    this.connection = connection;
    this.frames?.close();
    this.frames = new FrameMeter(this.video, (time_ms) => this.onFirstFrame(time_ms));
    connection.on("stream", (stream) => this.onStream(stream));
    connection.on("answered", () => this.mark("answer_ms"));
    connection.on("connected", () => this.mark("connected_ms"));
    connection.on("state", ({ state, epoch }) => {
      this.state = state;
      this.epoch = epoch;
      this.emit("state", { state, epoch });
    });
    connection.on("mood", (mood) => this.emit("mood", mood));
    connection.on("speaker", (person) => this.emit("speaker", person));
    connection.on("stats", (stats) => (this.server = stats));
    connection.on("problem", (problem) => this.emit("problem", { problem, fatal: false }));
    connection.on("ended", (problem) => {
      if (turn !== this.turn) return;
      if (problem === null) this.stop();
      else this.fail(problem);
    });
    this.sampler = window.setInterval(() => void this.sample(connection), SAMPLE_INTERVAL_MS);
  }

  private async adoptVoice(track: MediaStreamTrack | null): Promise<void> {
    this.voice?.stop();
    this.voice = track;
    if (track !== null) track.enabled = !this.muted;
    await this.connection?.setVoice(track);
  }

  private onStream(stream: MediaStream): void {
    if (this.video.srcObject === stream) return;
    this.video.srcObject = stream;
    this.video.playsInline = true;
    void this.play();
  }

  private async play(): Promise<void> {
    try {
      await this.video.play();
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError" || this.video.muted) return;
      this.video.muted = true;
      this.emit("soundblocked", undefined);
      await this.video.play().catch(() => undefined);
    }
  }

  private onFirstFrame(time_ms: number): void {
    this.timeline.first_frame_ms = Math.max(0, time_ms - this.timeline.clicked_ms);
    this.setPhase("live");
    this.emit("firstframe", this.timeline.first_frame_ms);
  }

  private async sample(connection: Connection): Promise<void> {
    const report = await connection.peer.getStats().catch(() => null);
    if (report === null || connection !== this.connection) return;
    const entries: Record<string, unknown>[] = [];
    report.forEach((entry) => entries.push(entry as Record<string, unknown>));
    const { stats, totals } = readReport(entries, performance.now(), this.totals);
    this.totals = totals;
    this.call = stats;
    connection.hold(this.lipSync.read(entries, stats.av_offset_ms));
    if (stats.av_offset_ms !== null) this.offsets.push(stats.av_offset_ms);
    if (this.offsets.length > OFFSETS_KEPT) this.offsets.shift();
    this.emit("stats", this.stats());
  }

  private mark(name: "session_ms" | "answer_ms" | "connected_ms"): void {
    this.timeline[name] ??= performance.now() - this.timeline.clicked_ms;
  }

  private fail(problem: Problem): void {
    this.turn += 1;
    this.hangUp();
    this.setPhase("idle");
    this.emit("problem", { problem, fatal: true });
  }

  /** Frees what a call holds; the numbers of the call stay readable. */
  private hangUp(): void {
    window.clearInterval(this.sampler);
    const connection = this.connection;
    this.connection = null;
    connection?.close();
    this.frames?.close();
    this.voice?.stop();
    this.voice = null;
    this.session = null;
    this.video.srcObject = null;
    this.state = "idle";
    this.epoch = 0;
  }

  private setPhase(phase: Phase): void {
    if (this.phase === phase) return;
    this.phase = phase;
    this.emit("phase", phase);
  }
}

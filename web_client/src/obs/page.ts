// The OBS page: one avatar on a canvas, for hours, with nobody who presses a button. Opens a source, draws what comes,
// and begins again when it ends. Says what is wrong on the console, in the debug box, and before the first picture.

import { openMicrophone } from "../audio.js";
import { asProblem, Problem } from "../problem.js";
import type { CallStats } from "../stats.js";
import { DebugBox, type Fact } from "./debug_box.js";
import { delayOf, ServerClock, shownAfter_ms, Steady, type Delay } from "./delay.js";
import type { Options } from "./options.js";
import { openPainter, type Layout, type Painter } from "./painter.js";
import { nextTry_s } from "./patience.js";
import { Sources, type Source } from "./sources.js";

/** The server sends 25 pictures a second, whether anybody speaks or not. */
const STILL_MS = 4_000;
const FIRST_PICTURE_MS = 20_000;
/** After so long a time with pictures, the next failure is a first one again. */
const SETTLED_MS = 5_000;
const LOOK_MS = 1_000;

export interface ObsStats {
  readonly phase: "connecting" | "live" | "waiting";
  readonly what: string;
  readonly layout: Layout;
  readonly painter: string;
  readonly frames: number;
  readonly connections: number;
  readonly sound: "muted" | "on" | "blocked";
  readonly microphone: string;
  readonly delay: Delay;
  /** The number to type into OBS. */
  readonly sync_offset_ms: number | null;
  readonly problems: DebugBox["problems"];
  readonly call: CallStats | null;
}

export class ObsPage {
  private readonly sources: Sources;
  private readonly debug: DebugBox;
  private readonly clock = new ServerClock();
  private readonly steady = new Steady();
  private painter: Painter;
  private layout: Layout;
  private source: Source | null = null;
  private give_up: (problem: Problem) => void = () => undefined;
  private voice: MediaStreamTrack | null = null;
  private microphone = "not asked for";
  private sound: ObsStats["sound"];
  private frames = 0;
  private connections = 0;
  private attempt = 0;
  private moved = false;
  private opened_ms = 0;
  private shown_ms = 0;
  private lost_ms: number | null = null;
  private call: CallStats | null = null;
  private delay: Delay = delayOf(null, null, null);
  private wake: () => void = () => undefined;

  constructor(
    private readonly options: Options,
    problems: readonly Problem[],
    private readonly video: HTMLVideoElement,
    private readonly message: HTMLElement,
    debug: HTMLElement,
    private readonly badge: HTMLElement,
  ) {
    this.sources = new Sources(options, video);
    this.debug = new DebugBox(debug, options.debug);
    this.layout = options.background.kind === "photo" ? "plain" : "side-by-side";
    this.sound = options.muted ? "muted" : "on";
    this.painter = this.mount(openPainter(options.webgl));
    for (const problem of problems) this.complain(problem);
  }

  stats(): ObsStats {
    return {
      phase: this.source === null ? "waiting" : this.shown_ms > this.opened_ms ? "live" : "connecting",
      what: this.source?.what ?? "",
      layout: this.layout,
      painter: this.painter.name,
      frames: this.frames,
      connections: this.connections,
      sound: this.sound,
      microphone: this.microphone,
      delay: this.delay,
      sync_offset_ms: this.steady.middle === null ? null : Math.round(this.steady.middle),
      problems: [...this.debug.problems],
      call: this.call,
    };
  }

  /** Never ends. */
  async run(): Promise<never> {
    this.dress();
    this.video.muted = this.options.muted;
    this.video.addEventListener("loadedmetadata", () => void this.play());
    window.setInterval(() => void this.look(), LOOK_MS);
    window.addEventListener("online", () => this.wake());
    window.addEventListener("pagehide", () => this.source?.close());
    document.addEventListener("visibilitychange", () => (this.shown_ms = Math.max(this.shown_ms, performance.now())));
    navigator.mediaDevices?.addEventListener("devicechange", () => this.onDevices());
    this.awaitFrame();
    for (;;) {
      const problem = await this.once();
      this.lost_ms ??= performance.now();
      if (problem.code === "alpha_unavailable") this.layout = "plain";
      this.complain(problem);
      if (problem.code === "worker_lost") this.moved = true;
      const wait_s = problem.code === "alpha_unavailable" ? 0 : nextTry_s(problem, this.attempt, Math.random(), this.moved);
      this.attempt += 1;
      await new Promise<void>((done) => {
        this.wake = done;
        window.setTimeout(done, wait_s * 1000);
      });
    }
  }

  /** One source, from opening it to why it ended. */
  private async once(): Promise<Problem> {
    try {
      await this.listen();
      this.opened_ms = performance.now();
      const source = await this.sources.open(this.layout, this.voice);
      this.connections += 1;
      this.source = source;
      this.opened_ms = performance.now();
      return await Promise.race([source.ended, new Promise<Problem>((done) => (this.give_up = done))]);
    } catch (error) {
      return asProblem(error);
    } finally {
      this.source?.close();
      this.source = null;
      this.call = null;
    }
  }

  /** Opens the microphone if the page is to speak; without one the avatar is there all the same, and idles. */
  private async listen(): Promise<void> {
    if (!this.options.mic || this.options.watch !== null || this.options.avatar === null) return;
    if (this.voice !== null && this.voice.readyState === "live") return;
    this.voice = null;
    try {
      const voice = await openMicrophone(null);
      this.voice = voice;
      this.microphone = voice.label || "open";
      voice.addEventListener("ended", () => this.give_up(new Problem("microphone_lost", "The microphone was unplugged.", "Plug it in again.")));
    } catch (error) {
      const problem = asProblem(error);
      this.microphone = `none (${problem.code})`;
      const remedy = `${problem.remedy} OBS gives its browser sources a microphone only when started with --enable-media-stream. ` +
        "Else speak over WHIP (add mic=0&show=NAME), or watch a call that runs in a browser.";
      this.complain(new Problem(problem.code, `${problem.message} The avatar idles.`, remedy));
    }
  }

  private onDevices(): void {
    if (this.options.mic && this.source !== null && this.voice === null && this.options.watch === null) {
      this.give_up(new Problem("devices_changed", "A sound device came or went.", "The page tries the microphone again."));
    }
  }

  private async play(): Promise<void> {
    try {
      await this.video.play();
      if (!this.options.muted && !this.video.muted) this.sound = "on";
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError" || this.video.muted) return;
      this.video.muted = true;
      this.sound = "blocked";
      this.complain(new Problem("sound_blocked", "This browser plays no sound before a click.", "OBS does; elsewhere, click into the page."));
      window.addEventListener("pointerdown", () => {
        this.video.muted = this.options.muted;
        void this.play();
      }, { once: true });
      await this.video.play().catch(() => undefined);
    }
  }

  private awaitFrame(): void {
    const next = (): void => {
      this.draw();
      this.awaitFrame();
    };
    if (typeof this.video.requestVideoFrameCallback === "function") this.video.requestVideoFrameCallback(next);
    else window.requestAnimationFrame(next);
  }

  private draw(): void {
    if (this.source === null || this.video.videoWidth === 0 || this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    if (!this.painter.draw(this.video, this.layout)) {
      this.complain(new Problem("painter_lost", "The graphics card was lost.", "Another way to draw is used."));
      this.painter = this.mount(openPainter(this.options.webgl), this.painter);
      if (!this.painter.draw(this.video, this.layout)) return;
    }
    this.frames += 1;
    this.shown_ms = performance.now();
    this.lost_ms = null;
    this.painter.canvas.className = "";
    this.message.hidden = true;
    this.badge.hidden = !this.options.badge;
    if (this.attempt > 0 && this.shown_ms - this.opened_ms > SETTLED_MS) {
      this.attempt = 0;
      this.moved = false;
    }
  }

  private mount(painter: Painter, before?: Painter): Painter {
    if (before === undefined) document.body.prepend(painter.canvas);
    else before.canvas.replaceWith(painter.canvas);
    painter.canvas.style.objectFit = this.options.fit;
    // A bust that is cut off by its picture's lower edge must stand on the source's, not float above it.
    if (this.options.fit === "contain") painter.canvas.style.objectPosition = "50% 100%";
    return painter;
  }

  /** Once a second: is anything still moving, and what does the debug box say. */
  private async look(): Promise<void> {
    const now_ms = performance.now();
    if (this.lost_ms !== null && this.frames > 0 && now_ms - this.lost_ms > 1000 * this.options.hold_s) {
      this.painter.canvas.className = "gone";
      this.badge.hidden = true;
    }
    const { source } = this;
    if (source !== null) {
      const waited_ms = now_ms - Math.max(this.opened_ms, this.shown_ms);
      const patience_ms = this.shown_ms > this.opened_ms ? STILL_MS : FIRST_PICTURE_MS;
      if (!document.hidden && waited_ms > patience_ms) {
        this.give_up(new Problem("picture_stopped", "No pictures come any more.", "The page connects anew."));
      }
      await this.measure(source).catch(() => undefined);
    }
    this.debug.show(this.facts());
  }

  private async measure(source: Source): Promise<void> {
    const call = await source.stats();
    if (source !== this.source) return;
    this.call = call;
    const asked_ms = Date.now();
    const show = await this.sources.api.watched(source.id);
    this.clock.note(asked_ms, Date.now(), show.time_ms);
    if (source !== this.source) return;
    this.delay = delayOf(show.speech_to_lips_ms.p50, shownAfter_ms(call?.behind_ms ?? null, this.clock.ahead_ms), call);
    if (this.delay.total_ms !== null) this.steady.add(this.delay.total_ms);
  }

  private facts(): Fact[] {
    const { call, delay } = this;
    const ms = (value: number | null | undefined): string => (value == null ? "?" : `${Math.round(value)} ms`);
    const stats = this.stats();
    const offset = stats.sync_offset_ms === null ? "not known yet: speak for a few seconds" : `${stats.sync_offset_ms} ms`;
    return [
      { name: "visavis", value: `${stats.phase} · ${stats.what || "nothing"} · connection ${stats.connections}` },
      { name: "picture", value: `${this.painter.canvas.width}×${this.painter.canvas.height}, ${stats.layout}, ${stats.painter}, ${call?.fps?.toFixed(1) ?? "?"} fps` },
      { name: "received", value: `${call?.codec ?? "?"} ${Math.round(call?.bitrate_kbps ?? 0)} kbit/s, lost ${(100 * (call?.loss ?? 0)).toFixed(1)} %` },
      { name: "sound", value: `${stats.sound}, lips ahead of voice ${ms(call?.av_offset_ms)}` },
      { name: "microphone", value: stats.microphone },
      { name: "sync offset", value: `${offset} (way in ${ms(delay.up_ms)}, server ${ms(delay.server_ms)}, way out ${ms(delay.down_ms)})` },
    ];
  }

  private dress(): void {
    const { background } = this.options;
    if (background.kind === "colour") document.body.style.backgroundColor = background.colour;
    if (background.kind !== "image") return;
    const image = new Image();
    image.onload = () => (document.body.style.backgroundImage = `url("${CSS.escape(background.url)}")`);
    image.onerror = () => this.complain(new Problem("bad_image", "The background image cannot be loaded.", "Check its address, and that it is an image."));
    image.src = background.url;
  }

  /** On the console and in the debug box always; to be seen only as long as there is nothing else to see. */
  private complain(problem: Problem): void {
    this.debug.note(problem);
    if (this.frames > 0) return;
    this.message.textContent = `${problem.message} ${problem.remedy}`;
    this.message.dataset["code"] = problem.code;
    this.message.hidden = false;
  }
}

// Where the pictures come from: a session that runs, an idle one of our own, or a call with this browser's microphone.
// Each is opened once and ends once; whoever opens decides whether to try again. Knows nothing of drawing.

import { Api } from "../api.js";
import { AvatarClient } from "../client.js";
import { applyHolds, LipSync } from "../lip_sync.js";
import { asProblem, connectionLost, type Problem } from "../problem.js";
import { readReport, type CallStats, type Totals } from "../stats.js";
import { nothingToShow, type Options } from "./options.js";
import type { Layout } from "./painter.js";
import { Watcher } from "./whep.js";

export interface Source {
  /** For people. */
  readonly what: string;
  /** Under which the server knows the session. */
  readonly id: string;
  readonly ended: Promise<Problem>;
  stats(): Promise<CallStats | null>;
  close(): void;
}

export class Sources {
  readonly api: Api;

  constructor(
    private readonly options: Options,
    private readonly video: HTMLVideoElement,
  ) {
    this.api = new Api(new URL(".", document.baseURI), options.token);
  }

  /** Throws a Problem. `voice`: the microphone, if there is one. */
  async open(layout: Layout, voice: MediaStreamTrack | null): Promise<Source> {
    const { watch, avatar, show } = this.options;
    if (watch !== null) return this.watch(this.endpoint(watch), watch, `watching ${watch}`, layout);
    if (avatar === null) throw nothingToShow();
    if (voice !== null) return this.call(avatar, layout, voice);
    if (show !== null) {
      try {
        return await this.watch(this.endpoint(show), show, `watching ${show}`, layout);
      } catch (error) {
        if (asProblem(error).code !== "no_such_session") throw error;
      }
    }
    return this.idle(avatar, show, layout);
  }

  private endpoint(id: string): URL {
    return new URL(`whep/${encodeURIComponent(id)}`, this.api.base);
  }

  /** `notices`: where its end is told. */
  private async watch(
    endpoint: URL, id: string, what: string, layout: Layout, notices = this.api.eventsUrl(id),
  ): Promise<Source> {
    const config = await this.api.config();
    const watcher = new Watcher(endpoint, notices, this.options.token, layout, config);
    const ended = new Promise<Problem>((done) => watcher.on("ended", done));
    watcher.on("stream", (stream) => {
      if (this.video.srcObject !== stream) this.video.srcObject = stream;
    });
    await watcher.open();
    let totals: Totals | null = null;
    const lipSync = new LipSync();
    return {
      what, id, ended,
      stats: async () => {
        const report = await watcher.peer.getStats();
        const entries: Record<string, unknown>[] = [];
        report.forEach((entry) => entries.push(entry as Record<string, unknown>));
        const read = readReport(entries, performance.now(), totals);
        totals = read.totals;
        applyHolds(watcher.peer, lipSync.read(entries, read.stats.av_offset_ms));
        return read.stats;
      },
      close: () => watcher.close(),
    };
  }

  /** A session of our own in which nobody speaks, until a voice comes under the show's name. */
  private async idle(avatar: string, show: string | null, layout: Layout): Promise<Source> {
    const session = await this.api.openSession(avatar, show);
    const forget = (): void => {
      // A show stays for a moment, so that a reloaded page finds it and whoever speaks for it goes on.
      if (show === null) void this.end(session.id);
    };
    try {
      // A session that nobody else knows of ends with the WebSocket of its page, however that goes away.
      const notices = show === null ? this.api.signalUrl(session) : this.api.eventsUrl(show);
      const endpoint = new URL(session.whep_url, this.api.base);
      const source = await this.watch(endpoint, session.id, `${avatar}, ${show ?? "no voice"}`, layout, notices);
      return {
        ...source,
        close: () => {
          source.close();
          forget();
        },
      };
    } catch (error) {
      forget();
      throw error;
    }
  }

  private async end(id: string): Promise<void> {
    const headers: Record<string, string> = this.options.token === null ? {} : { Authorization: `Bearer ${this.options.token}` };
    await fetch(this.api.url(`v1/sessions/${encodeURIComponent(id)}`), { method: "DELETE", headers, keepalive: true }).catch(() => undefined);
  }

  private async call(avatar: string, layout: Layout, voice: MediaStreamTrack): Promise<Source> {
    const client = new AvatarClient({ video: this.video, token: this.options.token });
    client.speaker(!this.options.muted);
    let finish: (problem: Problem) => void = () => undefined;
    const ended = new Promise<Problem>((done) => (finish = done));
    client.on("problem", ({ problem, fatal }) => {
      if (fatal || problem.code === "alpha_unavailable") finish(problem);
      else console.warn("visavis:", problem.code, problem.message);
    });
    // Its only end without a problem is one that somebody else asked for.
    client.on("phase", (phase) => phase === "idle" && window.setTimeout(() => finish(connectionLost())));
    const { show } = this.options;
    await client.start(avatar, { voice, ...(layout === "plain" ? {} : { alpha: layout }), ...(show === null ? {} : { show }) });
    return {
      what: `${avatar}, this browser's microphone${show === null ? "" : `, as ${show}`}`,
      id: client.session?.id ?? "",
      ended,
      stats: async () => client.stats().call,
      close: () => client.stop(),
    };
  }
}

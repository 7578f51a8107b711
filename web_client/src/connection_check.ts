// "Check my connection": what a call needs, tried for real one after another, each with a finding and what to do.
// Knows nothing of how it is shown.

import type { Api } from "./api.js";
import { openMicrophone } from "./audio.js";
import { hasTurn, whyNoWay, type IceFindings } from "./ice_evidence.js";
import { asProblem, insecureContext, noCodec, Problem, unsupportedBrowser } from "./problem.js";
import { probe, type ProbeResult } from "./probe.js";
import type { ServerConfig } from "./protocol.js";

export type Outcome = "ok" | "warning" | "failed" | "skipped";

export interface Finding {
  readonly outcome: Outcome;
  /** One sentence for people. */
  readonly words: string;
  /** What to do; null if nothing. */
  readonly remedy: string | null;
  /** Stable, for programs; null if all is well. */
  readonly code: string | null;
  /** For whoever helps: no address of the person, no passwords. */
  readonly detail: string | null;
}

export interface Check {
  readonly id: string;
  readonly title: string;
  run(): Promise<Finding>;
}

const SOCKET_PATIENCE_MS = 6_000;
const SLOW_RTT_MS = 300;

function ok(words: string, detail: string | null = null): Finding {
  return { outcome: "ok", words, remedy: null, code: null, detail };
}

function skipped(words: string): Finding {
  return { outcome: "skipped", words, remedy: null, code: null, detail: null };
}

function troubled(problem: Problem, outcome: "warning" | "failed" = "failed", detail: string | null = null): Finding {
  return { outcome, words: problem.message, remedy: problem.remedy, code: problem.code, detail };
}

/** All checks of one run, in order; later ones use what earlier ones found. */
export class ConnectionCheck {
  readonly checks: readonly Check[] = [
    { id: "secure", title: "Secure page", run: async () => this.secure() },
    { id: "browser", title: "This browser", run: async () => this.browser() },
    { id: "microphone", title: "Microphone", run: () => this.microphone() },
    { id: "server", title: "Server", run: () => this.server() },
    { id: "signalling", title: "Live connection", run: () => this.signalling() },
    { id: "direct", title: "Picture and sound, directly", run: () => this.direct() },
    { id: "relay", title: "Picture and sound, by relay", run: () => this.relay() },
  ];
  private config: ServerConfig | null = null;
  private directly: ProbeResult | null = null;

  constructor(private readonly api: Api) {}

  private secure(): Finding {
    if (!window.isSecureContext) return troubled(insecureContext());
    return ok(location.protocol === "https:" ? "It came over HTTPS." : "It came from this machine itself.");
  }

  private browser(): Finding {
    if (typeof RTCPeerConnection === "undefined" || typeof WebSocket === "undefined") return troubled(unsupportedBrowser());
    const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs.map((codec) => codec.mimeType.toLowerCase()) ?? [];
    const h264 = codecs.includes("video/h264");
    const vp8 = codecs.includes("video/vp8");
    const detail = [...new Set(codecs.map((codec) => codec.replace("video/", "")))].join(", ");
    if (!h264 && !vp8) return troubled(noCodec(), "failed", detail);
    return ok(h264 ? "It can make video calls." : "It can make video calls: with VP8, for it lacks H.264.", detail);
  }

  private async microphone(): Promise<Finding> {
    if (!window.isSecureContext) return skipped("Needs a secure page.");
    try {
      const track = await openMicrophone(null);
      const label = track.label;
      const silenced = track.muted;
      track.stop();
      if (!silenced) return ok(label === "" ? "It works." : `${label} works.`);
      const muted = new Problem(
        "microphone_muted",
        "The microphone is switched off outside the browser.",
        "Look for a mute key on the keyboard or headset, and in the system's sound settings.",
      );
      return troubled(muted, "warning");
    } catch (error) {
      return troubled(asProblem(error));
    }
  }

  private async server(): Promise<Finding> {
    try {
      const begun_ms = performance.now();
      const health = await this.api.health();
      const took_ms = Math.round(performance.now() - begun_ms);
      this.config = await this.api.config();
      const detail = `visavis ${this.config.version}, ${health.sessions} of ${health.capacity} places taken, ${took_ms} ms`;
      if (health.sessions < health.capacity) return ok(`It answers in ${took_ms} ms.`, detail);
      const full = new Problem("server_full", "Every place on the server is taken just now.", "Wait until somebody hangs up.");
      return troubled(full, "warning", detail);
    } catch (error) {
      return troubled(asProblem(error));
    }
  }

  /** A WebSocket to a session that cannot exist: being told so takes one that works, and no place on the server. */
  private async signalling(): Promise<Finding> {
    if (this.config === null) return skipped("Needs the server.");
    const url = this.api.socketUrl("v1/sessions/connection-check/signal");
    const heard = await new Promise<boolean>((resolve) => {
      const socket = new WebSocket(url);
      const done = (came: boolean): void => {
        window.clearTimeout(patience);
        socket.close();
        resolve(came);
      };
      const patience = window.setTimeout(() => done(false), SOCKET_PATIENCE_MS);
      socket.addEventListener("message", () => done(true));
      socket.addEventListener("close", () => done(false));
    });
    if (heard) return ok("WebSockets pass.");
    return troubled(
      new Problem(
        "websocket_blocked",
        "The live connection to the server does not open.",
        "A proxy or virus scanner lets web pages pass, but no WebSockets. Try another network; if you run the server, " +
          "let its proxy pass WebSockets on.",
      ),
    );
  }

  private async direct(): Promise<Finding> {
    const config = this.config;
    if (config === null || typeof RTCPeerConnection === "undefined") return skipped("Needs the server.");
    if (config.ice_transport_policy === "relay") return skipped("Not used: this server sends everything by its relay.");
    const servers = config.ice_servers.filter((server) => !hasTurn([server]));
    this.directly = await probe(this.api, servers, "all");
    const blocked = whyNoWay(this.directly.findings, servers);
    if (!hasTurn(config.ice_servers)) return carried(this.directly, blocked, "failed");
    // No reason to worry yet: the next check decides.
    const detour = new Problem(blocked.code, "The direct way is blocked.", "That is what the relay is for: see below.");
    return carried(this.directly, detour, "warning");
  }

  private async relay(): Promise<Finding> {
    const config = this.config;
    if (config === null || typeof RTCPeerConnection === "undefined") return skipped("Needs the server.");
    if (!hasTurn(config.ice_servers)) return skipped("This server has no relay; it helps where UDP is blocked.");
    const result = await probe(this.api, config.ice_servers, "relay");
    const problem = whyNoWay(result.findings, config.ice_servers);
    if (this.directly === null || this.directly.rtt_ms === null) return carried(result, problem, "failed");
    const spare = new Problem(
      problem.code,
      problem.code === "turn_refused" ? "The relay refused the password." : "The relay does not carry.",
      "Calls work here without it; people behind strict firewalls need it. Tell whoever runs the server.",
    );
    return carried(result, spare, "warning");
  }
}

function carried(result: ProbeResult, blocked: Problem, outcome: "warning" | "failed"): Finding {
  const detail = waysInWords(result.findings) + (result.pair === null ? "" : `; carried by ${result.pair}`);
  if (result.refusal !== null) return troubled(result.refusal, outcome, detail);
  if (result.rtt_ms === null) return troubled(blocked, outcome, detail);
  const rtt_ms = Math.max(1, Math.round(result.rtt_ms));
  if (rtt_ms <= SLOW_RTT_MS) return ok(`There and back in ${rtt_ms} ms.`, detail);
  const slow = new Problem(
    "slow_connection",
    `There and back takes ${rtt_ms} ms, which is slow for a call.`,
    "The avatar will answer late. A cable, or a place nearer to the Wi-Fi, often helps.",
  );
  return troubled(slow, "warning", detail);
}

/** What ICE found, without the person's addresses; those of STUN and TURN servers that failed are the server's. */
export function waysInWords(findings: IceFindings): string {
  const ways = findings.ways.map((way) => `${way.type} ${way.relay_protocol === null ? way.protocol : `over ${way.relay_protocol}`}`);
  const failures = findings.failures.map((failure) => `${failure.url} ${failure.code} ${failure.text}`.trim());
  return `found ${ways.length === 0 ? "nothing" : ways.join(", ")}` + (failures.length === 0 ? "" : `; ${failures.join("; ")}`);
}

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly finding: Finding;
}

/** The finding that decides: the first failure, else the first warning, else null. A relay that works is enough. */
export function verdict(rows: readonly Row[]): Finding | null {
  const relayed = rows.some((row) => row.id === "relay" && row.finding.outcome === "ok");
  const counted = rows.filter((row) => !(relayed && row.id === "direct")).map((row) => row.finding);
  return counted.find(({ outcome }) => outcome === "failed") ?? counted.find(({ outcome }) => outcome === "warning") ?? null;
}

/** All of it as text, to be sent to whoever helps. */
export function report(rows: readonly Row[], page: string, agent: string, at: Date): string {
  const marks: Readonly<Record<Outcome, string>> = { ok: "ok     ", warning: "warning", failed: "FAILED ", skipped: "-      " };
  const lines = rows.map(({ title, finding }) => {
    const code = finding.code === null ? "" : ` [${finding.code}]`;
    return `${marks[finding.outcome]} ${title}: ${finding.words}${code}` + (finding.detail === null ? "" : `\n        ${finding.detail}`);
  });
  return [`visavis connection check, ${at.toISOString()}`, `page ${page}`, `browser ${agent}`, "", ...lines].join("\n");
}

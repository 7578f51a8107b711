// What the browser found while it looked for a way to the server, and which problem that comes to when none carried.
// Knows nothing of signalling or of the page.

import { callsForbidden, Problem, relayBlocked, turnRefused, turnUnreachable, udpBlocked } from "./problem.js";
import type { IceServer } from "./protocol.js";

/** What matters of one candidate; addresses are left out: they are nobody's business. */
export interface FoundWay {
  readonly type: string;
  /** `udp` or `tcp`. */
  readonly protocol: string;
  /** For `relay`: how the browser talks to the TURN server. */
  readonly relay_protocol: string | null;
}

/** A STUN or TURN server that could not be used: 701 got no answer, 4xx is the server's own refusal. */
export interface ServerFailure {
  readonly url: string;
  readonly code: number;
  readonly text: string;
}

export interface IceFindings {
  readonly ways: readonly FoundWay[];
  readonly failures: readonly ServerFailure[];
}

export function hasTurn(servers: readonly IceServer[]): boolean {
  return servers.some((server) => server.urls.some((url) => url.startsWith("turn")));
}

/** Watches one connection from before its offer. */
export class IceEvidence {
  private readonly ways = new Map<string, FoundWay>();
  private readonly failures = new Map<string, ServerFailure>();

  constructor(private readonly peer: RTCPeerConnection) {
    peer.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate !== null && candidate.candidate !== "") this.addWay(candidate);
    });
    peer.addEventListener("icecandidateerror", ({ url, errorCode, errorText }) => {
      this.failures.set(`${url} ${errorCode}`, { url, code: errorCode, text: errorText });
    });
  }

  get findings(): IceFindings {
    return { ways: [...this.ways.values()], failures: [...this.failures.values()] };
  }

  /** The browser has looked everywhere, and there is nothing. */
  get hopeless(): boolean {
    return this.peer.iceGatheringState === "complete" && this.ways.size === 0;
  }

  private addWay(candidate: RTCIceCandidate): void {
    const type = candidate.type ?? "unknown";
    const protocol = candidate.protocol ?? "unknown";
    const relay_protocol = type === "relay" ? relayProtocol(candidate) : null;
    this.ways.set(`${type} ${protocol} ${relay_protocol}`, { type, protocol, relay_protocol });
  }
}

function relayProtocol(candidate: RTCIceCandidate): string | null {
  const { relayProtocol } = candidate as { relayProtocol?: unknown };
  return typeof relayProtocol === "string" ? relayProtocol : null;
}

/** Why no way carried. */
export function whyNoWay(findings: IceFindings, servers: readonly IceServer[]): Problem {
  const usable = findings.ways.filter((way) => way.type === "relay" || way.protocol !== "tcp");
  if (!hasTurn(servers)) return findings.ways.length === 0 ? callsForbidden() : udpBlocked();
  if (usable.some((way) => way.type === "relay")) return relayBlocked();
  const refusals = findings.failures.filter((failure) => failure.url.startsWith("turn") && isRefusal(failure.code));
  return refusals.length > 0 ? turnRefused() : turnUnreachable();
}

function isRefusal(code: number): boolean {
  return code >= 400 && code < 500;
}

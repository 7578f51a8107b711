// Everything that can go wrong, as one shape: a stable code, what happened, and what to do about it.
// The server sends its own (same shape); those that only a browser can notice are written here.

import { ProtocolError, readErrorBody, type ErrorBody } from "./protocol.js";

/** An error for people. `code` is stable; `retryAfter_s` is set when the server said when to come back. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly code: string,
    message: string,
    readonly remedy: string,
    readonly retryAfter_s: number | null = null,
  ) {
    super(message);
  }

  static from(body: ErrorBody, retryAfter_s: number | null = null): Problem {
    return new Problem(body.code, body.message, body.remedy, retryAfter_s);
  }
}

/** Any thrown value as a Problem: nothing that reaches a user is a bare stack trace. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ProtocolError) {
    return new Problem(
      "bad_answer",
      "The server sent something this page does not understand.",
      "The page may be older than the server: reload it. If that does not help, restart the server.",
    );
  }
  const detail = error instanceof Error ? error.message : String(error);
  return new Problem("unexpected", `Something went wrong: ${detail}`, "Try again; reload the page if it happens twice.");
}

/** Reads an error answer of the HTTP API, whatever its body turns out to be. */
export function problemOfAnswer(status: number, body: unknown, retryAfter: string | null): Problem {
  const seconds = retryAfterSeconds(retryAfter);
  const wrapped = typeof body === "object" && body !== null ? (body as { error?: unknown }).error : undefined;
  if (wrapped !== undefined) {
    try {
      return Problem.from(readErrorBody(wrapped), seconds);
    } catch {
      // An error without our shape comes from a proxy in between: said below by its status.
    }
  }
  if (status === 413) {
    return new Problem("photo_too_large", "The photo is too large for this server.", "Use a smaller photo or a JPEG.");
  }
  if (status === 502 || status === 503 || status === 504) return unreachable(seconds);
  return new Problem("http_error", `The server answered with status ${status}.`, "Try again in a moment.", seconds);
}

/** `Retry-After` as seconds from now; it may be a number of seconds or an HTTP date. */
export function retryAfterSeconds(value: string | null, now_ms: number = Date.now()): number | null {
  if (value === null || value.trim() === "") return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, Math.ceil(seconds));
  const date_ms = Date.parse(value);
  return Number.isNaN(date_ms) ? null : Math.max(0, Math.ceil((date_ms - now_ms) / 1000));
}

export function unreachable(retryAfter_s: number | null = null): Problem {
  return new Problem(
    "server_unreachable",
    "The server cannot be reached.",
    "Check that it is running and that this device is on the same network.",
    retryAfter_s,
  );
}

export function insecureContext(): Problem {
  return new Problem(
    "insecure_context",
    "The microphone needs a secure connection.",
    "Browsers hand out the microphone only over HTTPS or on localhost. Open this page with https:// or, on the " +
      "server's own machine, as http://localhost.",
  );
}

export function unsupportedBrowser(): Problem {
  return new Problem(
    "unsupported_browser",
    "This browser cannot make video calls.",
    "Use a current Chrome, Edge, Firefox or Safari, and check that WebRTC is not switched off by a setting or extension.",
  );
}

/** Media did not come, and nothing more is known of why: see `whyNoWay`, which knows more. */
export function connectionFailed(hadTurn: boolean): Problem {
  return new Problem(
    "connection_failed",
    "The picture and sound could not get through.",
    hadTurn
      ? "A firewall or VPN blocks the call, even through the relay. Try another network or switch the VPN off."
      : "A firewall, VPN or router blocks UDP between this device and the server. Try the same network as the server, " +
        "switch the VPN off, or ask the operator to set up a TURN relay.",
  );
}

/** ICE failed although signalling works, and there is no TURN server to go through. */
export function udpBlocked(): Problem {
  return new Problem(
    "udp_blocked",
    "Picture and sound cannot get through: UDP is blocked.",
    "A firewall, VPN or router between this device and the server lets web pages pass, but no calls. Try another " +
      "network, such as your phone's, or switch the VPN off; or ask whoever runs the server to set up a TURN relay.",
  );
}

/** The TURN server gave no answer, and without it nothing got through. */
export function turnUnreachable(): Problem {
  return new Problem(
    "turn_unreachable",
    "Picture and sound cannot get through: the relay does not answer.",
    "The direct way is blocked, and the TURN relay for such networks cannot be reached from here. Try another " +
      "network or switch the VPN off, and tell whoever runs the server: its relay may be down.",
  );
}

/** The TURN server answered that it does not know this name and password. */
export function turnRefused(): Problem {
  return new Problem(
    "turn_refused",
    "Picture and sound cannot get through: the relay refused the password.",
    "This is not your fault: the server and its TURN relay do not agree on the secret, or their clocks differ. Tell " +
      "whoever runs the server. Another network may work without the relay.",
  );
}

/** The TURN server works, and yet nothing came through. */
export function relayBlocked(): Problem {
  return new Problem(
    "relay_blocked",
    "Picture and sound cannot get through, not even by the relay.",
    "Your side is fine: the TURN relay answers you, but it cannot reach the server. Tell whoever runs the server that " +
      "a firewall between them blocks UDP.",
  );
}

/** The browser found no address at all to be called at. */
export function callsForbidden(): Problem {
  return new Problem(
    "calls_forbidden",
    "This browser lets no call out.",
    "A privacy extension, a VPN's browser add-on or a rule of your company switches WebRTC off. Allow it for this " +
      "page, or use another browser.",
  );
}

/** The browser and the server have no codec in common. */
export function noCodec(): Problem {
  return new Problem(
    "no_codec",
    "This browser cannot play the avatar's video.",
    "It has neither H.264 nor VP8. Update it, or use a current Chrome, Edge, Firefox or Safari.",
  );
}

export function connectionLost(): Problem {
  return new Problem("connection_lost", "The connection to the server was lost.", "Reconnecting starts the call anew.");
}

// Keys and tokens: what the server says of ours, and the link that brings one. Knows nothing of the page.

import { ProtocolError } from "./protocol.js";

export type Scope = "call" | "publish" | "view" | "manage" | "metrics";
const SCOPES: readonly Scope[] = ["call", "publish", "view", "manage", "metrics"];

export interface Access {
  /** The server asks for a key or a token here. */
  readonly required: boolean;
  readonly scopes: readonly Scope[];
}

export function readAccess(value: unknown): Access {
  const { required, scopes } = (value ?? {}) as { required?: unknown; scopes?: unknown };
  if (typeof required !== "boolean" || !Array.isArray(scopes)) throw new ProtocolError("access is not what it should be");
  return { required, scopes: SCOPES.filter((scope) => scopes.includes(scope)) };
}

/** The token in `#token=...`, which no server and no log ever sees; null: the address has none. */
export function tokenOfLink(hash: string): string | null {
  return new URLSearchParams(hash.replace(/^#/, "")).get("token")?.trim() || null;
}

/** What a browser's WebSocket offers instead of the header that it cannot send. */
export function socketProtocols(token: string | null): string[] {
  return token === null ? [] : ["visavis.v1", `bearer.${token}`];
}

// What the address of the OBS page asks for. Pure: reads a query, complains in words, never throws.

import { Problem } from "../problem.js";

export type Background =
  | { readonly kind: "transparent" }
  | { readonly kind: "colour"; readonly colour: string }
  | { readonly kind: "image"; readonly url: string }
  /** The photo's own background: the plain picture. */
  | { readonly kind: "photo" };

export interface Options {
  /** Whose face, if the page is to open its own session. */
  readonly avatar: string | null;
  /** A session, show or watch id to look at, if it is to open none. */
  readonly watch: string | null;
  /** The name under which a voice, and others who watch, find the page's own session. */
  readonly show: string | null;
  /** Whether to speak with this browser's microphone. */
  readonly mic: boolean;
  readonly token: string | null;
  readonly background: Background;
  readonly fit: "contain" | "cover" | "fill";
  readonly muted: boolean;
  readonly debug: boolean;
  /** Whether to say on the picture that it is made. */
  readonly badge: boolean;
  /** For how long the last picture stays while the connection is away. */
  readonly hold_s: number;
  readonly webgl: boolean;
}

const HOLD_S = 10;
const MOST_HOLD_S = 86_400;
const NAME = /^[a-z0-9][a-z0-9-]{1,62}$/;
const COLOURS: Readonly<Record<string, string>> = { green: "#00ff00", blue: "#0000ff", magenta: "#ff00ff", black: "#000000", white: "#ffffff" };
const KNOWN = new Set(["avatar", "watch", "session", "show", "mic", "token", "background", "fit", "muted", "debug", "hold", "webgl", "badge"]);

export function nothingToShow(): Problem {
  const remedy = "Add ?avatar=NAME for a session of its own, or ?watch=NAME for one that runs.";
  return new Problem("nothing_to_show", "The address names neither an avatar nor a session.", remedy);
}

export function readOptions(address: URL): { options: Options; problems: Problem[] } {
  const given = parameters(address);
  const problems: Problem[] = [];
  const complain = (name: string, remedy: string): void => {
    const value = given.get(name) ?? "";
    problems.push(new Problem("bad_option", `${name}=${value.slice(0, 80)} cannot be understood.`, remedy));
  };
  const text = (name: string): string | null => given.get(name)?.trim() || null;
  const flag = (name: string, usual: boolean): boolean => {
    const value = text(name);
    if (value === null) return usual;
    if (["1", "true", "yes", "on"].includes(value.toLowerCase())) return true;
    if (["0", "false", "no", "off"].includes(value.toLowerCase())) return false;
    complain(name, `Write ${name}=1 or ${name}=0.`);
    return usual;
  };

  const avatar = text("avatar");
  const watch = text("watch") ?? text("session");
  if (avatar === null && watch === null) {
    problems.push(nothingToShow());
  }
  let show = text("show");
  if (show !== null && !NAME.test(show)) {
    complain("show", "Use 2 to 63 of a-z, 0-9 and hyphens.");
    show = null;
  }
  let background = readBackground(given.get("background") ?? "", address);
  if (background === null) {
    complain("background", "Write transparent, a colour such as 00ff00, photo, or the address of an image.");
    background = { kind: "transparent" };
  }
  const wanted = text("fit") ?? "contain";
  const fit = wanted === "cover" || wanted === "fill" ? wanted : "contain";
  if (fit !== wanted) complain("fit", "Write fit=contain, fit=cover or fit=fill.");
  const seconds = Number(text("hold") ?? HOLD_S);
  const hold_s = seconds >= 0 && seconds <= MOST_HOLD_S ? seconds : HOLD_S;
  if (hold_s !== seconds) complain("hold", "Write a number of seconds.");
  const muted = flag("muted", false);
  // A show waits for a voice of somebody else, unless this microphone is asked for.
  const mic = flag("mic", show === null);
  const options: Options = {
    avatar, watch, show, mic, background, fit, hold_s, muted,
    token: text("token"),
    debug: flag("debug", false),
    badge: flag("badge", true),
    webgl: flag("webgl", true),
  };
  for (const name of given.keys()) {
    if (!KNOWN.has(name)) problems.push(new Problem("bad_option", `${name} is no option of this page.`, `Options are ${[...KNOWN].join(", ")}.`));
  }
  return { options, problems };
}

/** The query and the fragment, which no server sees; a colour written with its # begins one, and takes what follows with it. */
function parameters(address: URL): Map<string, string> {
  const found = new Map<string, string>();
  const [first = "", ...rest] = address.hash.slice(1).split("&");
  const more = first.includes("=") ? [first, ...rest] : rest;
  for (const [name, value] of [...new URLSearchParams(address.search), ...new URLSearchParams(more.join("&"))]) {
    if (!found.has(name)) found.set(name, value);
  }
  if (found.get("background") === "" && first !== "" && !first.includes("=")) found.set("background", `#${decode(first)}`);
  return found;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Null: it is none. */
export function readBackground(value: string, address: URL): Background | null {
  const text = value.trim();
  const plain = text.toLowerCase();
  if (plain === "" || plain === "transparent") return { kind: "transparent" };
  if (plain === "photo") return { kind: "photo" };
  const named = COLOURS[plain];
  if (named !== undefined) return { kind: "colour", colour: named };
  const digits = /^#?([0-9a-f]{6}|[0-9a-f]{3})$/.exec(plain)?.[1];
  if (digits !== undefined) {
    const six = digits.length === 6 ? digits : [...digits].map((digit) => digit + digit).join("");
    return { kind: "colour", colour: `#${six}` };
  }
  if (!/^(https?:\/\/|\.{0,2}\/)/i.test(text)) return null;
  try {
    const url = new URL(text, address);
    return url.protocol === "http:" || url.protocol === "https:" ? { kind: "image", url: url.href } : null;
  } catch {
    return null;
  }
}

// The words of the HTTP API and of the signalling WebSocket: types, and readers that check what arrives.
// Mirrors docs/protocol.md and protocol.fixture.json. Knows nothing of sockets, media or the page.

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** Where somebody's face is: its centre and width, in shares of the picture (y of its height). */
export interface Face {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

export interface Avatar {
  readonly id: string;
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly builtin: boolean;
  /** What the analysis wants its user to know, for example "2 people found: choose who speaks, the others idle." */
  readonly notes: readonly string[];
  /** Everybody in the picture who can speak, by number; 0 does unless somebody else is told to. */
  readonly faces: readonly Face[];
  readonly image_url: string;
  readonly thumbnail_url: string;
}

export interface Session {
  readonly id: string;
  readonly avatar_id: string;
  readonly state: AvatarState;
  readonly epoch: number;
  readonly age_s: number;
  readonly signal_url: string;
  /** Where others may watch it. */
  readonly whep_url: string;
  readonly width: number;
  readonly height: number;
  /** Who in the picture speaks, by number. */
  readonly speaker: number;
  readonly faces: readonly Face[];
}

/** A session as those see it who watch it. */
export interface Watched {
  readonly avatar_id: string;
  readonly state: AvatarState;
  readonly width: number;
  readonly height: number;
  readonly whep_url: string;
  /** Somebody speaks for it from outside: a WHIP microphone or an agent. */
  readonly voiced: boolean;
  readonly alpha: boolean;
  /** A chunk of voice reaching the server to its picture being published; null until somebody has spoken. */
  readonly speech_to_lips_ms: { readonly p50: number | null; readonly p95: number | null };
  /** The server's clock, ms since 1970. */
  readonly time_ms: number;
}

export interface IceServer {
  readonly urls: string[];
  readonly username?: string;
  readonly credential?: string;
}

export interface ServerConfig {
  readonly version: string;
  readonly capacity: number;
  readonly max_photo_bytes: number;
  readonly ice_servers: readonly IceServer[];
  /** `relay`: nothing but the TURN server may be used. */
  readonly ice_transport_policy: "all" | "relay";
  readonly badge: boolean;
  /** Who uploads a photo must say who they are. */
  readonly consent_name: boolean;
}

/** Shapes that a live picture can be cut to; empty: the photo's own. */
export type Format = "" | "1:1" | "16:9" | "9:16" | "4:3" | "3:4";

/** How transparency is to come: the person on the left of the video, their matte as luma on the right. */
export type Alpha = "side-by-side";
/** How full the server is. */
export interface Health {
  readonly sessions: number;
  readonly capacity: number;
}

export type Emotion = "neutral" | "happy" | "sad" | "angry" | "surprised" | "calm" | "afraid" | "disgusted";
export const EMOTIONS: readonly Emotion[] = ["neutral", "happy", "sad", "angry", "surprised", "calm", "afraid", "disgusted"];

/** How an avatar is to be. */
export interface Mood {
  readonly emotion: Emotion;
  /** 0 to 1. */
  readonly strength: number;
  /** Shows what the voice's energy, pitch and rate sound like, where that is clear. */
  readonly from_voice: boolean;
  /** A preset's id; empty: none. */
  readonly preset: string;
}

/** What is to change; what is left out stays. */
export type MoodChange = Partial<Mood>;

export interface Preset {
  readonly id: string;
  readonly title: string;
  readonly about: string;
}

/** What there is to choose from. */
export interface Moods {
  readonly emotions: readonly Emotion[];
  readonly presets: readonly Preset[];
}

export type AvatarState = "idle" | "listening" | "speaking";
export type ByeReason = "client" | "expired" | "shutdown" | "failed" | "deleted";

export interface Candidate {
  readonly candidate: string;
  readonly sdpMid: string | null;
  readonly sdpMLineIndex: number | null;
}

/** What the browser sends. */
export type ClientMessage =
  | { readonly type: "offer"; readonly sdp: string; readonly alpha?: Alpha }
  | { readonly type: "candidate"; readonly candidate: Candidate | null }
  | { readonly type: "interrupt" }
  | { readonly type: "attend"; readonly on: boolean }
  | ({ readonly type: "mood" } & MoodChange)
  | { readonly type: "speaker"; readonly person: number }
  | { readonly type: "ping"; readonly id: number }
  | { readonly type: "bye" };

/** Once a second. Numbers are null until the server has measured them. */
export interface ServerStats {
  readonly type: "stats";
  readonly fps: number | null;
  /** From a chunk of voice reaching the server to the frame that shows it handed to the encoder. */
  readonly latency_ms: { readonly p50: number | null; readonly p95: number | null };
  readonly frames: { readonly sent: number; readonly repeated: number; readonly dropped: number };
  readonly bitrate_kbps: number | null;
  readonly rtt_ms: number | null;
  readonly loss: number | null;
}

/** What the server sends. */
export type ServerMessage =
  /** `ai_generated`: what will be seen is made, not filmed. */
  | { readonly type: "answer"; readonly sdp: string; readonly ai_generated: boolean }
  | { readonly type: "state"; readonly state: AvatarState; readonly epoch: number }
  | ({ readonly type: "mood" } & Mood)
  | { readonly type: "speaker"; readonly person: number }
  | ServerStats
  | { readonly type: "pong"; readonly id: number }
  | { readonly type: "error"; readonly error: ErrorBody }
  | { readonly type: "bye"; readonly reason: ByeReason };

/** A message that does not keep to the protocol. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

type Fields = Readonly<Record<string, unknown>>;

const STATES: readonly AvatarState[] = ["idle", "listening", "speaking"];
const REASONS: readonly ByeReason[] = ["client", "expired", "shutdown", "failed", "deleted"];

/** Reads one message of the server. Unknown extra fields are allowed; a wrong or missing one throws ProtocolError. */
export function readServerMessage(value: unknown): ServerMessage {
  const fields = record(value, "message");
  switch (fields["type"]) {
    case "answer":
      return { type: "answer", sdp: text(fields, "sdp"), ai_generated: bool(fields, "ai_generated") };
    case "state":
      return { type: "state", state: oneOf(fields, "state", STATES), epoch: number(fields, "epoch") };
    case "mood":
      return { type: "mood", ...readMood(fields) };
    case "speaker":
      return { type: "speaker", person: number(fields, "person") };
    case "stats":
      return readStats(fields);
    case "pong":
      return { type: "pong", id: number(fields, "id") };
    case "error":
      return { type: "error", error: readErrorBody(fields["error"]) };
    case "bye":
      return { type: "bye", reason: oneOf(fields, "reason", REASONS) };
    default:
      throw new ProtocolError(`unknown message type ${JSON.stringify(fields["type"])}`);
  }
}

export function readErrorBody(value: unknown): ErrorBody {
  const fields = record(value, "error");
  return { code: text(fields, "code"), message: text(fields, "message"), remedy: text(fields, "remedy") };
}

export function readAvatar(value: unknown): Avatar {
  const fields = record(value, "avatar");
  const notes = fields["notes"];
  if (!Array.isArray(notes) || notes.some((note) => typeof note !== "string")) throw wrong("notes", "a list of text");
  return {
    id: text(fields, "id"),
    name: text(fields, "name"),
    width: number(fields, "width"),
    height: number(fields, "height"),
    builtin: bool(fields, "builtin"),
    notes: notes as string[],
    faces: readFaces(fields),
    image_url: text(fields, "image_url"),
    thumbnail_url: text(fields, "thumbnail_url"),
  };
}

/** A server of an older version knows of one face and does not tell where it is. */
function readFaces(fields: Fields): Face[] {
  const faces = fields["faces"] ?? [];
  if (!Array.isArray(faces)) throw wrong("faces", "a list");
  return faces.map((face) => {
    const place = record(face, "face");
    return { x: number(place, "x"), y: number(place, "y"), width: number(place, "width") };
  });
}

export function readAvatars(value: unknown): Avatar[] {
  const list = record(value, "answer")["avatars"];
  if (!Array.isArray(list)) throw wrong("avatars", "a list");
  return list.map(readAvatar);
}

export function readSession(value: unknown): Session {
  const fields = record(value, "session");
  return {
    id: text(fields, "id"),
    avatar_id: text(fields, "avatar_id"),
    state: oneOf(fields, "state", STATES),
    epoch: number(fields, "epoch"),
    age_s: number(fields, "age_s"),
    signal_url: text(fields, "signal_url"),
    whep_url: text(fields, "whep_url"),
    width: number(fields, "width"),
    height: number(fields, "height"),
    speaker: fields["speaker"] === undefined ? 0 : number(fields, "speaker"),
    faces: readFaces(fields),
  };
}

export function readWatched(value: unknown): Watched {
  const fields = record(value, "watched");
  const speech = record(fields["speech_to_lips_ms"], "speech_to_lips_ms");
  return {
    avatar_id: text(fields, "avatar_id"),
    state: oneOf(fields, "state", STATES),
    width: number(fields, "width"),
    height: number(fields, "height"),
    whep_url: text(fields, "whep_url"),
    voiced: bool(fields, "voiced"),
    alpha: bool(fields, "alpha"),
    speech_to_lips_ms: { p50: numberOrNull(speech, "p50"), p95: numberOrNull(speech, "p95") },
    time_ms: number(fields, "time_ms"),
  };
}

export function readConfig(value: unknown): ServerConfig {
  const fields = record(value, "config");
  const servers = fields["ice_servers"];
  if (!Array.isArray(servers)) throw wrong("ice_servers", "a list");
  return {
    version: text(fields, "version"),
    capacity: number(fields, "capacity"),
    max_photo_bytes: number(fields, "max_photo_bytes"),
    ice_servers: servers.map(readIceServer),
    ice_transport_policy: fields["ice_transport_policy"] === "relay" ? "relay" : "all",
    badge: bool(fields, "badge"),
    consent_name: fields["consent_name"] === undefined ? false : bool(fields, "consent_name"),
  };
}

export function readHealth(value: unknown): Health {
  const fields = record(value, "health");
  return { sessions: number(fields, "sessions"), capacity: number(fields, "capacity") };
}

export function readMood(value: unknown): Mood {
  const fields = record(value, "mood");
  return {
    emotion: oneOf(fields, "emotion", EMOTIONS),
    strength: number(fields, "strength"),
    from_voice: bool(fields, "from_voice"),
    preset: text(fields, "preset"),
  };
}

export function readMoods(value: unknown): Moods {
  const { emotions, presets } = record(value, "answer");
  if (!Array.isArray(emotions)) throw wrong("emotions", "a list");
  if (!Array.isArray(presets)) throw wrong("presets", "a list");
  return {
    // A newer server may know more than this page can name.
    emotions: EMOTIONS.filter((emotion) => emotions.includes(emotion)),
    presets: presets.map((preset) => {
      const fields = record(preset, "preset");
      return { id: text(fields, "id"), title: text(fields, "title"), about: text(fields, "about") };
    }),
  };
}

export function readCheckAnswer(value: unknown): string {
  return text(record(value, "answer"), "sdp");
}

function readIceServer(value: unknown): IceServer {
  const fields = record(value, "ice server");
  const given = fields["urls"];
  const urls = typeof given === "string" ? [given] : given;
  if (!Array.isArray(urls) || urls.some((url) => typeof url !== "string")) throw wrong("urls", "a list of text");
  const { username, credential } = fields as { username?: unknown; credential?: unknown };
  return {
    urls: urls as string[],
    ...(typeof username === "string" ? { username } : {}),
    ...(typeof credential === "string" ? { credential } : {}),
  };
}

function readStats(fields: Fields): ServerStats {
  const latency = record(fields["latency_ms"], "latency_ms");
  const frames = record(fields["frames"], "frames");
  return {
    type: "stats",
    fps: numberOrNull(fields, "fps"),
    latency_ms: { p50: numberOrNull(latency, "p50"), p95: numberOrNull(latency, "p95") },
    frames: { sent: number(frames, "sent"), repeated: number(frames, "repeated"), dropped: number(frames, "dropped") },
    bitrate_kbps: numberOrNull(fields, "bitrate_kbps"),
    rtt_ms: numberOrNull(fields, "rtt_ms"),
    loss: numberOrNull(fields, "loss"),
  };
}

function record(value: unknown, name: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(name, "an object");
  return value as Fields;
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw wrong(name, "text");
  return value;
}

function number(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isFinite(value)) throw wrong(name, "a number");
  return value;
}

function numberOrNull(fields: Fields, name: string): number | null {
  return fields[name] === null ? null : number(fields, name);
}

function bool(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value !== "boolean") throw wrong(name, "true or false");
  return value;
}

function oneOf<T extends string>(fields: Fields, name: string, allowed: readonly T[]): T {
  const value = fields[name];
  if (!allowed.includes(value as T)) throw wrong(name, `one of ${allowed.join(", ")}`);
  return value as T;
}

function wrong(name: string, expected: string): ProtocolError {
  return new ProtocolError(`${name} must be ${expected}`);
}

// What the browser measured about a call, from RTCPeerConnection.getStats(): a pure reading of the report.
// Rates are over the time since the reading before. Knows nothing of the page.

/** One reading. Null: not known (yet), or not told by this browser. */
export interface CallStats {
  /** Frames decoded per second. */
  readonly fps: number | null;
  readonly width: number | null;
  readonly height: number | null;
  readonly codec: string | null;
  readonly frames_decoded: number;
  readonly frames_dropped: number;
  /** Both media together, received. */
  readonly bitrate_kbps: number | null;
  /** Lost packets of both media, 0..1. */
  readonly loss: number | null;
  readonly rtt_ms: number | null;
  readonly jitter_ms: number | null;
  /** How long the player held frames back, mean. */
  readonly buffer_ms: number | null;
  /** Positive: the picture is ahead of the voice. Known after the first sender reports, some seconds into a call. */
  readonly av_offset_ms: number | null;
  /** This machine's time now minus the sender's time of the picture that is shown: both clocks' difference is in it. */
  readonly behind_ms: number | null;
  /** Freezes by the browser's own count. */
  readonly freezes: number | null;
  /** The call goes through a TURN relay. */
  readonly relayed: boolean | null;
}

/** Running totals of one reading, kept to make rates at the next. */
export interface Totals {
  readonly time_ms: number;
  readonly bytes: number;
  readonly received: number;
  readonly lost: number;
  readonly decoded: number;
  readonly buffer_s: number;
  readonly emitted: number;
}

type Entry = Readonly<Record<string, unknown>>;

/** Reads a report. `entries` are its values; `before` are the totals of the last reading of the same call. */
export function readReport(
  entries: Iterable<Entry>,
  time_ms: number,
  before: Totals | null,
): { stats: CallStats; totals: Totals } {
  const all = [...entries];
  const inbound = all.filter((entry) => entry["type"] === "inbound-rtp");
  const video = inbound.find((entry) => entry["kind"] === "video") ?? {};
  const audio = inbound.find((entry) => entry["kind"] === "audio") ?? {};
  const sum = (name: string): number => inbound.reduce((total, entry) => total + (num(entry, name) ?? 0), 0);
  const totals: Totals = {
    time_ms,
    bytes: sum("bytesReceived"),
    received: sum("packetsReceived"),
    lost: sum("packetsLost"),
    decoded: num(video, "framesDecoded") ?? 0,
    buffer_s: num(video, "jitterBufferDelay") ?? 0,
    emitted: num(video, "jitterBufferEmittedCount") ?? 0,
  };
  const pair = selectedPair(all);
  const since_s = before === null ? 0 : (time_ms - before.time_ms) / 1000;
  const rate = (now: number, then: number): number | null => (since_s > 0 ? Math.max(0, now - then) / since_s : null);
  const bytesRate = before === null ? null : rate(totals.bytes, before.bytes);
  const stats: CallStats = {
    fps: before === null ? num(video, "framesPerSecond") : rate(totals.decoded, before.decoded),
    width: num(video, "frameWidth"),
    height: num(video, "frameHeight"),
    codec: codecName(all, video),
    frames_decoded: totals.decoded,
    frames_dropped: num(video, "framesDropped") ?? 0,
    bitrate_kbps: bytesRate === null ? null : (bytesRate * 8) / 1000,
    loss: lossBetween(totals, before),
    rtt_ms: scaled(num(pair, "currentRoundTripTime"), 1000),
    jitter_ms: scaled(num(video, "jitter"), 1000),
    buffer_ms: bufferBetween(totals, before),
    av_offset_ms: offset(video, audio),
    behind_ms: behind(video),
    freezes: num(video, "freezeCount"),
    relayed: relayed(all, pair),
  };
  return { stats, totals };
}

/** Both tell the sender's time of what is playing now, so their difference is the lip-sync error at this receiver. */
function offset(video: Entry, audio: Entry): number | null {
  const picture_ms = num(video, "estimatedPlayoutTimestamp");
  const voice_ms = num(audio, "estimatedPlayoutTimestamp");
  // Browsers report zero, or nothing, until the first sender report of that track has come.
  if (!picture_ms || !voice_ms) return null;
  return picture_ms - voice_ms;
}

/** NTP counts from 1900, JavaScript from 1970; browsers tell this one time either way. */
const EPOCHS_APART_MS = 2_208_988_800_000;

function behind(video: Entry): number | null {
  const playout_ms = num(video, "estimatedPlayoutTimestamp");
  const now_ms = num(video, "timestamp");
  if (!playout_ms || !now_ms) return null;
  return now_ms - (playout_ms > EPOCHS_APART_MS ? playout_ms - EPOCHS_APART_MS : playout_ms);
}

function lossBetween(totals: Totals, before: Totals | null): number | null {
  if (before === null) return null;
  const lost = Math.max(0, totals.lost - before.lost);
  const all = lost + totals.received - before.received;
  return all > 0 ? lost / all : null;
}

function bufferBetween(totals: Totals, before: Totals | null): number | null {
  if (before === null || totals.emitted <= before.emitted) return null;
  return (1000 * (totals.buffer_s - before.buffer_s)) / (totals.emitted - before.emitted);
}

function selectedPair(all: readonly Entry[]): Entry {
  const transport = all.find((entry) => entry["type"] === "transport" && "selectedCandidatePairId" in entry);
  const chosen = transport && all.find((entry) => entry["id"] === transport["selectedCandidatePairId"]);
  const nominated = (entry: Entry): boolean =>
    entry["type"] === "candidate-pair" && entry["state"] === "succeeded" && entry["nominated"] === true;
  return chosen ?? all.find(nominated) ?? {};
}

function relayed(all: readonly Entry[], pair: Entry): boolean | null {
  const local = all.find((entry) => entry["id"] === pair["localCandidateId"] && entry["id"] !== undefined);
  return local === undefined ? null : local["candidateType"] === "relay";
}

function codecName(all: readonly Entry[], video: Entry): string | null {
  const codec = all.find((entry) => entry["type"] === "codec" && entry["id"] === video["codecId"]);
  const mime = codec?.["mimeType"];
  return typeof mime === "string" ? mime.replace(/^video\//i, "") : null;
}

function num(entry: Entry, name: string): number | null {
  const value = entry[name];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function scaled(value: number | null, factor: number): number | null {
  return value === null ? null : value * factor;
}

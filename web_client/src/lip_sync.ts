// Keeps picture and voice together after the network, or either machine, has stood still. Browsers do so themselves, but
// close only an eighth of the gap in a second. Pure: takes what getStats() tells, gives how long to hold which track back.
// A hold is short help: the browser delays the other track by it too, so one that stayed or grew would be followed upwards.

/** Below this nobody sees it, and readings waver by as much. Browsers themselves leave a gap of 30 ms open for good. */
const UNSEEN_MS = 30;
const SHARE = 0.7;
/** Longer than this nobody wants to wait for the other track. */
const MOST_MS = 1500;
/** So many raises in a minute close every gap that a hold can close. One that is still open follows the hold: on a busy
 * machine pictures are drawn late whatever the players do. */
const MOST_RAISES = 6;
const RAISES_COUNTED = 60;
/** What a hold loses in a reading while it is more than is needed: so little that the browser's own sync takes over. */
const EASE_MS = 5;
const CLOSE_MS = 15;

export interface Holds {
  /** What the players shall hold back at least, ms. */
  readonly video_ms: number;
  readonly audio_ms: number;
}

type Entry = Readonly<Record<string, unknown>>;

interface Held {
  readonly delay_s: number;
  readonly emitted: number;
}

export class LipSync {
  private readonly held = new Map<string, Held>();
  private before_ms = 0;
  private reading = 0;
  private raised: number[] = [];
  private holds: Holds = { video_ms: 0, audio_ms: 0 };

  /** Takes one reading, about a second after the last. Positive offset: the picture is ahead of the voice. */
  read(entries: Iterable<Entry>, offset_ms: number | null): Holds {
    const held = { video: 0, audio: 0 };
    for (const entry of entries) {
      const kind = entry["kind"];
      if (entry["type"] !== "inbound-rtp" || (kind !== "video" && kind !== "audio")) continue;
      held[kind] = this.mean(kind, Number(entry["jitterBufferDelay"]), Number(entry["jitterBufferEmittedCount"]));
    }
    if (offset_ms === null) return this.holds;
    // One reading alone may be a hiccup of the measurement.
    const certain = Math.abs(offset_ms) > UNSEEN_MS && this.before_ms * offset_ms > 0 && Math.abs(this.before_ms) > UNSEEN_MS;
    this.before_ms = offset_ms;
    this.reading += 1;
    this.raised = this.raised.filter((reading) => reading > this.reading - RAISES_COUNTED);
    const next = certain ? this.next(offset_ms, held.video, held.audio) : this.holds;
    const raises = next.video_ms > this.holds.video_ms || next.audio_ms > this.holds.audio_ms;
    if (Math.abs(offset_ms) < CLOSE_MS || (raises && this.raised.length >= MOST_RAISES)) {
      this.holds = { video_ms: less(this.holds.video_ms, EASE_MS), audio_ms: less(this.holds.audio_ms, EASE_MS) };
      return this.holds;
    }
    if (raises) this.raised.push(this.reading);
    this.holds = next;
    return this.holds;
  }

  private next(offset_ms: number, video_ms: number, audio_ms: number): Holds {
    const step_ms = SHARE * offset_ms;
    // What holds one track back is let go before the other one is held back.
    if (step_ms > 0) {
      if (this.holds.audio_ms > 0) return { video_ms: 0, audio_ms: less(this.holds.audio_ms, step_ms) };
      return { video_ms: Math.round(Math.min(MOST_MS, video_ms + step_ms)), audio_ms: 0 };
    }
    if (this.holds.video_ms > 0) return { video_ms: less(this.holds.video_ms, -step_ms), audio_ms: 0 };
    return { video_ms: 0, audio_ms: Math.round(Math.min(MOST_MS, audio_ms - step_ms)) };
  }

  private mean(kind: string, delay_s: number, emitted: number): number {
    const last = this.held.get(kind);
    this.held.set(kind, { delay_s, emitted });
    const mean_ms = last === undefined ? 0 : (1000 * (delay_s - last.delay_s)) / (emitted - last.emitted);
    return Number.isFinite(mean_ms) ? Math.max(0, mean_ms) : 0;
  }
}

/** Nothing rather than a few milliseconds: those would only keep the player from its own minimum. */
function less(hold_ms: number, by_ms: number): number {
  const left_ms = Math.round(hold_ms - by_ms);
  return left_ms > UNSEEN_MS ? left_ms : 0;
}

/** Lets a player hold its tracks back at least so long. */
export function applyHolds(peer: RTCPeerConnection, holds: Holds): void {
  for (const receiver of peer.getReceivers()) {
    const hold_ms = receiver.track.kind === "video" ? holds.video_ms : holds.audio_ms;
    if ("jitterBufferTarget" in receiver && receiver.jitterBufferTarget !== hold_ms) receiver.jitterBufferTarget = hold_ms;
  }
}

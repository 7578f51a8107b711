// Frames as the viewer sees them: how many were shown, how fast, and where the picture stood still.
// FrameLog is pure, with times passed in; FrameMeter feeds it from a <video> element.

/** A pause between two shown frames longer than this is a freeze: five frame times at 25 Hz. */
export const FREEZE_MS = 200;
const FRAME_INTERVAL_MS = 40;
const WINDOW_MS = 1000;

interface Shown {
  readonly time_ms: number;
  readonly count: number;
}

export class FrameLog {
  private window: Shown[] = [];
  private last: Shown | null = null;
  private paused = false;
  private firstCount = 0;
  freezes = 0;
  longest_gap_ms = 0;
  first_ms: number | null = null;

  /** Notes that `count` frames in all had been shown by `time_ms`. Several may have been shown since the last note. */
  add(time_ms: number, count: number): void {
    if (this.last === null) {
      this.first_ms = time_ms;
      this.firstCount = count - 1;
    } else if (!this.paused) {
      // The callback may skip frames on a busy page: those were on time, only the rest of the pause is a gap.
      const skipped = Math.max(0, count - this.last.count - 1);
      const gap_ms = time_ms - this.last.time_ms - skipped * FRAME_INTERVAL_MS;
      this.longest_gap_ms = Math.max(this.longest_gap_ms, gap_ms);
      if (gap_ms > FREEZE_MS) this.freezes += 1;
    }
    this.paused = false;
    this.last = { time_ms, count };
    this.window.push(this.last);
    while (this.window.length > 1 && (this.window[1]?.time_ms ?? Infinity) <= time_ms - WINDOW_MS) this.window.shift();
  }

  /** The page was hidden or the video paused: the pause that follows says nothing about the stream. */
  pause(): void {
    this.paused = true;
    this.window = [];
  }

  get total(): number {
    return this.last === null ? 0 : this.last.count - this.firstCount;
  }

  /** Frames shown in the second before `now_ms`. */
  fps(now_ms: number): number {
    const since_ms = now_ms - WINDOW_MS;
    let before: Shown | undefined;
    for (const shown of this.window) if (shown.time_ms <= since_ms) before = shown;
    const newest = this.window[this.window.length - 1];
    if (newest === undefined || newest.time_ms <= since_ms) return 0;
    const start = before?.count ?? (this.window[0]?.count ?? 0) - 1;
    return newest.count - start;
  }
}

/** Watches a <video> element from construction until `close()`. */
export class FrameMeter {
  readonly log = new FrameLog();
  private handle = 0;
  private open = true;
  private readonly viaCallback: boolean;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly onFirst: (time_ms: number) => void,
  ) {
    this.viaCallback = typeof video.requestVideoFrameCallback === "function";
    document.addEventListener("visibilitychange", this.onVisibility);
    this.next();
  }

  close(): void {
    this.open = false;
    document.removeEventListener("visibilitychange", this.onVisibility);
    if (this.viaCallback) this.video.cancelVideoFrameCallback(this.handle);
    else cancelAnimationFrame(this.handle);
  }

  private next(): void {
    if (!this.open) return;
    this.handle = this.viaCallback
      ? this.video.requestVideoFrameCallback((_now, meta) => this.shown(meta.presentationTime, meta.presentedFrames))
      : requestAnimationFrame((now) => this.shown(now, this.video.getVideoPlaybackQuality().totalVideoFrames));
  }

  private shown(time_ms: number, count: number): void {
    const first = this.log.total === 0;
    if (count > 0 && (this.viaCallback || first || count > this.lastCount)) {
      this.lastCount = count;
      this.log.add(time_ms, count);
      if (first) this.onFirst(time_ms);
    }
    this.next();
  }

  private lastCount = 0;

  private readonly onVisibility = (): void => {
    if (document.hidden) this.log.pause();
  };
}

// The call-quality overlay: a verdict in words, a graph of frames per second, and the numbers.

import type { ClientStats } from "../timeline.js";
import { byId } from "./dom.js";

const HISTORY_S = 60;

export interface Row {
  readonly name: string;
  readonly value: string;
}

export class StatsOverlay {
  private readonly root = byId("stats-overlay", HTMLElement);
  private readonly list = byId("stats-list", HTMLDListElement);
  private readonly verdict = byId("stats-verdict", HTMLElement);
  private readonly size = byId("stats-size", HTMLSpanElement);
  private readonly graph = byId("stats-graph", HTMLCanvasElement);
  private history: number[] = [];

  toggle(open: boolean): void {
    this.root.hidden = !open;
  }

  reset(): void {
    this.history = [];
    this.list.replaceChildren();
    this.verdict.textContent = "Measuring…";
    this.size.textContent = "";
    this.root.dataset["quality"] = "unknown";
  }

  show(stats: ClientStats): void {
    this.history = [...this.history, stats.fps].slice(-HISTORY_S);
    if (this.root.hidden) return;
    const quality = judge(stats);
    this.root.dataset["quality"] = quality.level;
    this.verdict.textContent = quality.words;
    const call = stats.call;
    this.size.textContent = call?.width ? `${call.width} × ${call.height} ${call.codec ?? ""}` : "";
    this.list.replaceChildren(
      ...rows(stats).flatMap(({ name, value }) => [
        Object.assign(document.createElement("dt"), { textContent: name }),
        Object.assign(document.createElement("dd"), { textContent: value }),
      ]),
    );
    this.draw();
  }

  private draw(): void {
    const context = this.graph.getContext("2d");
    if (context === null) return;
    const { width, height } = this.graph;
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(this.root).color;
    const step = width / HISTORY_S;
    this.history.forEach((fps, index) => {
      const bar = Math.max(1, Math.min(1, fps / 30) * height);
      context.globalAlpha = fps >= 23 ? 0.75 : 1;
      const left = width - (this.history.length - index) * step;
      context.fillRect(left, height - bar, Math.max(1, step - 1), bar);
    });
  }
}

/** The rows of the overlay, in reading order. */
export function rows(stats: ClientStats): Row[] {
  const { call, server } = stats;
  const frames = server?.frames;
  const offset = median(stats.av_offset_ms.slice(-5));
  return [
    { name: "Frames", value: `${stats.fps.toFixed(0)} per second` },
    { name: "Voice to lips", value: pair(server?.latency_ms.p50, server?.latency_ms.p95) },
    { name: "Network round trip", value: unit(call?.rtt_ms, "ms") },
    { name: "Player buffer", value: unit(call?.buffer_ms, "ms") },
    { name: "Lips against sound", value: offset === null ? "–" : `${offset > 0 ? "+" : ""}${offset.toFixed(0)} ms` },
    { name: "Bitrate", value: unit(call?.bitrate_kbps, "kbit/s") },
    { name: "Packet loss", value: call?.loss == null ? "–" : `${(call.loss * 100).toFixed(1)} %` },
    { name: "Freezes", value: String(stats.freezes) },
    { name: "Repeated, dropped", value: frames === undefined ? "–" : `${frames.repeated}, ${frames.dropped}` },
    { name: "First frame after", value: unit(stats.first_frame_ms, "ms") },
  ];
}

/** One word on how the call goes, from what a viewer would notice first. */
export function judge(stats: ClientStats): { level: "good" | "fair" | "poor" | "unknown"; words: string } {
  const { call } = stats;
  if (stats.phase !== "live" || call === null) return { level: "unknown", words: "Measuring…" };
  const offset = Math.abs(median(stats.av_offset_ms.slice(-5)) ?? 0);
  if ((call.loss ?? 0) > 0.05) return { level: "poor", words: "Network loses packets" };
  if (stats.fps < 18) return { level: "poor", words: "Picture stutters" };
  if (offset > 90) return { level: "fair", words: "Lips and voice drift" };
  if (stats.fps < 23 || (call.loss ?? 0) > 0.01) return { level: "fair", words: "Fair" };
  return { level: "good", words: "Good" };
}

export function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}

function unit(value: number | null | undefined, name: string): string {
  return value == null ? "–" : `${value.toFixed(0)} ${name}`;
}

function pair(p50: number | null | undefined, p95: number | null | undefined): string {
  return p50 == null || p95 == null ? "–" : `${p50.toFixed(0)} ms (95 %: ${p95.toFixed(0)})`;
}

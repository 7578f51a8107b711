// The choice of a microphone and its level meter, before and during a call. Owns the open microphone.

import { LevelMeter, listMicrophones, microphonePermission, openMicrophone } from "../audio.js";
import { asProblem, type Problem } from "../problem.js";
import type { PreferenceStore } from "../preferences.js";
import { byId } from "./dom.js";

/** Above this position of the meter somebody is speaking, not breathing. */
const HEARD_LEVEL = 0.45;

export class MicrophonePicker {
  onProblem: (problem: Problem) => void = () => undefined;
  /** The microphone changed or was unplugged (null). */
  onTrack: (track: MediaStreamTrack | null) => void = () => undefined;
  onLevel: (level: number) => void = () => undefined;
  track: MediaStreamTrack | null = null;
  private readonly select = byId("microphone", HTMLSelectElement);
  private readonly allow = byId("allow", HTMLButtonElement);
  private readonly bar = byId("meter-bar", HTMLSpanElement);
  private readonly meterRoot = byId("meter", HTMLDivElement);
  private readonly hint = byId("voice-hint", HTMLParagraphElement);
  private meter: LevelMeter | null = null;
  private animation = 0;
  private shown = 0;
  private opening: Promise<MediaStreamTrack> | null = null;

  constructor(private readonly preferences: PreferenceStore) {
    this.select.addEventListener("change", () => void this.onChoice());
    this.allow.addEventListener("click", () => void this.test());
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.refresh());
    for (const event of ["pointerdown", "keydown"]) document.addEventListener(event, () => this.meter?.resume());
  }

  /** Opens the microphone if the person has allowed it before; else offers the button that asks. */
  async prepare(): Promise<void> {
    await this.refresh();
    const permission = await microphonePermission();
    this.allow.hidden = permission === "granted" || this.track !== null;
    this.hint.textContent = this.allow.hidden ? "Say something: the bar should move." : "Test it now, or just start: the browser asks then.";
    if (permission === "granted") await this.open().catch(() => undefined);
  }

  /** There is no way to a microphone in this browser or on this address. */
  forbid(): void {
    this.select.disabled = true;
    this.hint.textContent = "Not available here: see the note.";
  }

  /** The open microphone; opens it if need be. Rejects with a Problem. */
  async open(): Promise<MediaStreamTrack> {
    if (this.track?.readyState === "live") return this.track;
    this.opening ??= openMicrophone(this.preferences.get().microphone).finally(() => (this.opening = null));
    const track = await this.opening;
    if (this.track !== track) this.adopt(track);
    return track;
  }

  /** Lets go of the microphone: its light goes out. */
  release(): void {
    cancelAnimationFrame(this.animation);
    this.meter?.close();
    this.meter = null;
    this.track?.stop();
    this.track = null;
    this.paint(0);
  }

  private adopt(track: MediaStreamTrack): void {
    this.release();
    this.track = track;
    this.allow.hidden = true;
    this.hint.textContent = "Say something: the bar should move.";
    track.addEventListener("ended", () => {
      if (this.track !== track) return;
      this.release();
      this.onTrack(null);
    });
    this.meter = new LevelMeter(track);
    this.animation = requestAnimationFrame(this.draw);
    void this.refresh();
  }

  private async test(): Promise<void> {
    try {
      await this.open();
    } catch (error) {
      this.onProblem(asProblem(error));
    }
  }

  private async onChoice(): Promise<void> {
    this.preferences.set({ microphone: this.select.value || null });
    const wasOpen = this.track !== null;
    this.release();
    try {
      const track = await this.open();
      if (wasOpen) this.onTrack(track);
    } catch (error) {
      this.onProblem(asProblem(error));
    }
  }

  private async refresh(): Promise<void> {
    const choices = await listMicrophones();
    const wanted = this.track?.getSettings().deviceId ?? this.preferences.get().microphone;
    const options = choices.map(({ id, label }) => new Option(label, id, false, id === wanted));
    if (options.length === 0) options.push(new Option("Default microphone", ""));
    this.select.replaceChildren(...options);
  }

  private readonly draw = (): void => {
    const level = this.meter?.level() ?? 0;
    // Rises at once, falls slowly: the eye reads peaks.
    this.paint(Math.max(level, this.shown * 0.9));
    if (level > HEARD_LEVEL) this.hint.textContent = "We can hear you.";
    this.animation = requestAnimationFrame(this.draw);
  };

  private paint(level: number): void {
    if (Math.abs(level - this.shown) < 0.005) return;
    this.shown = level;
    this.bar.style.setProperty("--level", level.toFixed(3));
    this.meterRoot.setAttribute("aria-valuenow", String(Math.round(level * 100)));
    this.onLevel(level);
  }
}

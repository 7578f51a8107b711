// The microphone: permission, the list of devices, opening one, and how loud it is right now.
// Knows nothing of calls or of the page.

import { microphoneProblem } from "./microphone_problem.js";
import { insecureContext, unsupportedBrowser } from "./problem.js";

export type Permission = "granted" | "denied" | "prompt" | "unknown";

export interface MicrophoneChoice {
  readonly id: string;
  readonly label: string;
}

/** Throws a Problem when this page, in this browser, can never have a call. */
export function assertCallsPossible(): void {
  if (typeof RTCPeerConnection === "undefined" || typeof WebSocket === "undefined") throw unsupportedBrowser();
  if (!window.isSecureContext) throw insecureContext();
  if (navigator.mediaDevices === undefined) throw unsupportedBrowser();
}

export async function microphonePermission(): Promise<Permission> {
  try {
    // Firefox knows this name only since version 132, and throws before.
    return (await navigator.permissions.query({ name: "microphone" as PermissionName })).state;
  } catch {
    return "unknown";
  }
}

/** The microphones that the browser is willing to name; before permission that is an empty list. */
export async function listMicrophones(): Promise<MicrophoneChoice[]> {
  if (navigator.mediaDevices === undefined) return [];
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  return devices
    .filter((device) => device.kind === "audioinput" && device.deviceId !== "")
    .map((device, index) => ({ id: device.deviceId, label: device.label || `Microphone ${index + 1}` }));
}

/**
 * Opens a microphone; throws a Problem. A remembered device that is no longer there falls back to the default one.
 * Echo cancellation is asked for because the avatar's voice may come out of loudspeakers next to the microphone.
 */
export async function openMicrophone(deviceId: string | null): Promise<MediaStreamTrack> {
  assertCallsPossible();
  const audio: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  try {
    return await capture(deviceId === null ? audio : { ...audio, deviceId: { exact: deviceId } });
  } catch (error) {
    const name = error instanceof Error ? error.name : "";
    if (deviceId !== null && (name === "OverconstrainedError" || name === "NotFoundError")) {
      return openMicrophone(null);
    }
    throw microphoneProblem(error, navigator.userAgent, await microphonePermission());
  }
}

async function capture(audio: MediaTrackConstraints): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const track = stream.getAudioTracks()[0];
  if (track === undefined) throw new DOMException("no audio track", "NotFoundError");
  track.contentHint = "speech";
  return track;
}

/** Silence and full scale of the meter, in dBFS: quiet rooms sit near the lower end, speech in the upper half. */
const FLOOR_DBFS = -60;
const CEILING_DBFS = -6;

/** Mean power of samples in -1..1, as a position 0..1 on the meter. */
export function meterLevel(samples: Float32Array): number {
  let power = 0;
  for (const sample of samples) power += sample * sample;
  const dbfs = 10 * Math.log10(power / Math.max(1, samples.length) + 1e-12);
  return Math.min(1, Math.max(0, (dbfs - FLOOR_DBFS) / (CEILING_DBFS - FLOOR_DBFS)));
}

/** How loud a track is. Holds an audio context until `close()`. */
export class LevelMeter {
  private readonly context = new AudioContext();
  private readonly analyser = this.context.createAnalyser();
  private readonly samples: Float32Array<ArrayBuffer>;
  private readonly source: MediaStreamAudioSourceNode;

  constructor(track: MediaStreamTrack) {
    this.analyser.fftSize = 1024;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.source = this.context.createMediaStreamSource(new MediaStream([track]));
    this.source.connect(this.analyser);
  }

  /** 0 (silence) to 1 (full scale), over the last 20 ms. */
  level(): number {
    this.analyser.getFloatTimeDomainData(this.samples);
    return meterLevel(this.samples);
  }

  /** Browsers hold an audio context back until the first click or key: call this on one. */
  resume(): void {
    if (this.context.state === "suspended") void this.context.resume();
  }

  close(): void {
    this.source.disconnect();
    void this.context.close();
  }
}

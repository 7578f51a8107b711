// What the page remembers between visits, in localStorage. A browser that forbids storage only forgets.

export interface Preferences {
  readonly avatar: string | null;
  readonly microphone: string | null;
  /** Whether the avatar's voice is heard. */
  readonly sound: boolean;
  readonly statsOpen: boolean;
  readonly moodOpen: boolean;
  /** The preset of the last call; emotions are not kept, they are of the moment. */
  readonly preset: string;
  /** The note about hearing oneself late has been read. */
  readonly echoHintSeen: boolean;
}

const KEY = "visavis";
const DEFAULTS: Preferences = { avatar: null, microphone: null, sound: true, statsOpen: false, moodOpen: false, preset: "", echoHintSeen: false };

/** Reads what was stored; anything missing, of the wrong type or unreadable is the default. */
export function readPreferences(stored: string | null): Preferences {
  let found: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(stored ?? "{}");
    if (typeof parsed === "object" && parsed !== null) found = parsed as Record<string, unknown>;
  } catch {
    // Written by something else: start afresh.
  }
  const text = (name: string): string | null => (typeof found[name] === "string" ? (found[name] as string) : null);
  const flag = (name: "sound" | "statsOpen" | "moodOpen" | "echoHintSeen"): boolean =>
    typeof found[name] === "boolean" ? (found[name] as boolean) : DEFAULTS[name];
  return {
    avatar: text("avatar"),
    microphone: text("microphone"),
    sound: flag("sound"),
    statsOpen: flag("statsOpen"),
    moodOpen: flag("moodOpen"),
    preset: text("preset") ?? "",
    echoHintSeen: flag("echoHintSeen"),
  };
}

export class PreferenceStore {
  private current: Preferences;

  constructor() {
    let stored: string | null = null;
    try {
      stored = localStorage.getItem(KEY);
    } catch {
      // Storage is switched off.
    }
    this.current = readPreferences(stored);
  }

  get(): Preferences {
    return this.current;
  }

  set(change: Partial<Preferences>): void {
    this.current = { ...this.current, ...change };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.current));
    } catch {
      // Full or switched off.
    }
  }
}

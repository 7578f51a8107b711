// The panel for how the avatar is to be: emotion, strength, the voice's own feeling, manner. Tells what was chosen.

import { EMOTIONS, type Emotion, type Mood, type MoodChange, type Moods } from "../protocol.js";
import { byId } from "./dom.js";

/** A slider sends at most so often while it is dragged. */
const DRAG_MS = 150;

export class MoodPanel {
  onChange: (change: MoodChange) => void = () => undefined;
  private readonly root = byId("mood-panel", HTMLElement);
  private readonly emotions = byId("mood-emotions", HTMLDivElement);
  private readonly strength = byId("mood-strength", HTMLInputElement);
  private readonly strengthText = byId("mood-strength-text", HTMLOutputElement);
  private readonly fromVoice = byId("mood-voice", HTMLInputElement);
  private readonly preset = byId("mood-preset", HTMLSelectElement);
  private readonly about = byId("mood-about", HTMLParagraphElement);
  private moods: Moods = { emotions: EMOTIONS, presets: [] };
  private waiting = 0;

  constructor() {
    this.emotions.addEventListener("change", (event) => {
      if (event.target instanceof HTMLInputElement) this.onChange({ emotion: event.target.value as Emotion });
      this.describe();
    });
    this.strength.addEventListener("input", () => {
      this.describe();
      if (this.waiting === 0) this.waiting = window.setTimeout(() => this.sendStrength(), DRAG_MS);
    });
    this.fromVoice.addEventListener("change", () => this.onChange({ from_voice: this.fromVoice.checked }));
    this.preset.addEventListener("change", () => {
      this.onChange({ preset: this.preset.value });
      this.describe();
    });
    this.offer(this.moods);
  }

  toggle(open: boolean): void {
    this.root.hidden = !open;
  }

  /** What the server knows. */
  offer(moods: Moods): void {
    const chosen = this.preset.value;
    this.moods = moods;
    this.emotions.replaceChildren(...moods.emotions.map(choice));
    const options = moods.presets.map(({ id, title }) => new Option(title, id));
    this.preset.replaceChildren(new Option("Own manner", ""), ...options);
    this.preset.value = moods.presets.some(({ id }) => id === chosen) ? chosen : "";
    this.describe();
  }

  /** Shows what holds now, whoever set it. */
  show(mood: Mood): void {
    for (const input of this.emotions.querySelectorAll("input")) input.checked = input.value === mood.emotion;
    if (this.waiting === 0) this.strength.value = String(Math.round(mood.strength * 100));
    this.fromVoice.checked = mood.from_voice;
    this.preset.value = mood.preset;
    this.describe();
  }

  private sendStrength(): void {
    this.waiting = 0;
    this.onChange({ strength: Number(this.strength.value) / 100 });
  }

  private describe(): void {
    this.strengthText.value = `${this.strength.value} %`;
    this.strength.disabled = this.emotions.querySelector<HTMLInputElement>("input:checked")?.value === "neutral";
    this.about.textContent = this.moods.presets.find(({ id }) => id === this.preset.value)?.about ?? "";
  }
}

function choice(emotion: Emotion): HTMLLabelElement {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "emotion", value: emotion });
  input.checked = emotion === "neutral";
  const words = document.createElement("span");
  words.textContent = emotion;
  label.append(input, words);
  return label;
}

// What the page does: lobby, call, and the way back from every problem. Each part looks after its own elements.

import type { AvatarClient, Phase } from "./client.js";
import type { PreferenceStore } from "./preferences.js";
import { asProblem, Problem } from "./problem.js";
import type { Avatar } from "./protocol.js";
import { planRetry } from "./retry.js";
import { AccessDialog } from "./ui/access_dialog.js";
import { AvatarDetails } from "./ui/avatar_details.js";
import { CheckDialog } from "./ui/check_dialog.js";
import { Controls, type Toggle } from "./ui/controls.js";
import { announce, byId } from "./ui/dom.js";
import { Gallery } from "./ui/gallery.js";
import { MicrophonePicker } from "./ui/microphone_picker.js";
import { MoodPanel } from "./ui/mood_panel.js";
import { Notices, type Action, type Countdown } from "./ui/notices.js";
import { ServerSign } from "./ui/server_sign.js";
import { PictureInPicture } from "./ui/picture_in_picture.js";
import { SpeakerPicker } from "./ui/speaker_picker.js";
import { Stage } from "./ui/stage.js";
import { StateChip } from "./ui/state_chip.js";
import { StatsOverlay } from "./ui/stats_overlay.js";
import { UploadDialog } from "./ui/upload_dialog.js";

/** Problems of the way to the server, which the connection check looks into. */
const OF_THE_WAY = new Set([
  "udp_blocked",
  "turn_unreachable",
  "turn_refused",
  "relay_blocked",
  "calls_forbidden",
  "connection_failed",
  "negotiation_timeout",
]);

export class CallPage {
  private readonly url = (path: string): string => this.client.api.url(path);
  private readonly gallery = new Gallery(this.url);
  private readonly details = new AvatarDetails();
  private readonly stage = new Stage(this.url);
  private readonly people = new SpeakerPicker();
  private readonly chip = new StateChip();
  private readonly overlay = new StatsOverlay();
  private readonly mood = new MoodPanel();
  private readonly notices = new Notices();
  private readonly sign = new ServerSign();
  private readonly access = new AccessDialog(this.client.api);
  private readonly pip = new PictureInPicture();
  private readonly check = new CheckDialog(this.client.api);
  private readonly microphone: MicrophonePicker;
  private readonly controls: Controls;
  private readonly upload: UploadDialog;
  private readonly start = byId("start", HTMLButtonElement);
  private readonly hear = byId("hear", HTMLInputElement);
  private attempts = 0;
  private loads = 0;
  private callsPossible = true;
  private forbidden: Problem | null = null;
  private wake: WakeLockSentinel | null = null;

  constructor(
    private readonly client: AvatarClient,
    private readonly preferences: PreferenceStore,
  ) {
    this.microphone = new MicrophonePicker(preferences);
    this.controls = new Controls(this.stage.root);
    this.upload = new UploadDialog((photo, name, by) => this.client.api.addAvatar(photo, name, true, by));
    this.bindLobby();
    this.bindCall();
    this.setSound(preferences.get().sound);
    this.setStats(preferences.get().statsOpen);
    this.setMoodPanel(preferences.get().moodOpen);
  }

  /** Says why there can be no call here; the gallery still works. */
  forbidCalls(problem: Problem): void {
    this.callsPossible = false;
    this.forbidden = problem;
    this.microphone.forbid();
    this.notices.show(problem, [this.checkAction()]);
  }

  /** Begins; with a token of a link, which is taken out of the address, logs in first. */
  async enter(token: string | null): Promise<void> {
    if (token !== null) {
      history.replaceState(null, "", location.pathname + location.search);
      try {
        await this.client.api.logIn(token);
      } catch (error) {
        this.access.open(asProblem(error));
        return;
      }
    }
    await this.load();
  }

  /** Asks the server for its settings and avatars, again and again until it answers. */
  async load(wanted: string | null = this.preferences.get().avatar): Promise<void> {
    try {
      const [config, avatars, moods] = await Promise.all([this.client.settings(), this.client.avatars(), this.client.api.moods()]);
      this.loads = 0;
      const { scopes } = await this.client.api.access();
      const mayManage = scopes.includes("manage");
      byId("add", HTMLButtonElement).hidden = !mayManage;
      this.details.removable = mayManage;
      this.upload.limit(config.max_photo_bytes);
      byId("badge", HTMLSpanElement).hidden = !config.badge;
      this.upload.needName(config.consent_name);
      this.sign.reachable(config);
      this.gallery.show(avatars, wanted);
      this.mood.offer(moods);
      this.start.disabled = avatars.length === 0 || !this.callsPossible;
      if (this.callsPossible) await this.microphone.prepare();
    } catch (error) {
      const problem = asProblem(error);
      if (problem.code === "unauthorized") {
        this.access.open();
        return;
      }
      this.sign.unreachable();
      const again: Action = { text: "Try now", run: () => void this.load(wanted) };
      const plan = planRetry(problem, Math.min(this.loads++, 4));
      this.notices.show(problem, [again], plan && countdown(plan.wait_s, "Looking again", again.run));
    }
  }

  private bindLobby(): void {
    this.gallery.onSelect = (avatar) => {
      this.stage.show(avatar);
      this.details.show(avatar);
      this.people.offer(avatar.faces);
      this.preferences.set({ avatar: avatar.id });
    };
    this.access.onEntered = () => void this.load();
    this.details.onRemove = (avatar) => void this.remove(avatar);
    byId("add", HTMLButtonElement).addEventListener("click", () => this.upload.open());
    this.upload.onAdded = (avatar) => {
      announce(`${avatar.name} is ready. ${avatar.notes.join(" ")}`);
      void this.load(avatar.id).then(() => this.start.focus());
    };
    this.microphone.onProblem = (problem) => this.notices.show(problem, [this.dismiss()]);
    this.microphone.onLevel = (level) => this.controls.level(level);
    this.microphone.onTrack = (track) => void this.onMicrophone(track);
    byId("check-open", HTMLButtonElement).addEventListener("click", () => this.check.open());
    this.check.onDone = () => {
      if (this.forbidden !== null) this.notices.show(this.forbidden, [this.checkAction()]);
      else if (this.client.phase === "idle") void this.microphone.prepare();
    };
    this.hear.addEventListener("change", () => this.setSound(this.hear.checked));
    this.start.addEventListener("click", (event) => {
      this.attempts = 0;
      void this.call(event.timeStamp);
    });
  }

  private bindCall(): void {
    const { client } = this;
    client.on("phase", (phase) => this.onPhase(phase));
    client.on("state", ({ state }) => this.chip.show(client.phase, state));
    client.on("mood", (mood) => {
      this.mood.show(mood);
      this.preferences.set({ preset: mood.preset });
    });
    this.mood.onChange = (change) => client.setMood(change);
    client.on("speaker", (person) => this.people.show(person));
    this.people.onChoose = (person) => client.setSpeaker(person);
    client.on("firstframe", () => this.onFirstFrame());
    client.on("stats", (stats) => this.overlay.show(stats));
    client.on("problem", ({ problem, fatal }) => (fatal ? this.onFailure(problem) : this.notices.show(problem, [this.dismiss()])));
    client.on("soundblocked", () => {
      this.controls.set("speaker", false);
      this.notices.hint("The browser holds the sound back.", { text: "Play sound", run: () => this.setSound(true) }, 30);
    });
    this.controls.onToggle = (toggle, on) => this.onToggle(toggle, on);
    this.controls.onInterrupt = () => {
      client.interrupt();
      announce("Interrupted");
    };
    byId("stop", HTMLButtonElement).addEventListener("click", () => {
      client.stop();
      announce("The call has ended");
      this.start.focus();
    });
    // A tab that goes away must not hold its place on the server until a timeout.
    window.addEventListener("pagehide", () => client.stop());
    document.addEventListener("visibilitychange", () => this.onVisibility());
  }

  private async call(clicked_ms: number): Promise<void> {
    const avatar = this.gallery.selected;
    if (avatar === null || this.client.phase !== "idle") return;
    this.notices.clear();
    this.start.disabled = true;
    try {
      const voice = await this.microphone.open();
      await this.client.start(avatar.id, { voice, clicked_ms, speaker: this.people.person });
    } catch (error) {
      // The client announces its own problems; the microphone's are ours.
      if (this.client.phase === "idle" && !this.notices.shown) this.onFailure(asProblem(error));
    } finally {
      this.start.disabled = false;
    }
  }

  private onPhase(phase: Phase): void {
    document.body.dataset["phase"] = phase;
    document.title = phase === "idle" ? "visavis" : "In a call · visavis";
    this.chip.show(phase, this.client.state);
    this.upload.enabled = phase === "idle";
    byId("lobby", HTMLElement).inert = phase !== "idle";
    if (phase === "connecting") {
      this.overlay.reset();
      this.controls.set("mute", false);
      this.controls.set("attend", false);
      this.mood.show({ emotion: "neutral", strength: 1, from_voice: false, preset: "" });
      this.client.mute(false);
      byId("stop", HTMLButtonElement).focus({ preventScroll: true });
    }
    if (phase === "idle") {
      this.stage.conceal();
      const avatar = this.gallery.selected;
      if (avatar !== null) this.people.offer(avatar.faces, this.people.person);
      this.notices.clearHint();
      this.pip.close();
      void this.wake?.release();
      this.wake = null;
    }
  }

  private onFirstFrame(): void {
    this.attempts = 0;
    const { preset } = this.preferences.get();
    if (preset !== "") this.client.setMood({ preset });
    const { session } = this.client;
    if (session !== null) {
      this.stage.reveal(session);
      this.people.offer(session.faces, session.speaker);
    }
    this.keepAwake();
    if (this.preferences.get().echoHintSeen || this.client.video.muted) return;
    this.preferences.set({ echoHintSeen: true });
    const quiet: Action = { text: "Sound off", run: () => this.setSound(false) };
    this.notices.hint("That is you, a moment late. Distracting?", quiet, 12);
  }

  /** A call ended, or did not begin, through a problem: say so, and offer the way back. */
  private onFailure(problem: Problem): void {
    if (problem.code === "unauthorized") {
      this.access.open();
      return;
    }
    const plan = this.callsPossible ? planRetry(problem, this.attempts) : null;
    this.attempts += 1;
    const again = (): void => void this.call(performance.now());
    const reconnects = problem.code === "connection_lost";
    const actions: Action[] = [{ text: reconnects ? "Reconnect now" : "Try again", run: again }];
    if (problem.code === "no_microphone") {
      actions.push({ text: "Continue without", run: () => void this.callSilently() });
    } else if (OF_THE_WAY.has(problem.code)) actions.push(this.checkAction());
    else actions.push(plan === null ? this.dismiss() : { text: "Cancel", run: () => this.start.focus() });
    const words = reconnects ? "Reconnecting" : "Trying again";
    if (plan?.wait_s === 0) {
      // Not from in here: whoever is still busy with the lost call is to find that it has been taken care of.
      this.notices.show(problem, actions);
      window.setTimeout(() => this.notices.shown && again());
      return;
    }
    this.notices.show(problem, actions, plan && countdown(plan.wait_s, words, again));
  }

  private async callSilently(): Promise<void> {
    const avatar = this.gallery.selected;
    if (avatar !== null) await this.client.start(avatar.id, { voice: null, speaker: this.people.person }).catch(() => undefined);
  }

  private async onMicrophone(track: MediaStreamTrack | null): Promise<void> {
    await this.client.setVoice(track);
    if (track !== null || this.client.phase === "idle") return;
    const lost = new Problem("microphone_lost", "The microphone was unplugged.", "Plug it in again, or use another one.");
    const reopen = (): void => {
      this.microphone.open().then((found) => this.client.setVoice(found), (error) => this.notices.show(asProblem(error), [this.dismiss()]));
    };
    this.notices.show(lost, [{ text: "Use another one", run: reopen }, this.dismiss()]);
  }

  private onToggle(toggle: Toggle, on: boolean): void {
    if (toggle === "mute") {
      this.client.mute(on);
      announce(on ? "Microphone muted" : "Microphone on");
    }
    if (toggle === "attend") this.client.attend(on);
    if (toggle === "speaker") this.setSound(on);
    if (toggle === "stats") this.setStats(on);
    if (toggle === "mood") this.setMoodPanel(on);
  }

  private setSound(on: boolean): void {
    this.client.speaker(on);
    this.controls.set("speaker", on);
    this.hear.checked = on;
    this.preferences.set({ sound: on });
  }

  private setStats(open: boolean): void {
    this.controls.set("stats", open);
    this.overlay.toggle(open);
    if (open) this.overlay.show(this.client.stats());
    this.preferences.set({ statsOpen: open });
  }

  private setMoodPanel(open: boolean): void {
    this.controls.set("mood", open);
    this.mood.toggle(open);
    this.preferences.set({ moodOpen: open });
  }

  private async remove(avatar: Avatar): Promise<void> {
    try {
      await this.client.api.removeAvatar(avatar.id);
      announce(`${avatar.name} is deleted`);
      await this.load();
    } catch (error) {
      this.notices.show(asProblem(error), [this.dismiss()]);
    }
  }

  private onVisibility(): void {
    if (this.client.phase !== "idle") {
      if (!document.hidden) this.keepAwake();
    } else if (document.hidden) {
      // The lobby does not listen behind the person's back.
      this.microphone.release();
    } else if (this.callsPossible) {
      void this.microphone.prepare();
    }
  }

  private keepAwake(): void {
    navigator.wakeLock?.request("screen").then(
      (lock) => (this.wake = lock),
      () => undefined,
    );
  }

  private checkAction(): Action {
    return { text: "Check my connection", run: () => this.check.open() };
  }

  private dismiss(): Action {
    return { text: "Dismiss", run: () => undefined };
  }
}

function countdown(wait_s: number, what: string, run: () => void): Countdown {
  return { wait_s, words: (left_s) => `${what} in ${left_s} s`, run };
}

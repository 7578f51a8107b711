// The dialog that turns a photo into an avatar: browse, drop or paste; a name; the consent tick; progress and errors.

import { asProblem, Problem } from "../problem.js";
import type { Avatar } from "../protocol.js";
import { announce, byId } from "./dom.js";

/** `consentBy`: who says that the person agrees. */
export type SendPhoto = (photo: File, name: string, consentBy: string) => Promise<Avatar>;

const MEGABYTE = 1_000_000;

export class UploadDialog {
  onAdded: (avatar: Avatar) => void = () => undefined;
  /** False while a call runs: a photo dropped then is not taken. */
  enabled = true;
  private readonly dialog = byId("upload", HTMLDialogElement);
  private readonly drop = byId("drop", HTMLLabelElement);
  private readonly input = byId("photo", HTMLInputElement);
  private readonly preview = byId("drop-preview", HTMLImageElement);
  private readonly change = byId("drop-change", HTMLSpanElement);
  private readonly name = byId("photo-name", HTMLInputElement);
  private readonly consent = byId("consent", HTMLInputElement);
  private readonly consentBy = byId("consent-by", HTMLInputElement);
  private readonly error = byId("upload-error", HTMLDivElement);
  private readonly submit = byId("upload-send", HTMLButtonElement);
  private readonly submitText = byId("upload-send-text", HTMLSpanElement);
  private photo: File | null = null;
  private maxBytes = Infinity;
  private nameNeeded = false;
  private busy = false;

  constructor(private readonly send: SendPhoto) {
    byId("upload-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.onSubmit();
    });
    for (const id of ["upload-close", "upload-cancel"]) {
      byId(id, HTMLButtonElement).addEventListener("click", () => this.dialog.close());
    }
    this.dialog.addEventListener("close", () => this.clear());
    this.dialog.addEventListener("cancel", (event) => {
      if (this.busy) event.preventDefault();
    });
    this.input.addEventListener("change", () => this.take(this.input.files?.[0]));
    this.consent.addEventListener("change", () => this.showError(null));
    this.acceptDrops();
    document.addEventListener("paste", (event) => this.onPaste(event));
  }

  limit(maxBytes: number): void {
    this.maxBytes = maxBytes;
    byId("drop-limit", HTMLSpanElement).textContent = `JPEG, PNG or WebP, up to ${Math.floor(maxBytes / MEGABYTE)} MB`;
  }

  /** Whoever uploads must say who they are. */
  needName(needed: boolean): void {
    this.nameNeeded = this.consentBy.required = needed;
    byId("consent-name-hint", HTMLElement).textContent = needed ? "(kept with the avatar)" : "(kept with the avatar; optional)";
  }

  open(): void {
    if (!this.dialog.open) this.dialog.showModal();
  }

  private acceptDrops(): void {
    // The whole page takes a photo: aiming at a dashed box is a chore.
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    document.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      document.body.classList.toggle("dropping", this.enabled);
    });
    document.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) document.body.classList.remove("dropping");
    });
    document.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      document.body.classList.remove("dropping");
      this.offer(event.dataTransfer?.files[0]);
    });
  }

  private onPaste(event: ClipboardEvent): void {
    const file = [...(event.clipboardData?.files ?? [])][0];
    if (file !== undefined) this.offer(file);
  }

  private offer(file: File | undefined): void {
    if (!this.enabled || this.busy || file === undefined) return;
    this.open();
    this.take(file);
  }

  private take(file: File | undefined): void {
    if (file === undefined || this.busy) return;
    this.showError(photoProblem(file.type, file.size, this.maxBytes));
    if (!this.error.hidden) return;
    this.photo = file;
    if (this.preview.src) URL.revokeObjectURL(this.preview.src);
    this.preview.src = URL.createObjectURL(file);
    this.preview.hidden = this.change.hidden = false;
    this.drop.classList.add("filled");
    if (this.name.value.trim() === "") this.name.value = nameFromFile(file.name);
  }

  private async onSubmit(): Promise<void> {
    if (this.busy) return;
    if (this.photo === null) {
      this.showError(new Problem("no_photo", "No photo is chosen yet.", "Drop, paste or browse for one above."));
      this.input.focus();
      return;
    }
    if (!this.consent.checked) {
      this.showError(new Problem("no_consent", "The consent tick is missing.", "Tick the box above if it is true."));
      this.consent.focus();
      return;
    }
    if (this.nameNeeded && this.consentBy.value.trim() === "") {
      this.showError(new Problem("no_consent_name", "Your name is missing.", "It is kept with the avatar, as the name of who says so."));
      this.consentBy.focus();
      return;
    }
    this.setBusy(true);
    try {
      const name = this.name.value.trim() || nameFromFile(this.photo.name);
      const avatar = await this.send(this.photo, name, this.consentBy.value.trim());
      this.setBusy(false);
      this.dialog.close();
      this.onAdded(avatar);
    } catch (error) {
      this.setBusy(false);
      this.showError(asProblem(error));
    }
  }

  private setBusy(busy: boolean): void {
    this.busy = busy;
    this.dialog.classList.toggle("busy", busy);
    this.dialog.setAttribute("aria-busy", String(busy));
    this.submitText.textContent = busy ? "Studying the face…" : "Create avatar";
    if (busy) {
      this.showError(null);
      announce("Studying the face. This takes a few seconds.");
    }
    for (const field of [this.submit, this.input, this.name, this.consentBy, this.consent]) field.disabled = busy;
    for (const id of ["upload-close", "upload-cancel"]) byId(id, HTMLButtonElement).disabled = busy;
  }

  private showError(problem: Problem | null): void {
    this.error.hidden = problem === null;
    if (problem === null) return;
    const what = Object.assign(document.createElement("strong"), { textContent: problem.message });
    this.error.replaceChildren(what, ` ${problem.remedy}`);
  }

  private clear(): void {
    this.photo = null;
    byId("upload-form", HTMLFormElement).reset();
    if (this.preview.src) URL.revokeObjectURL(this.preview.src);
    this.preview.removeAttribute("src");
    this.preview.hidden = this.change.hidden = true;
    this.drop.classList.remove("filled");
    this.showError(null);
  }
}

/** What is wrong with a file before it is sent; the server looks at the picture itself. */
export function photoProblem(type: string, size_bytes: number, max_bytes: number): Problem | null {
  if (type !== "" && !type.startsWith("image/")) {
    return new Problem("not_an_image", "That file is not a picture.", "Use a photo as JPEG, PNG or WebP.");
  }
  if (size_bytes > max_bytes) {
    const size = (size_bytes / MEGABYTE).toFixed(1);
    const limit = Math.floor(max_bytes / MEGABYTE);
    return new Problem(
      "photo_too_large",
      `The photo is ${size} MB; this server takes up to ${limit} MB.`,
      "Save it smaller, or as JPEG.",
    );
  }
  return null;
}

/** "anna_at-the.lake.jpg" → "anna at the lake". */
export function nameFromFile(file: string): string {
  const stem = file.replace(/\.[^.]*$/, "").replace(/[_\-.\s]+/g, " ").trim();
  return stem === "" ? "My photo" : stem.slice(0, 60);
}

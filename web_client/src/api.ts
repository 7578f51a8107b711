// The HTTP API as functions. Every failure is thrown as a Problem. Knows nothing of media or the page.

import { problemOfAnswer, unreachable } from "./problem.js";
import {
  readAvatar,
  readAvatars,
  readConfig,
  readSession,
  type Avatar,
  type ServerConfig,
  type Session,
} from "./protocol.js";

export class Api {
  /** `base` is where the server lives: the page's own folder, or another origin that allows this one. */
  constructor(readonly base: URL) {}

  async config(): Promise<ServerConfig> {
    return readConfig(await this.ask("GET", "v1/config"));
  }

  async avatars(): Promise<Avatar[]> {
    return readAvatars(await this.ask("GET", "v1/avatars"));
  }

  async addAvatar(photo: Blob, name: string, consent: boolean): Promise<Avatar> {
    const form = new FormData();
    form.set("photo", photo, photo instanceof File ? photo.name : "photo");
    form.set("name", name);
    form.set("consent", String(consent));
    return readAvatar(await this.ask("POST", "v1/avatars", form));
  }

  async removeAvatar(id: string): Promise<void> {
    await this.ask("DELETE", `v1/avatars/${encodeURIComponent(id)}`);
  }

  async openSession(avatarId: string): Promise<Session> {
    return readSession(await this.ask("POST", "v1/sessions", { avatar_id: avatarId }));
  }

  /** Ends a session that no call has joined. A session that is gone already is no error. */
  async closeSession(id: string): Promise<void> {
    await this.ask("DELETE", `v1/sessions/${encodeURIComponent(id)}`).catch(() => undefined);
  }

  /** An address that the server gave (a path), made absolute. */
  url(path: string): string {
    return new URL(path, this.base).href;
  }

  signalUrl(session: Session): string {
    const url = new URL(session.signal_url, this.base);
    url.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:";
    return url.href;
  }

  private async ask(method: string, path: string, body?: FormData | object): Promise<unknown> {
    const init: RequestInit = { method, headers: { Accept: "application/json" } };
    if (body instanceof FormData) {
      init.body = body;
    } else if (body !== undefined) {
      init.headers = { Accept: "application/json", "Content-Type": "application/json" };
      init.body = JSON.stringify(body);
    }
    let answer: Response;
    try {
      answer = await fetch(new URL(path, this.base), init);
    } catch {
      throw unreachable();
    }
    const content: unknown = answer.status === 204 ? null : await answer.json().catch(() => null);
    if (!answer.ok) throw problemOfAnswer(answer.status, content, answer.headers.get("Retry-After"));
    return content;
  }
}

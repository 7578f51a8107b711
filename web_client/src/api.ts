// The HTTP API as functions. Every failure is thrown as a Problem. Knows nothing of media or the page.

import { readAccess, type Access } from "./access.js";
import { problemOfAnswer, unreachable } from "./problem.js";
import {
  readAvatar,
  readAvatars,
  readCheckAnswer,
  readConfig,
  readHealth,
  readMoods,
  readSession,
  readWatched,
  type Avatar,
  type Format,
  type Health,
  type Moods,
  type ServerConfig,
  type Session,
  type Watched,
} from "./protocol.js";

export class Api {
  /** `base` is where the server lives: the page's own folder, or another origin that allows this one. */
  constructor(
    readonly base: URL,
    /** The server's bearer token, where it asks for one. */
    readonly token: string | null = null,
  ) {}

  async config(): Promise<ServerConfig> {
    return readConfig(await this.ask("GET", "v1/config"));
  }

  /** What may be done here with what this browser has. */
  async access(): Promise<Access> {
    return readAccess(await this.ask("GET", "v1/access"));
  }

  /** Takes a key or a token; a cookie that no script can read stands for it from now on. */
  async logIn(key: string): Promise<Access> {
    return readAccess(await this.ask("POST", "v1/access", { key }));
  }

  async avatars(): Promise<Avatar[]> {
    return readAvatars(await this.ask("GET", "v1/avatars"));
  }

  /** `consentBy` names who says that the person agrees. */
  async addAvatar(photo: Blob, name: string, consent: boolean, consentBy = ""): Promise<Avatar> {
    const form = new FormData();
    form.set("photo", photo, photo instanceof File ? photo.name : "photo");
    form.set("name", name);
    form.set("consent", String(consent));
    if (consentBy !== "") form.set("consent_by", consentBy);
    return readAvatar(await this.ask("POST", "v1/avatars", form));
  }

  async removeAvatar(id: string): Promise<void> {
    await this.ask("DELETE", `v1/avatars/${encodeURIComponent(id)}`);
  }

  /** `show` is a name under which others find it, `speaker` the number of whoever in the picture is to speak. */
  async openSession(avatarId: string, show: string | null = null, speaker = 0, format: Format | null = null): Promise<Session> {
    const more = { ...(show === null ? {} : { show }), ...(speaker === 0 ? {} : { speaker }), ...(format === null ? {} : { format }) };
    const wanted = { avatar_id: avatarId, ...more };
    return readSession(await this.ask("POST", "v1/sessions", wanted));
  }

  /** A session that may be watched, by its show's name, watch id or own id. */
  async watched(id: string): Promise<Watched> {
    return readWatched(await this.ask("GET", `v1/watch/${encodeURIComponent(id)}`));
  }

  /** Ends a session that no call has joined. A session that is gone already is no error. */
  async closeSession(id: string): Promise<void> {
    await this.ask("DELETE", `v1/sessions/${encodeURIComponent(id)}`).catch(() => undefined);
  }

  async moods(): Promise<Moods> {
    return readMoods(await this.ask("GET", "v1/moods"));
  }

  async health(): Promise<Health> {
    return readHealth(await this.ask("GET", "healthz"));
  }

  /** Offers the server a data channel that echoes; its answer's SDP. */
  async checkConnection(sdp: string): Promise<string> {
    return readCheckAnswer(await this.ask("POST", "v1/connection-checks", { sdp }));
  }

  /** An address that the server gave (a path), made absolute. */
  url(path: string): string {
    return new URL(path, this.base).href;
  }

  signalUrl(session: Session): string {
    return this.socketUrl(session.signal_url);
  }

  /** The WebSocket on which those who watch a session hear of it, under any of its names. */
  eventsUrl(name: string): string {
    return this.socketUrl(`v1/watch/${encodeURIComponent(name)}/events`);
  }

  /** A path as the address of a WebSocket. */
  socketUrl(path: string): string {
    const url = new URL(path, this.base);
    url.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:";
    return url.href;
  }

  private async ask(method: string, path: string, body?: FormData | object): Promise<unknown> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (this.token !== null) headers["Authorization"] = `Bearer ${this.token}`;
    const init: RequestInit = { method, headers };
    if (body instanceof FormData) {
      init.body = body;
    } else if (body !== undefined) {
      headers["Content-Type"] = "application/json";
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

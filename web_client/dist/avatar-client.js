// src/protocol.ts
var EMOTIONS = ["neutral", "happy", "sad", "angry", "surprised", "calm", "afraid", "disgusted"];
var ProtocolError = class extends Error {
  constructor() {
    super(...arguments);
    this.name = "ProtocolError";
  }
};
var STATES = ["idle", "listening", "speaking"];
var REASONS = ["client", "expired", "shutdown", "failed", "deleted"];
function readServerMessage(value) {
  const fields = record(value, "message");
  switch (fields["type"]) {
    case "answer":
      return { type: "answer", sdp: text(fields, "sdp"), ai_generated: bool(fields, "ai_generated") };
    case "state":
      return { type: "state", state: oneOf(fields, "state", STATES), epoch: number(fields, "epoch") };
    case "mood":
      return { type: "mood", ...readMood(fields) };
    case "speaker":
      return { type: "speaker", person: number(fields, "person") };
    case "stats":
      return readStats(fields);
    case "pong":
      return { type: "pong", id: number(fields, "id") };
    case "error":
      return { type: "error", error: readErrorBody(fields["error"]) };
    case "bye":
      return { type: "bye", reason: oneOf(fields, "reason", REASONS) };
    default:
      throw new ProtocolError(`unknown message type ${JSON.stringify(fields["type"])}`);
  }
}
function readErrorBody(value) {
  const fields = record(value, "error");
  return { code: text(fields, "code"), message: text(fields, "message"), remedy: text(fields, "remedy") };
}
function readAvatar(value) {
  const fields = record(value, "avatar");
  const notes = fields["notes"];
  if (!Array.isArray(notes) || notes.some((note) => typeof note !== "string")) throw wrong("notes", "a list of text");
  return {
    id: text(fields, "id"),
    name: text(fields, "name"),
    width: number(fields, "width"),
    height: number(fields, "height"),
    builtin: bool(fields, "builtin"),
    notes,
    faces: readFaces(fields),
    image_url: text(fields, "image_url"),
    thumbnail_url: text(fields, "thumbnail_url")
  };
}
function readFaces(fields) {
  const faces = fields["faces"] ?? [];
  if (!Array.isArray(faces)) throw wrong("faces", "a list");
  return faces.map((face) => {
    const place = record(face, "face");
    return { x: number(place, "x"), y: number(place, "y"), width: number(place, "width") };
  });
}
function readAvatars(value) {
  const list = record(value, "answer")["avatars"];
  if (!Array.isArray(list)) throw wrong("avatars", "a list");
  return list.map(readAvatar);
}
function readSession(value) {
  const fields = record(value, "session");
  return {
    id: text(fields, "id"),
    avatar_id: text(fields, "avatar_id"),
    state: oneOf(fields, "state", STATES),
    epoch: number(fields, "epoch"),
    age_s: number(fields, "age_s"),
    signal_url: text(fields, "signal_url"),
    whep_url: text(fields, "whep_url"),
    width: number(fields, "width"),
    height: number(fields, "height"),
    speaker: fields["speaker"] === void 0 ? 0 : number(fields, "speaker"),
    faces: readFaces(fields)
  };
}
function readWatched(value) {
  const fields = record(value, "watched");
  const speech = record(fields["speech_to_lips_ms"], "speech_to_lips_ms");
  return {
    avatar_id: text(fields, "avatar_id"),
    state: oneOf(fields, "state", STATES),
    width: number(fields, "width"),
    height: number(fields, "height"),
    whep_url: text(fields, "whep_url"),
    voiced: bool(fields, "voiced"),
    alpha: bool(fields, "alpha"),
    speech_to_lips_ms: { p50: numberOrNull(speech, "p50"), p95: numberOrNull(speech, "p95") },
    time_ms: number(fields, "time_ms")
  };
}
function readConfig(value) {
  const fields = record(value, "config");
  const servers = fields["ice_servers"];
  if (!Array.isArray(servers)) throw wrong("ice_servers", "a list");
  return {
    version: text(fields, "version"),
    capacity: number(fields, "capacity"),
    max_photo_bytes: number(fields, "max_photo_bytes"),
    ice_servers: servers.map(readIceServer),
    ice_transport_policy: fields["ice_transport_policy"] === "relay" ? "relay" : "all",
    badge: bool(fields, "badge"),
    consent_name: fields["consent_name"] === void 0 ? false : bool(fields, "consent_name")
  };
}
function readHealth(value) {
  const fields = record(value, "health");
  return { sessions: number(fields, "sessions"), capacity: number(fields, "capacity") };
}
function readMood(value) {
  const fields = record(value, "mood");
  return {
    emotion: oneOf(fields, "emotion", EMOTIONS),
    strength: number(fields, "strength"),
    from_voice: bool(fields, "from_voice"),
    preset: text(fields, "preset")
  };
}
function readMoods(value) {
  const { emotions, presets } = record(value, "answer");
  if (!Array.isArray(emotions)) throw wrong("emotions", "a list");
  if (!Array.isArray(presets)) throw wrong("presets", "a list");
  return {
    // A newer server may know more than this page can name.
    emotions: EMOTIONS.filter((emotion) => emotions.includes(emotion)),
    presets: presets.map((preset) => {
      const fields = record(preset, "preset");
      return { id: text(fields, "id"), title: text(fields, "title"), about: text(fields, "about") };
    })
  };
}
function readCheckAnswer(value) {
  return text(record(value, "answer"), "sdp");
}
function readIceServer(value) {
  const fields = record(value, "ice server");
  const given = fields["urls"];
  const urls = typeof given === "string" ? [given] : given;
  if (!Array.isArray(urls) || urls.some((url) => typeof url !== "string")) throw wrong("urls", "a list of text");
  const { username, credential } = fields;
  return {
    urls,
    ...typeof username === "string" ? { username } : {},
    ...typeof credential === "string" ? { credential } : {}
  };
}
function readStats(fields) {
  const latency = record(fields["latency_ms"], "latency_ms");
  const frames = record(fields["frames"], "frames");
  return {
    type: "stats",
    fps: numberOrNull(fields, "fps"),
    latency_ms: { p50: numberOrNull(latency, "p50"), p95: numberOrNull(latency, "p95") },
    frames: { sent: number(frames, "sent"), repeated: number(frames, "repeated"), dropped: number(frames, "dropped") },
    bitrate_kbps: numberOrNull(fields, "bitrate_kbps"),
    rtt_ms: numberOrNull(fields, "rtt_ms"),
    loss: numberOrNull(fields, "loss")
  };
}
function record(value, name) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(name, "an object");
  return value;
}
function text(fields, name) {
  const value = fields[name];
  if (typeof value !== "string") throw wrong(name, "text");
  return value;
}
function number(fields, name) {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isFinite(value)) throw wrong(name, "a number");
  return value;
}
function numberOrNull(fields, name) {
  return fields[name] === null ? null : number(fields, name);
}
function bool(fields, name) {
  const value = fields[name];
  if (typeof value !== "boolean") throw wrong(name, "true or false");
  return value;
}
function oneOf(fields, name, allowed) {
  const value = fields[name];
  if (!allowed.includes(value)) throw wrong(name, `one of ${allowed.join(", ")}`);
  return value;
}
function wrong(name, expected) {
  return new ProtocolError(`${name} must be ${expected}`);
}

// src/access.ts
var SCOPES = ["call", "publish", "view", "manage", "metrics"];
function readAccess(value) {
  const { required, scopes } = value ?? {};
  if (typeof required !== "boolean" || !Array.isArray(scopes)) throw new ProtocolError("access is not what it should be");
  return { required, scopes: SCOPES.filter((scope) => scopes.includes(scope)) };
}
function socketProtocols(token) {
  return token === null ? [] : ["visavis.v1", `bearer.${token}`];
}

// src/problem.ts
var Problem = class _Problem extends Error {
  constructor(code, message, remedy, retryAfter_s = null) {
    super(message);
    this.code = code;
    this.remedy = remedy;
    this.retryAfter_s = retryAfter_s;
    this.name = "Problem";
  }
  static from(body, retryAfter_s = null) {
    return new _Problem(body.code, body.message, body.remedy, retryAfter_s);
  }
};
function asProblem(error) {
  if (error instanceof Problem) return error;
  if (error instanceof ProtocolError) {
    return new Problem(
      "bad_answer",
      "The server sent something this page does not understand.",
      "The page may be older than the server: reload it. If that does not help, restart the server."
    );
  }
  const detail = error instanceof Error ? error.message : String(error);
  return new Problem("unexpected", `Something went wrong: ${detail}`, "Try again; reload the page if it happens twice.");
}
function problemOfAnswer(status, body, retryAfter) {
  const seconds = retryAfterSeconds(retryAfter);
  const wrapped = typeof body === "object" && body !== null ? body.error : void 0;
  if (wrapped !== void 0) {
    try {
      return Problem.from(readErrorBody(wrapped), seconds);
    } catch {
    }
  }
  if (status === 413) {
    return new Problem("photo_too_large", "The photo is too large for this server.", "Use a smaller photo or a JPEG.");
  }
  if (status === 502 || status === 503 || status === 504) return unreachable(seconds);
  return new Problem("http_error", `The server answered with status ${status}.`, "Try again in a moment.", seconds);
}
function retryAfterSeconds(value, now_ms = Date.now()) {
  if (value === null || value.trim() === "") return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, Math.ceil(seconds));
  const date_ms = Date.parse(value);
  return Number.isNaN(date_ms) ? null : Math.max(0, Math.ceil((date_ms - now_ms) / 1e3));
}
function unreachable(retryAfter_s = null) {
  return new Problem(
    "server_unreachable",
    "The server cannot be reached.",
    "Check that it is running and that this device is on the same network.",
    retryAfter_s
  );
}
function insecureContext() {
  return new Problem(
    "insecure_context",
    "The microphone needs a secure connection.",
    "Browsers hand out the microphone only over HTTPS or on localhost. Open this page with https:// or, on the server's own machine, as http://localhost."
  );
}
function unsupportedBrowser() {
  return new Problem(
    "unsupported_browser",
    "This browser cannot make video calls.",
    "Use a current Chrome, Edge, Firefox or Safari, and check that WebRTC is not switched off by a setting or extension."
  );
}
function udpBlocked() {
  return new Problem(
    "udp_blocked",
    "Picture and sound cannot get through: UDP is blocked.",
    "A firewall, VPN or router between this device and the server lets web pages pass, but no calls. Try another network, such as your phone's, or switch the VPN off; or ask whoever runs the server to set up a TURN relay."
  );
}
function turnUnreachable() {
  return new Problem(
    "turn_unreachable",
    "Picture and sound cannot get through: the relay does not answer.",
    "The direct way is blocked, and the TURN relay for such networks cannot be reached from here. Try another network or switch the VPN off, and tell whoever runs the server: its relay may be down."
  );
}
function turnRefused() {
  return new Problem(
    "turn_refused",
    "Picture and sound cannot get through: the relay refused the password.",
    "This is not your fault: the server and its TURN relay do not agree on the secret, or their clocks differ. Tell whoever runs the server. Another network may work without the relay."
  );
}
function relayBlocked() {
  return new Problem(
    "relay_blocked",
    "Picture and sound cannot get through, not even by the relay.",
    "Your side is fine: the TURN relay answers you, but it cannot reach the server. Tell whoever runs the server that a firewall between them blocks UDP."
  );
}
function callsForbidden() {
  return new Problem(
    "calls_forbidden",
    "This browser lets no call out.",
    "A privacy extension, a VPN's browser add-on or a rule of your company switches WebRTC off. Allow it for this page, or use another browser."
  );
}
function connectionLost() {
  return new Problem("connection_lost", "The connection to the server was lost.", "Reconnecting starts the call anew.");
}

// src/api.ts
var Api = class {
  /** `base` is where the server lives: the page's own folder, or another origin that allows this one. */
  constructor(base, token = null) {
    this.base = base;
    this.token = token;
  }
  async config() {
    return readConfig(await this.ask("GET", "v1/config"));
  }
  /** What may be done here with what this browser has. */
  async access() {
    return readAccess(await this.ask("GET", "v1/access"));
  }
  /** Takes a key or a token; a cookie that no script can read stands for it from now on. */
  async logIn(key) {
    return readAccess(await this.ask("POST", "v1/access", { key }));
  }
  async avatars() {
    return readAvatars(await this.ask("GET", "v1/avatars"));
  }
  /** `consentBy` names who says that the person agrees. */
  async addAvatar(photo, name, consent, consentBy = "") {
    const form = new FormData();
    form.set("photo", photo, photo instanceof File ? photo.name : "photo");
    form.set("name", name);
    form.set("consent", String(consent));
    if (consentBy !== "") form.set("consent_by", consentBy);
    return readAvatar(await this.ask("POST", "v1/avatars", form));
  }
  async removeAvatar(id) {
    await this.ask("DELETE", `v1/avatars/${encodeURIComponent(id)}`);
  }
  /** `show` is a name under which others find it, `speaker` the number of whoever in the picture is to speak. */
  async openSession(avatarId, show = null, speaker = 0, format = null) {
    const more = { ...show === null ? {} : { show }, ...speaker === 0 ? {} : { speaker }, ...format === null ? {} : { format } };
    const wanted = { avatar_id: avatarId, ...more };
    return readSession(await this.ask("POST", "v1/sessions", wanted));
  }
  /** A session that may be watched, by its show's name, watch id or own id. */
  async watched(id) {
    return readWatched(await this.ask("GET", `v1/watch/${encodeURIComponent(id)}`));
  }
  /** Ends a session that no call has joined. A session that is gone already is no error. */
  async closeSession(id) {
    await this.ask("DELETE", `v1/sessions/${encodeURIComponent(id)}`).catch(() => void 0);
  }
  async moods() {
    return readMoods(await this.ask("GET", "v1/moods"));
  }
  async health() {
    return readHealth(await this.ask("GET", "healthz"));
  }
  /** Offers the server a data channel that echoes; its answer's SDP. */
  async checkConnection(sdp) {
    return readCheckAnswer(await this.ask("POST", "v1/connection-checks", { sdp }));
  }
  /** An address that the server gave (a path), made absolute. */
  url(path) {
    return new URL(path, this.base).href;
  }
  signalUrl(session) {
    return this.socketUrl(session.signal_url);
  }
  /** The WebSocket on which those who watch a session hear of it, under any of its names. */
  eventsUrl(name) {
    return this.socketUrl(`v1/watch/${encodeURIComponent(name)}/events`);
  }
  /** A path as the address of a WebSocket. */
  socketUrl(path) {
    const url = new URL(path, this.base);
    url.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:";
    return url.href;
  }
  async ask(method, path, body) {
    const headers = { Accept: "application/json" };
    if (this.token !== null) headers["Authorization"] = `Bearer ${this.token}`;
    const init = { method, headers };
    if (body instanceof FormData) {
      init.body = body;
    } else if (body !== void 0) {
      headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(body);
    }
    let answer;
    try {
      answer = await fetch(new URL(path, this.base), init);
    } catch {
      throw unreachable();
    }
    const content = answer.status === 204 ? null : await answer.json().catch(() => null);
    if (!answer.ok) throw problemOfAnswer(answer.status, content, answer.headers.get("Retry-After"));
    return content;
  }
};

// src/microphone_problem.ts
function microphoneProblem(error, userAgent, permission = "unknown") {
  const name = error instanceof Error ? error.name : "";
  switch (name) {
    case "NotAllowedError":
      return refusal(error instanceof Error ? error.message : "", userAgent, permission);
    case "SecurityError":
      return insecureContext();
    case "NotFoundError":
    case "OverconstrainedError":
      return new Problem(
        "no_microphone",
        "No microphone was found.",
        "Connect one, or switch it on in the system's sound settings, then try again."
      );
    case "NotReadableError":
    case "AbortError":
      return new Problem(
        "microphone_busy",
        "The microphone does not answer.",
        "Another program may be using it. Close that program or choose another microphone, then try again."
      );
    case "TypeError":
      return unsupportedBrowser();
    default:
      return new Problem(
        "microphone_failed",
        "The microphone could not be opened.",
        "Unplug it and plug it in again, or choose another microphone."
      );
  }
}
function refusal(words, userAgent, permission) {
  if (permission === "granted" || /by system/i.test(words)) {
    return new Problem(
      "permission_denied_by_system",
      "Your computer does not let the browser use the microphone.",
      "Open the system's privacy settings, allow the microphone for this browser, then try again."
    );
  }
  if (permission === "prompt" || /dismissed/i.test(words)) {
    return new Problem(
      "permission_dismissed",
      "The browser asked for the microphone and got no answer.",
      "Try again, and choose Allow when the browser asks."
    );
  }
  return new Problem("permission_denied", "The microphone is blocked for this page.", howToAllow(userAgent));
}
function howToAllow(userAgent) {
  const mobile = /Android|iPhone|iPad|Mobile/.test(userAgent);
  if (/iPhone|iPad/.test(userAgent)) {
    return "Tap the page-settings button in the address bar, choose Website Settings, set Microphone to Allow, then reload.";
  }
  if (/Firefox\//.test(userAgent)) {
    return "Click the crossed-out microphone at the left of the address bar, remove the block, then try again.";
  }
  if (/Chrome\/|Edg\//.test(userAgent)) {
    return mobile ? "Tap the icon at the left of the address, open Permissions, allow the microphone, then try again." : "Click the icon at the left of the address bar, switch Microphone on, then try again.";
  }
  if (/Safari\//.test(userAgent)) {
    return "Open Safari's menu, choose Settings for This Website, set Microphone to Allow, then try again.";
  }
  return "Allow the microphone in the browser's settings for this page, then try again.";
}

// src/audio.ts
function assertCallsPossible() {
  if (typeof RTCPeerConnection === "undefined" || typeof WebSocket === "undefined") throw unsupportedBrowser();
  if (!window.isSecureContext) throw insecureContext();
  if (navigator.mediaDevices === void 0) throw unsupportedBrowser();
}
async function microphonePermission() {
  try {
    return (await navigator.permissions.query({ name: "microphone" })).state;
  } catch {
    return "unknown";
  }
}
async function listMicrophones() {
  if (navigator.mediaDevices === void 0) return [];
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  return devices.filter((device) => device.kind === "audioinput" && device.deviceId !== "").map((device, index) => ({ id: device.deviceId, label: device.label || `Microphone ${index + 1}` }));
}
async function openMicrophone(deviceId) {
  assertCallsPossible();
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
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
async function capture(audio) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const track = stream.getAudioTracks()[0];
  if (track === void 0) throw new DOMException("no audio track", "NotFoundError");
  track.contentHint = "speech";
  return track;
}

// src/events.ts
var Emitter = class {
  constructor() {
    this.listeners = /* @__PURE__ */ new Map();
  }
  /** Calls `listener` on every event of that name. Returns the function that ends it. */
  on(name, listener) {
    const set = this.listeners.get(name) ?? /* @__PURE__ */ new Set();
    this.listeners.set(name, set);
    set.add(listener);
    return () => set.delete(listener);
  }
  emit(name, value) {
    for (const listener of [...this.listeners.get(name) ?? []]) {
      try {
        listener(value);
      } catch (error) {
        console.error(error);
      }
    }
  }
};

// src/ice_evidence.ts
function hasTurn(servers) {
  return servers.some((server) => server.urls.some((url) => url.startsWith("turn")));
}
var IceEvidence = class {
  constructor(peer) {
    this.peer = peer;
    this.ways = /* @__PURE__ */ new Map();
    this.failures = /* @__PURE__ */ new Map();
    peer.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate !== null && candidate.candidate !== "") this.addWay(candidate);
    });
    peer.addEventListener("icecandidateerror", ({ url, errorCode, errorText }) => {
      this.failures.set(`${url} ${errorCode}`, { url, code: errorCode, text: errorText });
    });
  }
  get findings() {
    return { ways: [...this.ways.values()], failures: [...this.failures.values()] };
  }
  /** The browser has looked everywhere, and there is nothing. */
  get hopeless() {
    return this.peer.iceGatheringState === "complete" && this.ways.size === 0;
  }
  addWay(candidate) {
    const type = candidate.type ?? "unknown";
    const protocol = candidate.protocol ?? "unknown";
    const relay_protocol = type === "relay" ? relayProtocol(candidate) : null;
    this.ways.set(`${type} ${protocol} ${relay_protocol}`, { type, protocol, relay_protocol });
  }
};
function relayProtocol(candidate) {
  const { relayProtocol: relayProtocol2 } = candidate;
  return typeof relayProtocol2 === "string" ? relayProtocol2 : null;
}
function whyNoWay(findings, servers) {
  const usable = findings.ways.filter((way) => way.type === "relay" || way.protocol !== "tcp");
  if (!hasTurn(servers)) return findings.ways.length === 0 ? callsForbidden() : udpBlocked();
  if (usable.some((way) => way.type === "relay")) return relayBlocked();
  const refusals = findings.failures.filter((failure) => failure.url.startsWith("turn") && isRefusal(failure.code));
  return refusals.length > 0 ? turnRefused() : turnUnreachable();
}
function isRefusal(code) {
  return code >= 400 && code < 500;
}

// src/lip_sync.ts
var UNSEEN_MS = 30;
var SHARE = 0.7;
var MOST_MS = 1500;
var MOST_RAISES = 6;
var RAISES_COUNTED = 60;
var EASE_MS = 5;
var CLOSE_MS = 15;
var LipSync = class {
  constructor() {
    this.held = /* @__PURE__ */ new Map();
    this.before_ms = 0;
    this.reading = 0;
    this.raised = [];
    this.holds = { video_ms: 0, audio_ms: 0 };
  }
  /** Takes one reading, about a second after the last. Positive offset: the picture is ahead of the voice. */
  read(entries, offset_ms) {
    const held = { video: 0, audio: 0 };
    for (const entry of entries) {
      const kind = entry["kind"];
      if (entry["type"] !== "inbound-rtp" || kind !== "video" && kind !== "audio") continue;
      held[kind] = this.mean(kind, Number(entry["jitterBufferDelay"]), Number(entry["jitterBufferEmittedCount"]));
    }
    if (offset_ms === null) return this.holds;
    const certain = Math.abs(offset_ms) > UNSEEN_MS && this.before_ms * offset_ms > 0 && Math.abs(this.before_ms) > UNSEEN_MS;
    this.before_ms = offset_ms;
    this.reading += 1;
    this.raised = this.raised.filter((reading) => reading > this.reading - RAISES_COUNTED);
    const next = certain ? this.next(offset_ms, held.video, held.audio) : this.holds;
    const raises = next.video_ms > this.holds.video_ms || next.audio_ms > this.holds.audio_ms;
    if (Math.abs(offset_ms) < CLOSE_MS || raises && this.raised.length >= MOST_RAISES) {
      this.holds = { video_ms: less(this.holds.video_ms, EASE_MS), audio_ms: less(this.holds.audio_ms, EASE_MS) };
      return this.holds;
    }
    if (raises) this.raised.push(this.reading);
    this.holds = next;
    return this.holds;
  }
  next(offset_ms, video_ms, audio_ms) {
    const step_ms = SHARE * offset_ms;
    if (step_ms > 0) {
      if (this.holds.audio_ms > 0) return { video_ms: 0, audio_ms: less(this.holds.audio_ms, step_ms) };
      return { video_ms: Math.round(Math.min(MOST_MS, video_ms + step_ms)), audio_ms: 0 };
    }
    if (this.holds.video_ms > 0) return { video_ms: less(this.holds.video_ms, -step_ms), audio_ms: 0 };
    return { video_ms: 0, audio_ms: Math.round(Math.min(MOST_MS, audio_ms - step_ms)) };
  }
  mean(kind, delay_s, emitted) {
    const last = this.held.get(kind);
    this.held.set(kind, { delay_s, emitted });
    const mean_ms = last === void 0 ? 0 : 1e3 * (delay_s - last.delay_s) / (emitted - last.emitted);
    return Number.isFinite(mean_ms) ? Math.max(0, mean_ms) : 0;
  }
};
function less(hold_ms, by_ms) {
  const left_ms = Math.round(hold_ms - by_ms);
  return left_ms > UNSEEN_MS ? left_ms : 0;
}
function applyHolds(peer, holds) {
  for (const receiver of peer.getReceivers()) {
    const hold_ms = receiver.track.kind === "video" ? holds.video_ms : holds.audio_ms;
    if ("jitterBufferTarget" in receiver && receiver.jitterBufferTarget !== hold_ms) receiver.jitterBufferTarget = hold_ms;
  }
}

// src/connection.ts
var CONNECT_TIMEOUT_MS = 15e3;
var DISCONNECTED_GRACE_MS = 5e3;
var PING_INTERVAL_MS = 5e3;
var MISSED_PINGS = 3;
var REFUSALS = /* @__PURE__ */ new Set(["bad_sdp", "no_codec", "negotiation_timeout", "ports_exhausted", "turn_unavailable"]);
var Connection = class extends Emitter {
  /** Prepares the offer at once, so that it is ready when the session is. */
  constructor(iceServers, iceTransportPolicy = "all", alpha = null) {
    super();
    this.iceServers = iceServers;
    this.alpha = alpha;
    this.stream = new MediaStream();
    this.socket = null;
    this.waiting = [];
    this.timers = [];
    this.grace = 0;
    this.unanswered = 0;
    this.pings = 0;
    this.wasConnected = false;
    this.answered = false;
    this.over = false;
    this.complaint = null;
    this.onTrack = (event) => {
      const stream = event.streams[0] ?? this.stream;
      if (!stream.getTracks().includes(event.track)) stream.addTrack(event.track);
      if ("jitterBufferTarget" in event.receiver) event.receiver.jitterBufferTarget = 0;
      this.emit("stream", stream);
    };
    this.onCandidate = (event) => {
      const found = event.candidate;
      if (found !== null && found.candidate === "") return;
      const candidate = found && {
        candidate: found.candidate,
        sdpMid: found.sdpMid,
        sdpMLineIndex: found.sdpMLineIndex
      };
      const message = { type: "candidate", candidate };
      if (this.timers.length > 0) this.send(message);
      else this.waiting.push(message);
    };
    this.onConnectionState = () => {
      window.clearTimeout(this.grace);
      switch (this.peer.connectionState) {
        case "connected":
          if (!this.wasConnected) {
            this.wasConnected = true;
            this.emit("connected", void 0);
          }
          break;
        case "disconnected":
          this.grace = window.setTimeout(() => this.finish(connectionLost()), DISCONNECTED_GRACE_MS);
          break;
        case "failed":
          this.finish(this.wasConnected ? connectionLost() : this.noWay());
          break;
        default:
          break;
      }
    };
    this.onGathering = () => {
      if (this.evidence.hopeless && this.socket !== null) this.finish(this.noWay());
    };
    this.onConnectTimeout = () => {
      if (!this.wasConnected) this.finish(this.noWay());
    };
    this.ping = () => {
      if (this.unanswered >= MISSED_PINGS) {
        this.finish(connectionLost());
        return;
      }
      this.unanswered += 1;
      this.pings += 1;
      this.send({ type: "ping", id: this.pings });
    };
    this.peer = new RTCPeerConnection({ iceServers: [...iceServers], iceTransportPolicy, bundlePolicy: "max-bundle" });
    this.evidence = new IceEvidence(this.peer);
    this.voice = this.peer.addTransceiver("audio", { direction: "sendrecv" }).sender;
    this.peer.addTransceiver("video", { direction: "recvonly" });
    this.peer.addEventListener("track", this.onTrack);
    this.peer.addEventListener("icecandidate", this.onCandidate);
    this.peer.addEventListener("icegatheringstatechange", this.onGathering);
    this.peer.addEventListener("connectionstatechange", this.onConnectionState);
    this.offer = this.makeOffer();
    this.offer.catch(() => void 0);
  }
  /** Sends this track as the voice; null sends nothing. Works before and during the call. */
  async setVoice(track) {
    if (!this.over) await this.voice.replaceTrack(track);
  }
  /** Opens the signalling of a session and starts the call. What happens then comes as events. */
  open(signalUrl, protocols = []) {
    if (this.over) return;
    const socket = new WebSocket(signalUrl, protocols);
    this.socket = socket;
    socket.addEventListener("open", () => void this.negotiate());
    socket.addEventListener("message", (event) => void this.onMessage(event));
    socket.addEventListener("close", () => this.finish((this.wasConnected ? null : this.complaint) ?? connectionLost()));
  }
  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
  /** What the browser found while it looked for a way to the server. */
  get findings() {
    return this.evidence.findings;
  }
  /** Lets the player hold a track back at least so long, for the other one's sake. */
  hold(holds) {
    applyHolds(this.peer, holds);
  }
  /** Hangs up. */
  close() {
    this.send({ type: "bye" });
    this.finish(null);
  }
  async makeOffer() {
    const offer = await this.peer.createOffer();
    await this.peer.setLocalDescription(offer);
    return this.peer.localDescription?.sdp ?? offer.sdp ?? "";
  }
  async negotiate() {
    try {
      const sdp = await this.offer;
      this.send(this.alpha === null ? { type: "offer", sdp } : { type: "offer", sdp, alpha: this.alpha });
    } catch (error) {
      this.finish(asProblem(error));
      return;
    }
    for (const message of this.waiting) this.send(message);
    this.waiting = [];
    this.timers.push(window.setInterval(this.ping, PING_INTERVAL_MS));
    this.timers.push(window.setTimeout(this.onConnectTimeout, CONNECT_TIMEOUT_MS));
  }
  async onMessage(event) {
    this.unanswered = 0;
    try {
      const message = readServerMessage(JSON.parse(String(event.data)));
      switch (message.type) {
        case "answer":
          this.answered = true;
          await this.peer.setRemoteDescription({ type: "answer", sdp: message.sdp });
          this.emit("answered", void 0);
          break;
        case "state":
          this.emit("state", { state: message.state, epoch: message.epoch });
          break;
        case "mood": {
          const { type: _, ...mood } = message;
          this.emit("mood", mood);
          break;
        }
        case "speaker":
          this.emit("speaker", message.person);
          break;
        case "stats":
          this.emit("stats", message);
          break;
        case "error":
          this.onComplaint(Problem.from(message.error));
          break;
        case "bye":
          this.finish(this.farewell(message.reason));
          break;
        case "pong":
          break;
      }
    } catch (error) {
      if (this.over) return;
      console.error(error);
      if (!this.wasConnected) this.finish(asProblem(error));
    }
  }
  onComplaint(complaint) {
    if (complaint.code === "connection_failed" && !this.wasConnected) {
      this.complaint = this.noWay();
      return;
    }
    this.complaint = complaint;
    if (!this.answered && REFUSALS.has(complaint.code)) this.finish(complaint);
    else this.emit("problem", complaint);
  }
  noWay() {
    return whyNoWay(this.evidence.findings, this.iceServers);
  }
  farewell(reason) {
    switch (reason) {
      case "client":
        return null;
      case "failed":
        return this.complaint ?? new Problem("call_failed", "The server had to end the call.", "Start it again; the server's log says why.");
      case "expired":
        return new Problem("call_expired", "The call ended because nothing arrived for a while.", "Start it again.");
      case "shutdown":
        return new Problem("server_shutdown", "The server is shutting down or restarting.", "Start again in a moment.");
      case "deleted":
        return new Problem("call_deleted", "The call was ended on the server.", "Start it again if that was not meant.");
    }
  }
  finish(problem) {
    if (this.over) return;
    this.over = true;
    for (const timer of this.timers) window.clearTimeout(timer);
    window.clearTimeout(this.grace);
    this.peer.close();
    this.socket?.close();
    this.emit("ended", problem);
  }
};

// src/frames.ts
var FREEZE_MS = 200;
var FRAME_INTERVAL_MS = 40;
var WINDOW_MS = 1e3;
var FrameLog = class {
  constructor() {
    this.window = [];
    this.last = null;
    this.paused = false;
    this.firstCount = 0;
    this.freezes = 0;
    this.longest_gap_ms = 0;
    this.first_ms = null;
  }
  /** Notes that `count` frames in all had been shown by `time_ms`. Several may have been shown since the last note. */
  add(time_ms, count) {
    if (this.last === null) {
      this.first_ms = time_ms;
      this.firstCount = count - 1;
    } else if (!this.paused) {
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
  pause() {
    this.paused = true;
    this.window = [];
  }
  get total() {
    return this.last === null ? 0 : this.last.count - this.firstCount;
  }
  /** Frames shown in the second before `now_ms`. */
  fps(now_ms) {
    const since_ms = now_ms - WINDOW_MS;
    let before;
    for (const shown of this.window) if (shown.time_ms <= since_ms) before = shown;
    const newest = this.window[this.window.length - 1];
    if (newest === void 0 || newest.time_ms <= since_ms) return 0;
    const start = before?.count ?? (this.window[0]?.count ?? 0) - 1;
    return newest.count - start;
  }
};
var FrameMeter = class {
  constructor(video, onFirst) {
    this.video = video;
    this.onFirst = onFirst;
    this.log = new FrameLog();
    this.handle = 0;
    this.open = true;
    this.lastCount = 0;
    this.onVisibility = () => {
      if (document.hidden) this.log.pause();
    };
    this.viaCallback = typeof video.requestVideoFrameCallback === "function";
    document.addEventListener("visibilitychange", this.onVisibility);
    this.next();
  }
  close() {
    this.open = false;
    document.removeEventListener("visibilitychange", this.onVisibility);
    if (this.viaCallback) this.video.cancelVideoFrameCallback(this.handle);
    else cancelAnimationFrame(this.handle);
  }
  next() {
    if (!this.open) return;
    this.handle = this.viaCallback ? this.video.requestVideoFrameCallback((_now, meta) => this.shown(meta.presentationTime, meta.presentedFrames)) : requestAnimationFrame((now) => this.shown(now, this.video.getVideoPlaybackQuality().totalVideoFrames));
  }
  shown(time_ms, count) {
    const first = this.log.total === 0;
    if (count > 0 && (this.viaCallback || first || count > this.lastCount)) {
      this.lastCount = count;
      this.log.add(time_ms, count);
      if (first) this.onFirst(time_ms);
    }
    this.next();
  }
};

// src/stats.ts
function readReport(entries, time_ms, before) {
  const all = [...entries];
  const inbound = all.filter((entry) => entry["type"] === "inbound-rtp");
  const video = inbound.find((entry) => entry["kind"] === "video") ?? {};
  const audio = inbound.find((entry) => entry["kind"] === "audio") ?? {};
  const sum = (name) => inbound.reduce((total, entry) => total + (num(entry, name) ?? 0), 0);
  const totals = {
    time_ms,
    bytes: sum("bytesReceived"),
    received: sum("packetsReceived"),
    lost: sum("packetsLost"),
    decoded: num(video, "framesDecoded") ?? 0,
    buffer_s: num(video, "jitterBufferDelay") ?? 0,
    emitted: num(video, "jitterBufferEmittedCount") ?? 0
  };
  const pair = selectedPair(all);
  const since_s = before === null ? 0 : (time_ms - before.time_ms) / 1e3;
  const rate = (now, then) => since_s > 0 ? Math.max(0, now - then) / since_s : null;
  const bytesRate = before === null ? null : rate(totals.bytes, before.bytes);
  const stats = {
    fps: before === null ? num(video, "framesPerSecond") : rate(totals.decoded, before.decoded),
    width: num(video, "frameWidth"),
    height: num(video, "frameHeight"),
    codec: codecName(all, video),
    frames_decoded: totals.decoded,
    frames_dropped: num(video, "framesDropped") ?? 0,
    bitrate_kbps: bytesRate === null ? null : bytesRate * 8 / 1e3,
    loss: lossBetween(totals, before),
    rtt_ms: scaled(num(pair, "currentRoundTripTime"), 1e3),
    jitter_ms: scaled(num(video, "jitter"), 1e3),
    buffer_ms: bufferBetween(totals, before),
    av_offset_ms: offset(video, audio),
    behind_ms: behind(video),
    freezes: num(video, "freezeCount"),
    relayed: relayed(all, pair)
  };
  return { stats, totals };
}
function offset(video, audio) {
  const picture_ms = num(video, "estimatedPlayoutTimestamp");
  const voice_ms = num(audio, "estimatedPlayoutTimestamp");
  if (!picture_ms || !voice_ms) return null;
  return picture_ms - voice_ms;
}
var EPOCHS_APART_MS = 22089888e5;
function behind(video) {
  const playout_ms = num(video, "estimatedPlayoutTimestamp");
  const now_ms = num(video, "timestamp");
  if (!playout_ms || !now_ms) return null;
  return now_ms - (playout_ms > EPOCHS_APART_MS ? playout_ms - EPOCHS_APART_MS : playout_ms);
}
function lossBetween(totals, before) {
  if (before === null) return null;
  const lost = Math.max(0, totals.lost - before.lost);
  const all = lost + totals.received - before.received;
  return all > 0 ? lost / all : null;
}
function bufferBetween(totals, before) {
  if (before === null || totals.emitted <= before.emitted) return null;
  return 1e3 * (totals.buffer_s - before.buffer_s) / (totals.emitted - before.emitted);
}
function selectedPair(all) {
  const transport = all.find((entry) => entry["type"] === "transport" && "selectedCandidatePairId" in entry);
  const chosen = transport && all.find((entry) => entry["id"] === transport["selectedCandidatePairId"]);
  const nominated = (entry) => entry["type"] === "candidate-pair" && entry["state"] === "succeeded" && entry["nominated"] === true;
  return chosen ?? all.find(nominated) ?? {};
}
function relayed(all, pair) {
  const local = all.find((entry) => entry["id"] === pair["localCandidateId"] && entry["id"] !== void 0);
  return local === void 0 ? null : local["candidateType"] === "relay";
}
function codecName(all, video) {
  const codec = all.find((entry) => entry["type"] === "codec" && entry["id"] === video["codecId"]);
  const mime = codec?.["mimeType"];
  return typeof mime === "string" ? mime.replace(/^video\//i, "") : null;
}
function num(entry, name) {
  const value = entry[name];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
function scaled(value, factor) {
  return value === null ? null : value * factor;
}

// src/timeline.ts
function emptyTimeline() {
  return { clicked_ms: 0, session_ms: null, answer_ms: null, connected_ms: null, first_frame_ms: null };
}

// src/client.ts
var SAMPLE_INTERVAL_MS = 1e3;
var SETTINGS_FRESH_MS = 6e4;
var OFFSETS_KEPT = 7200;
var AvatarClient = class extends Emitter {
  constructor(options) {
    super();
    this.phase = "idle";
    this.state = "idle";
    this.epoch = 0;
    this.muted = false;
    this.session = null;
    /** Times of the running or last call, milliseconds after the click. */
    this.timeline = emptyTimeline();
    this.config = null;
    this.configAsked_ms = 0;
    this.connection = null;
    this.voice = null;
    this.frames = null;
    this.sampler = 0;
    this.totals = null;
    this.call = null;
    this.server = null;
    this.offsets = [];
    this.lipSync = new LipSync();
    /** Counts calls: what belongs to an older one is thrown away. */
    this.turn = 0;
    this.video = options.video;
    this.api = new Api(new URL(options.baseUrl ?? ".", document.baseURI), options.token ?? null);
  }
  /** The server's settings, asked once a minute at most. */
  settings() {
    const now_ms = performance.now();
    if (now_ms - this.configAsked_ms > SETTINGS_FRESH_MS) this.config = null;
    if (this.config === null) this.configAsked_ms = now_ms;
    this.config ??= this.api.config().catch((error) => {
      this.config = null;
      throw error;
    });
    return this.config;
  }
  avatars() {
    return this.api.avatars();
  }
  /**
   * Starts a call; resolves when the server has been asked for media. Rejects with a Problem, which is also announced
   * as a `problem` event. A call that runs already is ended first.
   */
  async start(avatarId, options = {}) {
    const turn = ++this.turn;
    this.hangUp();
    const clicked_ms = options.clicked_ms ?? performance.now();
    this.timeline = { ...emptyTimeline(), clicked_ms };
    this.totals = this.call = this.server = null;
    this.offsets = [];
    this.lipSync = new LipSync();
    this.setPhase("connecting");
    try {
      assertCallsPossible();
      const settings = this.settings();
      const voice = this.obtainVoice(options.voice);
      voice.catch(() => void 0);
      if (options.voice === void 0 && await microphonePermission() !== "granted") await voice;
      const opening = this.openSession(avatarId, options, turn);
      opening.catch(() => void 0);
      const config = await settings;
      if (turn === this.turn) this.prepare(config, turn, options.alpha ?? null);
      const session = await opening;
      if (turn !== this.turn || session === null) return;
      this.session = session;
      this.mark("session_ms");
      this.connection?.open(this.api.signalUrl(session), socketProtocols(this.api.token));
      const track = await voice;
      if (turn !== this.turn) track?.stop();
      else await this.adoptVoice(track);
    } catch (error) {
      if (turn !== this.turn) return;
      const problem = asProblem(error);
      this.fail(problem);
      throw problem;
    }
  }
  /** Hangs up. Harmless when no call runs. */
  stop() {
    this.turn += 1;
    this.hangUp();
    this.setPhase("idle");
  }
  /** Sends silence while on. */
  mute(on) {
    this.muted = on;
    if (this.voice !== null) this.voice.enabled = !on;
  }
  /** The avatar stops speaking at once. */
  interrupt() {
    this.connection?.send({ type: "interrupt" });
  }
  /** Somebody else speaks to the avatar: while on, it listens. */
  attend(on) {
    this.connection?.send({ type: "attend", on });
  }
  /** The avatar is to be another way: an emotion and its strength, a preset, or as its voice sounds. */
  setMood(change) {
    this.connection?.send({ type: "mood", ...change });
  }
  /** Somebody else in the picture speaks from now on, by number; see `Session.faces`. */
  setSpeaker(person) {
    this.connection?.send({ type: "speaker", person });
  }
  /** Changes the voice in the middle of a call, to another microphone for example. */
  async setVoice(track) {
    if (this.connection !== null) await this.adoptVoice(track === null ? null : track.clone());
  }
  /** Whether the avatar's voice is heard here. */
  speaker(on) {
    this.video.muted = !on;
    if (on && this.video.srcObject !== null) void this.play();
  }
  /** What is known at this moment, without waiting. */
  stats() {
    const log = this.frames?.log;
    return {
      phase: this.phase,
      state: this.state,
      epoch: this.epoch,
      first_frame_ms: this.timeline.first_frame_ms,
      fps: log?.fps(performance.now()) ?? 0,
      frames_total: log?.total ?? 0,
      freezes: log?.freezes ?? 0,
      longest_gap_ms: log?.longest_gap_ms ?? 0,
      av_offset_ms: [...this.offsets],
      call: this.call,
      server: this.server
    };
  }
  async obtainVoice(given) {
    if (given === void 0) return openMicrophone(null);
    return given === null ? null : given.clone();
  }
  async openSession(avatarId, wanted, turn) {
    const { show, speaker, format } = wanted;
    const session = await this.api.openSession(avatarId, show ?? null, speaker ?? 0, format ?? null);
    if (turn === this.turn) return session;
    void this.api.closeSession(session.id);
    return null;
  }
  prepare(config, turn, alpha) {
    const connection = new Connection(config.ice_servers, config.ice_transport_policy, alpha);
    this.connection = connection;
    this.frames?.close();
    this.frames = new FrameMeter(this.video, (time_ms) => this.onFirstFrame(time_ms));
    connection.on("stream", (stream) => this.onStream(stream));
    connection.on("answered", () => this.mark("answer_ms"));
    connection.on("connected", () => this.mark("connected_ms"));
    connection.on("state", ({ state, epoch }) => {
      this.state = state;
      this.epoch = epoch;
      this.emit("state", { state, epoch });
    });
    connection.on("mood", (mood) => this.emit("mood", mood));
    connection.on("speaker", (person) => this.emit("speaker", person));
    connection.on("stats", (stats) => this.server = stats);
    connection.on("problem", (problem) => this.emit("problem", { problem, fatal: false }));
    connection.on("ended", (problem) => {
      if (turn !== this.turn) return;
      if (problem === null) this.stop();
      else this.fail(problem);
    });
    this.sampler = window.setInterval(() => void this.sample(connection), SAMPLE_INTERVAL_MS);
  }
  async adoptVoice(track) {
    this.voice?.stop();
    this.voice = track;
    if (track !== null) track.enabled = !this.muted;
    await this.connection?.setVoice(track);
  }
  onStream(stream) {
    if (this.video.srcObject === stream) return;
    this.video.srcObject = stream;
    this.video.playsInline = true;
    void this.play();
  }
  async play() {
    try {
      await this.video.play();
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError" || this.video.muted) return;
      this.video.muted = true;
      this.emit("soundblocked", void 0);
      await this.video.play().catch(() => void 0);
    }
  }
  onFirstFrame(time_ms) {
    this.timeline.first_frame_ms = Math.max(0, time_ms - this.timeline.clicked_ms);
    this.setPhase("live");
    this.emit("firstframe", this.timeline.first_frame_ms);
  }
  async sample(connection) {
    const report = await connection.peer.getStats().catch(() => null);
    if (report === null || connection !== this.connection) return;
    const entries = [];
    report.forEach((entry) => entries.push(entry));
    const { stats, totals } = readReport(entries, performance.now(), this.totals);
    this.totals = totals;
    this.call = stats;
    connection.hold(this.lipSync.read(entries, stats.av_offset_ms));
    if (stats.av_offset_ms !== null) this.offsets.push(stats.av_offset_ms);
    if (this.offsets.length > OFFSETS_KEPT) this.offsets.shift();
    this.emit("stats", this.stats());
  }
  mark(name) {
    this.timeline[name] ??= performance.now() - this.timeline.clicked_ms;
  }
  fail(problem) {
    this.turn += 1;
    this.hangUp();
    this.setPhase("idle");
    this.emit("problem", { problem, fatal: true });
  }
  /** Frees what a call holds; the numbers of the call stay readable. */
  hangUp() {
    window.clearInterval(this.sampler);
    const connection = this.connection;
    this.connection = null;
    connection?.close();
    this.frames?.close();
    this.voice?.stop();
    this.voice = null;
    this.session = null;
    this.video.srcObject = null;
    this.state = "idle";
    this.epoch = 0;
  }
  setPhase(phase) {
    if (this.phase === phase) return;
    this.phase = phase;
    this.emit("phase", phase);
  }
};
export {
  AvatarClient,
  Problem,
  listMicrophones,
  openMicrophone
};

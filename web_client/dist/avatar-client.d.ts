// Types of avatar-client.js. Written by the build: change the sources instead.

interface ErrorBody {
    readonly code: string;
    readonly message: string;
    readonly remedy: string;
}
/** Where somebody's face is: its centre and width, in shares of the picture (y of its height). */
interface Face {
    readonly x: number;
    readonly y: number;
    readonly width: number;
}
interface Avatar {
    readonly id: string;
    readonly name: string;
    readonly width: number;
    readonly height: number;
    readonly builtin: boolean;
    /** What the analysis wants its user to know, for example "2 people found: choose who speaks, the others idle." */
    readonly notes: readonly string[];
    /** Everybody in the picture who can speak, by number; 0 does unless somebody else is told to. */
    readonly faces: readonly Face[];
    readonly image_url: string;
    readonly thumbnail_url: string;
}
interface Session {
    readonly id: string;
    readonly avatar_id: string;
    readonly state: AvatarState;
    readonly epoch: number;
    readonly age_s: number;
    readonly signal_url: string;
    /** Where others may watch it. */
    readonly whep_url: string;
    readonly width: number;
    readonly height: number;
    /** Who in the picture speaks, by number. */
    readonly speaker: number;
    readonly faces: readonly Face[];
}
/** A session as those see it who watch it. */
interface Watched {
    readonly avatar_id: string;
    readonly state: AvatarState;
    readonly width: number;
    readonly height: number;
    readonly whep_url: string;
    /** Somebody speaks for it from outside: a WHIP microphone or an agent. */
    readonly voiced: boolean;
    readonly alpha: boolean;
    /** A chunk of voice reaching the server to its picture being published; null until somebody has spoken. */
    readonly speech_to_lips_ms: {
        readonly p50: number | null;
        readonly p95: number | null;
    };
    /** The server's clock, ms since 1970. */
    readonly time_ms: number;
}
interface IceServer {
    readonly urls: string[];
    readonly username?: string;
    readonly credential?: string;
}
interface ServerConfig {
    readonly version: string;
    readonly capacity: number;
    readonly max_photo_bytes: number;
    readonly ice_servers: readonly IceServer[];
    /** `relay`: nothing but the TURN server may be used. */
    readonly ice_transport_policy: "all" | "relay";
    readonly badge: boolean;
    /** Who uploads a photo must say who they are. */
    readonly consent_name: boolean;
}
/** Shapes that a live picture can be cut to; empty: the photo's own. */
type Format = "" | "1:1" | "16:9" | "9:16" | "4:3" | "3:4";
/** How transparency is to come: the person on the left of the video, their matte as luma on the right. */
type Alpha = "side-by-side";
/** How full the server is. */
interface Health {
    readonly sessions: number;
    readonly capacity: number;
}
type Emotion = "neutral" | "happy" | "sad" | "angry" | "surprised" | "calm" | "afraid" | "disgusted";
declare const EMOTIONS: readonly Emotion[];
/** How an avatar is to be. */
interface Mood {
    readonly emotion: Emotion;
    /** 0 to 1. */
    readonly strength: number;
    /** Shows what the voice's energy, pitch and rate sound like, where that is clear. */
    readonly from_voice: boolean;
    /** A preset's id; empty: none. */
    readonly preset: string;
}
/** What is to change; what is left out stays. */
type MoodChange = Partial<Mood>;
interface Preset {
    readonly id: string;
    readonly title: string;
    readonly about: string;
}
/** What there is to choose from. */
interface Moods {
    readonly emotions: readonly Emotion[];
    readonly presets: readonly Preset[];
}
type AvatarState = "idle" | "listening" | "speaking";
type ByeReason = "client" | "expired" | "shutdown" | "failed" | "deleted";
interface Candidate {
    readonly candidate: string;
    readonly sdpMid: string | null;
    readonly sdpMLineIndex: number | null;
}
/** What the browser sends. */
type ClientMessage = {
    readonly type: "offer";
    readonly sdp: string;
    readonly alpha?: Alpha;
} | {
    readonly type: "candidate";
    readonly candidate: Candidate | null;
} | {
    readonly type: "interrupt";
} | {
    readonly type: "attend";
    readonly on: boolean;
} | ({
    readonly type: "mood";
} & MoodChange) | {
    readonly type: "speaker";
    readonly person: number;
} | {
    readonly type: "ping";
    readonly id: number;
} | {
    readonly type: "bye";
};
/** Once a second. Numbers are null until the server has measured them. */
interface ServerStats {
    readonly type: "stats";
    readonly fps: number | null;
    /** From a chunk of voice reaching the server to the frame that shows it handed to the encoder. */
    readonly latency_ms: {
        readonly p50: number | null;
        readonly p95: number | null;
    };
    readonly frames: {
        readonly sent: number;
        readonly repeated: number;
        readonly dropped: number;
    };
    readonly bitrate_kbps: number | null;
    readonly rtt_ms: number | null;
    readonly loss: number | null;
}
/** What the server sends. */
type ServerMessage = 
/** `ai_generated`: what will be seen is made, not filmed. */
{
    readonly type: "answer";
    readonly sdp: string;
    readonly ai_generated: boolean;
} | {
    readonly type: "state";
    readonly state: AvatarState;
    readonly epoch: number;
} | ({
    readonly type: "mood";
} & Mood) | {
    readonly type: "speaker";
    readonly person: number;
} | ServerStats | {
    readonly type: "pong";
    readonly id: number;
} | {
    readonly type: "error";
    readonly error: ErrorBody;
} | {
    readonly type: "bye";
    readonly reason: ByeReason;
};
/** A message that does not keep to the protocol. */
declare class ProtocolError extends Error {
    readonly name = "ProtocolError";
}
/** Reads one message of the server. Unknown extra fields are allowed; a wrong or missing one throws ProtocolError. */
declare function readServerMessage(value: unknown): ServerMessage;
declare function readErrorBody(value: unknown): ErrorBody;
declare function readAvatar(value: unknown): Avatar;
declare function readAvatars(value: unknown): Avatar[];
declare function readSession(value: unknown): Session;
declare function readWatched(value: unknown): Watched;
declare function readConfig(value: unknown): ServerConfig;
declare function readHealth(value: unknown): Health;
declare function readMood(value: unknown): Mood;
declare function readMoods(value: unknown): Moods;
declare function readCheckAnswer(value: unknown): string;

/** An error for people. `code` is stable; `retryAfter_s` is set when the server said when to come back. */
declare class Problem extends Error {
    readonly code: string;
    readonly remedy: string;
    readonly retryAfter_s: number | null;
    readonly name = "Problem";
    constructor(code: string, message: string, remedy: string, retryAfter_s?: number | null);
    static from(body: ErrorBody, retryAfter_s?: number | null): Problem;
}
/** Any thrown value as a Problem: nothing that reaches a user is a bare stack trace. */
declare function asProblem(error: unknown): Problem;
/** Reads an error answer of the HTTP API, whatever its body turns out to be. */
declare function problemOfAnswer(status: number, body: unknown, retryAfter: string | null): Problem;
/** `Retry-After` as seconds from now; it may be a number of seconds or an HTTP date. */
declare function retryAfterSeconds(value: string | null, now_ms?: number): number | null;
declare function unreachable(retryAfter_s?: number | null): Problem;
declare function insecureContext(): Problem;
declare function unsupportedBrowser(): Problem;
/** Media did not come, and nothing more is known of why: see `whyNoWay`, which knows more. */
declare function connectionFailed(hadTurn: boolean): Problem;
/** ICE failed although signalling works, and there is no TURN server to go through. */
declare function udpBlocked(): Problem;
/** The TURN server gave no answer, and without it nothing got through. */
declare function turnUnreachable(): Problem;
/** The TURN server answered that it does not know this name and password. */
declare function turnRefused(): Problem;
/** The TURN server works, and yet nothing came through. */
declare function relayBlocked(): Problem;
/** The browser found no address at all to be called at. */
declare function callsForbidden(): Problem;
/** The browser and the server have no codec in common. */
declare function noCodec(): Problem;
declare function connectionLost(): Problem;

/** One reading. Null: not known (yet), or not told by this browser. */
interface CallStats {
    /** Frames decoded per second. */
    readonly fps: number | null;
    readonly width: number | null;
    readonly height: number | null;
    readonly codec: string | null;
    readonly frames_decoded: number;
    readonly frames_dropped: number;
    /** Both media together, received. */
    readonly bitrate_kbps: number | null;
    /** Lost packets of both media, 0..1. */
    readonly loss: number | null;
    readonly rtt_ms: number | null;
    readonly jitter_ms: number | null;
    /** How long the player held frames back, mean. */
    readonly buffer_ms: number | null;
    /** Positive: the picture is ahead of the voice. Known after the first sender reports, some seconds into a call. */
    readonly av_offset_ms: number | null;
    /** This machine's time now minus the sender's time of the picture that is shown: both clocks' difference is in it. */
    readonly behind_ms: number | null;
    /** Freezes by the browser's own count. */
    readonly freezes: number | null;
    /** The call goes through a TURN relay. */
    readonly relayed: boolean | null;
}
/** Running totals of one reading, kept to make rates at the next. */
interface Totals {
    readonly time_ms: number;
    readonly bytes: number;
    readonly received: number;
    readonly lost: number;
    readonly decoded: number;
    readonly buffer_s: number;
    readonly emitted: number;
}
type Entry = Readonly<Record<string, unknown>>;
/** Reads a report. `entries` are its values; `before` are the totals of the last reading of the same call. */
declare function readReport(entries: Iterable<Entry>, time_ms: number, before: Totals | null): {
    stats: CallStats;
    totals: Totals;
};

/** Milliseconds after the click; null until it happened. */
interface Timeline {
    /** The click itself, on the clock of `performance.now()`. */
    clicked_ms: number;
    /** The server has opened a session. */
    session_ms: number | null;
    /** The server has answered the offer. */
    answer_ms: number | null;
    /** Media can flow. */
    connected_ms: number | null;
    /** The first frame is on screen. */
    first_frame_ms: number | null;
}
/** What is known about the running or last call. */
interface ClientStats {
    readonly phase: "idle" | "connecting" | "live";
    readonly state: AvatarState;
    readonly epoch: number;
    readonly first_frame_ms: number | null;
    /** Frames shown in the last second. */
    readonly fps: number;
    readonly frames_total: number;
    /** Pauses of more than 200 ms between two shown frames. */
    readonly freezes: number;
    readonly longest_gap_ms: number;
    /** One sample a second; positive: the picture is ahead of the voice. */
    readonly av_offset_ms: readonly number[];
    readonly call: CallStats | null;
    readonly server: ServerStats | null;
}
declare function emptyTimeline(): Timeline;

declare class Emitter<Events extends object> {
    private readonly listeners;
    /** Calls `listener` on every event of that name. Returns the function that ends it. */
    on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void;
    protected emit<Name extends keyof Events>(name: Name, value: Events[Name]): void;
}

type Permission = "granted" | "denied" | "prompt" | "unknown";
interface MicrophoneChoice {
    readonly id: string;
    readonly label: string;
}
/** Throws a Problem when this page, in this browser, can never have a call. */
declare function assertCallsPossible(): void;
declare function microphonePermission(): Promise<Permission>;
/** The microphones that the browser is willing to name; before permission that is an empty list. */
declare function listMicrophones(): Promise<MicrophoneChoice[]>;
/**
 * Opens a microphone; throws a Problem. A remembered device that is no longer there falls back to the default one.
 * Echo cancellation is asked for because the avatar's voice may come out of loudspeakers next to the microphone.
 */
declare function openMicrophone(deviceId: string | null): Promise<MediaStreamTrack>;
/** Mean power of samples in -1..1, as a position 0..1 on the meter. */
declare function meterLevel(samples: Float32Array): number;
/** How loud a track is. Holds an audio context until `close()`. */
declare class LevelMeter {
    private readonly context;
    private readonly analyser;
    private readonly samples;
    private readonly source;
    constructor(track: MediaStreamTrack);
    /** 0 (silence) to 1 (full scale), over the last 20 ms. */
    level(): number;
    /** Browsers hold an audio context back until the first click or key: call this on one. */
    resume(): void;
    close(): void;
}

type Scope = "call" | "publish" | "view" | "manage" | "metrics";
interface Access {
    /** The server asks for a key or a token here. */
    readonly required: boolean;
    readonly scopes: readonly Scope[];
}
declare function readAccess(value: unknown): Access;
/** The token in `#token=...`, which no server and no log ever sees; null: the address has none. */
declare function tokenOfLink(hash: string): string | null;
/** What a browser's WebSocket offers instead of the header that it cannot send. */
declare function socketProtocols(token: string | null): string[];

declare class Api {
    readonly base: URL;
    /** The server's bearer token, where it asks for one. */
    readonly token: string | null;
    /** `base` is where the server lives: the page's own folder, or another origin that allows this one. */
    constructor(base: URL, 
    /** The server's bearer token, where it asks for one. */
    token?: string | null);
    config(): Promise<ServerConfig>;
    /** What may be done here with what this browser has. */
    access(): Promise<Access>;
    /** Takes a key or a token; a cookie that no script can read stands for it from now on. */
    logIn(key: string): Promise<Access>;
    avatars(): Promise<Avatar[]>;
    /** `consentBy` names who says that the person agrees. */
    addAvatar(photo: Blob, name: string, consent: boolean, consentBy?: string): Promise<Avatar>;
    removeAvatar(id: string): Promise<void>;
    /** `show` is a name under which others find it, `speaker` the number of whoever in the picture is to speak. */
    openSession(avatarId: string, show?: string | null, speaker?: number, format?: Format | null): Promise<Session>;
    /** A session that may be watched, by its show's name, watch id or own id. */
    watched(id: string): Promise<Watched>;
    /** Ends a session that no call has joined. A session that is gone already is no error. */
    closeSession(id: string): Promise<void>;
    moods(): Promise<Moods>;
    health(): Promise<Health>;
    /** Offers the server a data channel that echoes; its answer's SDP. */
    checkConnection(sdp: string): Promise<string>;
    /** An address that the server gave (a path), made absolute. */
    url(path: string): string;
    signalUrl(session: Session): string;
    /** The WebSocket on which those who watch a session hear of it, under any of its names. */
    eventsUrl(name: string): string;
    /** A path as the address of a WebSocket. */
    socketUrl(path: string): string;
    private ask;
}

type Phase = "idle" | "connecting" | "live";
interface ClientOptions {
    /** Plays the avatar: picture and voice. */
    readonly video: HTMLVideoElement;
    /** Where the server lives; by default the folder of the page. */
    readonly baseUrl?: string | URL;
    /** A token, where the server asks for one: it is for anybody who can open the page, so let it be short-lived. */
    readonly token?: string | null;
}
interface StartOptions {
    /**
     * The voice to send: any audio track (a voice agent's speech, for example), or null to send none. By default the
     * microphone is opened. The caller keeps its own track: the call works on a clone.
     */
    readonly voice?: MediaStreamTrack | null;
    /** Ask for transparency: see docs/obs.md for what the video then shows. */
    readonly alpha?: Alpha;
    /** A name under which others can watch the call, and a microphone or agent may take over the voice. */
    readonly show?: string;
    /** Who in a picture of several people speaks first, by number; see `Avatar.faces`. */
    readonly speaker?: number;
    /** Cut the picture to this shape; by default what the server's settings say. */
    readonly format?: Format;
    /** When the person asked for the call, on the clock of `performance.now()`; by default now. */
    readonly clicked_ms?: number;
}
interface ClientEvents {
    phase: Phase;
    /** What the avatar does. */
    state: {
        readonly state: AvatarState;
        readonly epoch: number;
    };
    /** Somebody, perhaps this page, has set how the avatar is to be. */
    mood: Mood;
    /** Somebody, perhaps this page, has chosen who in the picture speaks. */
    speaker: number;
    /** The first frame is on screen, this many milliseconds after the click. */
    firstframe: number;
    /** Once a second during a call. */
    stats: ClientStats;
    /** Something went wrong. `fatal`: the call is over (or never began). */
    problem: {
        readonly problem: Problem;
        readonly fatal: boolean;
    };
    /** The browser refused to play sound without a click: call `unmuteSpeaker()` from one. */
    soundblocked: void;
}
declare class AvatarClient extends Emitter<ClientEvents> {
    readonly api: Api;
    readonly video: HTMLVideoElement;
    phase: Phase;
    state: AvatarState;
    epoch: number;
    muted: boolean;
    session: Session | null;
    /** Times of the running or last call, milliseconds after the click. */
    timeline: Timeline;
    private config;
    private configAsked_ms;
    private connection;
    private voice;
    private frames;
    private sampler;
    private totals;
    private call;
    private server;
    private offsets;
    private lipSync;
    /** Counts calls: what belongs to an older one is thrown away. */
    private turn;
    constructor(options: ClientOptions);
    /** The server's settings, asked once a minute at most. */
    settings(): Promise<ServerConfig>;
    avatars(): Promise<Avatar[]>;
    /**
     * Starts a call; resolves when the server has been asked for media. Rejects with a Problem, which is also announced
     * as a `problem` event. A call that runs already is ended first.
     */
    start(avatarId: string, options?: StartOptions): Promise<void>;
    /** Hangs up. Harmless when no call runs. */
    stop(): void;
    /** Sends silence while on. */
    mute(on: boolean): void;
    /** The avatar stops speaking at once. */
    interrupt(): void;
    /** Somebody else speaks to the avatar: while on, it listens. */
    attend(on: boolean): void;
    /** The avatar is to be another way: an emotion and its strength, a preset, or as its voice sounds. */
    setMood(change: MoodChange): void;
    /** Somebody else in the picture speaks from now on, by number; see `Session.faces`. */
    setSpeaker(person: number): void;
    /** Changes the voice in the middle of a call, to another microphone for example. */
    setVoice(track: MediaStreamTrack | null): Promise<void>;
    /** Whether the avatar's voice is heard here. */
    speaker(on: boolean): void;
    /** What is known at this moment, without waiting. */
    stats(): ClientStats;
    private obtainVoice;
    private openSession;
    private prepare;
    private adoptVoice;
    private onStream;
    private play;
    private onFirstFrame;
    private sample;
    private mark;
    private fail;
    /** Frees what a call holds; the numbers of the call stay readable. */
    private hangUp;
    private setPhase;
}

export { AvatarClient };
export type { ClientEvents, ClientOptions, Phase, StartOptions };
export { listMicrophones, openMicrophone, type MicrophoneChoice };
export { Problem };
export type { Avatar, AvatarState, Emotion, Face, Format, Mood, MoodChange, Moods, Preset, ServerConfig, ServerStats, Session };
export type { CallStats };
export type { ClientStats, Timeline };

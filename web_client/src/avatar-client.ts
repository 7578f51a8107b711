// The public module: everything another page needs to show an avatar. See web_client/README.md.

export { AvatarClient } from "./client.js";
export type { ClientEvents, ClientOptions, Phase, StartOptions } from "./client.js";
export { listMicrophones, openMicrophone, type MicrophoneChoice } from "./audio.js";
export { Problem } from "./problem.js";
export type { Avatar, AvatarState, Emotion, Face, Format, Mood, MoodChange, Moods, Preset, ServerConfig, ServerStats, Session } from "./protocol.js";
export type { CallStats } from "./stats.js";
export type { ClientStats, Timeline } from "./timeline.js";

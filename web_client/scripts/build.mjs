// Builds web_client/dist from src: the page, its style, and the AvatarClient module with its types.
// The output depends on nothing but the sources and the pinned tools, so that a rebuild gives the same bytes.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");
process.chdir(root);

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });

const common = { bundle: true, format: "esm", target: ["es2021"], charset: "utf8", legalComments: "none", logLevel: "warning" };
await build({ ...common, entryPoints: ["src/main.ts"], outfile: "dist/app.js", minify: true });
await build({ ...common, entryPoints: { obs: "src/obs/main.ts" }, outdir: "dist", minify: true });
// The module is meant to be read by whoever embeds it.
await build({ ...common, entryPoints: ["src/avatar-client.ts"], outfile: "dist/avatar-client.js" });
await build({ bundle: true, entryPoints: ["src/styles/app.css"], outfile: "dist/app.css", minify: true, target: ["chrome105", "firefox110", "safari16"] });

await build({ bundle: true, entryPoints: ["src/styles/obs.css"], outfile: "dist/obs.css", minify: true, target: ["chrome90"] });

writeFileSync(join(dist, "avatar-client.d.ts"), declarations());
copyFileSync("src/index.html", join(dist, "index.html"));
copyFileSync("src/obs.html", join(dist, "obs.html"));
copyFileSync("src/icon.svg", join(dist, "icon.svg"));

/** One file of types: the declarations of the module's parts, and an export list of what the module exports. */
function declarations() {
  const out = mkdtempSync(join(root, "node_modules", ".types-"));
  try {
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", out], { stdio: "inherit" });
    const read = (part) => readFileSync(join(out, "src", `${part}.d.ts`), "utf8");
    const parts = ["protocol", "problem", "stats", "timeline", "events", "audio", "access", "api", "client"];
    const bodies = parts.map((part) => read(part).replace(/^(import [^;]*|export {});\n/gm, "").replace(/^export /gm, ""));
    const exported = read("avatar-client").replace(/ from "[^"]*"/g, "");
    const head = "// Types of avatar-client.js. Written by the build: change the sources instead.\n";
    return [head, ...bodies, exported].join("\n");
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

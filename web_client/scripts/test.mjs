// Bundles the tests, which Node 18 cannot read as TypeScript, and runs them with Node's own test runner.

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(root);
const out = join("node_modules", ".tests");
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const names = readdirSync("test").filter((name) => name.endsWith(".test.ts"));
await build({
  bundle: true,
  platform: "node",
  format: "esm",
  target: ["node18"],
  entryPoints: names.map((name) => join("test", name)),
  outdir: out,
  outExtension: { ".js": ".mjs" },
  logLevel: "warning",
});
const files = names.map((name) => join(out, name.replace(/\.ts$/, ".mjs")));
execFileSync(process.execPath, ["--test", ...files], { stdio: "inherit" });

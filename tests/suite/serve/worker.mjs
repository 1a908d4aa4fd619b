// Asks the worker of a static site and the server the same, and compares the answers.
//
//     node worker.mjs SITE URL
//
// SITE is the directory, URL the address of `tbx serve` for the same logs. Prints a line per difference, and the number
// of requests per route. Exits with 1 if there is a difference.

import assert from "node:assert";
import fs from "node:fs";
import path from "node:path";
import vm from "node:vm";

const [site, server] = process.argv.slice(2);
const ROOT = "http://example.org/below/";

// The worker, without a browser.
const listeners = {};
const worker = vm.createContext({
  URL,
  Response,
  fetch: async (name) => {
    const file = path.join(site, name);
    return fs.existsSync(file) ? new Response(fs.readFileSync(file)) : new Response("", { status: 404 });
  },
});
worker.self = {
  location: new URL("worker.js", ROOT),
  addEventListener: (kind, listener) => (listeners[kind] = listener),
};
const load = (name) => vm.runInContext(fs.readFileSync(path.join(site, name), "utf8"), worker, name);
worker.importScripts = (...names) => names.forEach(load);
load("worker.js");

const counts = {};
let differences = 0;

async function content(response, route) {
  // The site does not know why an embedding could not be read.
  if (!response.ok) return { status: route.startsWith("plugin/projector/") || response.status };
  const type = response.headers.get("Content-Type");
  const bytes = Buffer.from(await response.arrayBuffer());
  if (type === "application/json") return { type, body: JSON.parse(bytes) };
  // A number with 16 digits or more may have two shortest forms.
  const long = /-?(?=[\d.]{17})\d+\.\d+(e[+-]\d+)?/g;
  const body = bytes.toString("latin1");
  return { type, body: type.startsWith("text/csv") ? body.replace(long, (number) => Number(number)) : body };
}

// Compares the answers to a request for data. `make` makes what is sent: it can be read only once.
async function same(route, fields = {}, make = () => ({})) {
  const at = `data/${route}${Object.keys(fields).length ? `?${new URLSearchParams(fields)}` : ""}`;
  const request = new Request(`${ROOT}experiment/defaultExperimentId/${at}`, make());
  let answered;
  listeners.fetch({ request, respondWith: (promise) => (answered = promise) });
  const ours = await content(await answered, route);
  const theirs = await content(await fetch(server + at, make()), route);
  counts[route] = (counts[route] ?? 0) + 1;
  try {
    assert.deepStrictEqual(ours, theirs);
  } catch {
    differences++;
    const shown = (answer) => JSON.stringify(answer).slice(0, 600);
    const { body, ...rest } = make();
    console.log(`${at} ${typeof body === "string" ? body : ""} ${JSON.stringify(rest)}`);
    console.log(`  site:   ${shown(ours)}\n  server: ${shown(theirs)}`);
  }
  return ours.body;
}

const post = (route, asked) => same(route, {}, () => ({ method: "POST", body: JSON.stringify(asked) }));

function form(route, fields) {
  return same(route, {}, () => {
    const body = new FormData();
    fields.forEach(([name, value]) => body.append(name, value));
    return { method: "POST", body };
  });
}

async function scalars() {
  const tags = await same("plugin/scalars/tags");
  const runs = Object.create(null);
  for (const [run, all] of Object.entries(tags)) {
    for (const tag of Object.keys(all)) {
      (runs[tag] ??= []).push(run);
      await same("plugin/scalars/scalars", { run, tag });
      await same("plugin/scalars/scalars", { run, tag, format: "csv" });
      await form("plugin/timeseries/timeSeries", [["requests", JSON.stringify([{ plugin: "scalars", tag, run }])]]);
    }
    await same("plugin/custom_scalars/scalars", { run, tag: ".*" });
  }
  for (const [tag, of] of Object.entries(runs)) {
    const names = [...of, "constructor", "no run"].map((run) => ["runs", run]);
    await form("plugin/scalars/scalars_multirun", [["tag", tag], ...names]);
    await form("plugin/timeseries/timeSeries", [["requests", JSON.stringify([{ plugin: "scalars", tag }])]]);
  }
  await same("plugin/scalars/scalars", { run: "constructor", tag: "loss" });
}

const STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"];

async function hparams() {
  const rows = { allowedStatuses: STATUSES, startIndex: 0, sliceSize: 1e6 };
  const groupsOf = (more) => post("plugin/hparams/session_groups", { ...rows, ...more });
  const column = (...colParams) => groupsOf({ colParams });

  const { hparamInfos, metricInfos } = await post("plugin/hparams/experiment", {});
  for (const asked of [{ hparamsLimit: 2 }, { includeMetrics: false }]) {
    await post("plugin/hparams/experiment", asked);
  }
  const { sessionGroups } = await groupsOf({});
  for (const [startIndex, sliceSize] of [[0, 2], [1, 1], [3, 100], [1000, 1], [0, 0]]) {
    await groupsOf({ startIndex, sliceSize });
  }
  await groupsOf({ includeMetrics: false });
  await post("plugin/hparams/session_groups", {});
  for (const status of STATUSES) await groupsOf({ allowedStatuses: [status] });
  await column({});

  const orders = ["ORDER_ASC", "ORDER_DESC"].flatMap((order) =>
    [false, true].map((missingValuesFirst) => ({ order, missingValuesFirst })));
  const names = [...hparamInfos.map(({ name }) => ({ hparam: name })), ...metricInfos.map(({ name }) => ({ metric: name }))];
  names.push({ hparam: "constructor" }, { metric: { tag: "no tag" } });
  const values = sessionGroups.flatMap((group) => Object.values(group.hparams));
  const distinct = [...new Set(values)];
  for (const [index, name] of names.entries()) {
    for (const order of orders) await column({ ...name, ...order });
    await column({ ...name, ...orders[0] }, { ...names[(index + 1) % names.length], ...orders[3] });
    const filters = [
      {},
      { filterInterval: { minValue: 0.3, maxValue: "Infinity" } },
      { filterInterval: { minValue: "-Infinity", maxValue: 0.3 } },
      { filterRegexp: "e" },
      { filterRegexp: "(?i)^W.*[\\d\\-]%" },
      { filterRegexp: "(" },
      { filterDiscrete: [] },
      ...distinct.map((value) => ({ filterDiscrete: [value] })),
      { filterDiscrete: distinct },
    ];
    for (const filter of filters) {
      await column({ ...name, ...filter });
      await column({ ...name, ...filter, excludeMissingValues: true });
    }
    await column({ ...name, includeInResult: true });
    await column({ ...name, includeInResult: false });
  }
  for (const { name } of [...metricInfos, { name: { tag: "no tag" } }]) {
    for (const kind of ["UNSET", "AVG", "MEDIAN", "MIN", "MAX"]) {
      await groupsOf({ aggregationType: `AGGREGATION_${kind}`, aggregationMetric: name });
    }
  }
  const all = names.map(() => true);
  const some = all.map((_, index) => index % 2 === 0);
  for (const format of ["csv", "json", "latex", "exe"]) {
    for (const [visible, asked] of [[all, rows], [some, rows], [[], rows], [all, { ...rows, sliceSize: 2 }]]) {
      const fields = { format, columnsVisibility: JSON.stringify(visible), request: JSON.stringify(asked) };
      await same("plugin/hparams/download_data", fields);
    }
  }
  await same("plugin/hparams/download_data", { format: "csv", columnsVisibility: "?", request: "{}" });
  for (const { sessions } of sessionGroups) {
    for (const session of sessions) {
      for (const { name } of session.metricValues) {
        await post("plugin/hparams/metric_evals", { sessionName: session.name, metricName: name });
      }
    }
  }
  await post("plugin/hparams/metric_evals", { sessionName: "no run", metricName: { tag: "constructor" } });
}

async function projector() {
  await same("plugin_entry.html", { name: "projector" });
  for (const file of ["index.js", "projector_binary.html", "projector_binary.js"]) {
    await same(`plugin/projector/${file}`);
  }
  for (const run of await same("plugin/projector/runs")) {
    const { embeddings } = await same("plugin/projector/info", { run });
    for (const { tensorName: name, metadataPath, bookmarksPath, sprite } of embeddings) {
      await same("plugin/projector/tensor", { run, name, num_rows: 100000 });
      if (metadataPath) await same("plugin/projector/metadata", { run, name, num_rows: 100000 });
      if (bookmarksPath) await same("plugin/projector/bookmarks", { run, name });
      if (sprite) await same("plugin/projector/sprite_image", { run, name });
    }
  }
}

await same("runs");
await same("plugins_listing");
await scalars();
await hparams();
await projector();
for (const [route, count] of Object.entries(counts)) console.log(`${route}: ${count} requests`);
process.exit(differences ? 1 : 0);

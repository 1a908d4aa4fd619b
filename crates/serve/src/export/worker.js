// Answers the page's requests for data from the files of this site.
"use strict";

const root = new URL("./", self.location).pathname;
let index; // from keys to the number of a file and its content type

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== self.location.origin || !url.pathname.startsWith(root)) return;
  const path = url.pathname.slice(root.length).replace(/^experiment\/[^/]*\//, "");
  if (path.startsWith("data/")) {
    event.respondWith(answer(path.slice(5), url.searchParams, event.request));
  }
});

function key(path, fields) {
  const parts = fields.map(([name, value]) => `${name}=${value}`);
  // Names are ASCII and differ, so this is the order of the index.
  parts.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return `${path}?${parts.join("&")}`;
}

async function find(path, fields) {
  index ??= fetch("answers.json").then((found) => found.json());
  const found = (await index)[key(path, fields)];
  if (!found) return null;
  const file = await fetch(`answers/${found[0]}`);
  return file.ok ? new Response(file.body, { headers: { "Content-Type": found[1] } }) : null;
}

const json = (value) =>
  new Response(JSON.stringify(value), { headers: { "Content-Type": "application/json" } });

const missing = () => new Response("this is not part of the exported site", { status: 404 });

async function answer(path, query, request) {
  const fields = [...query].filter(([name]) => name !== "ts");
  switch (path) {
    case "plugin/timeseries/timeSeries":
      return timeSeries(request);
    case "plugin/scalars/scalars_multirun": {
      const form = await request.formData();
      const series = await scalars(form.get("tag"));
      const runs = form.getAll("runs").filter((run) => run in series);
      return json(Object.fromEntries(runs.map((run) => [run, series[run].map(row)])));
    }
    case "plugin/custom_scalars/scalars":
      return json(await matching(query.get("run"), query.get("tag")));
    case "plugin/custom_scalars/download_data":
    case "plugin/scalars/scalars": {
      const points = (await scalars(query.get("tag")))[query.get("run")];
      if (!points) return missing();
      if (query.get("format") !== "csv") return json(points.map(row));
      const lines = ["Wall time,Step,Value", ...points.map((point) => row(point).join(","))];
      return new Response(lines.join("\r\n") + "\r\n", { headers: { "Content-Type": "text/csv" } });
    }
    // The tables of hyperparameters are not part of the site.
    case "plugin/hparams/experiment":
      return json({ hparamInfos: [], metricInfos: [] });
    case "plugin/hparams/session_groups":
      return json({ sessionGroups: [], totalSize: 0 });
  }
  const list = ["plugin/histograms/histograms", "plugin/distributions/distributions"];
  const kept = list.includes(path) ? fields.filter(([name]) => name !== "sample") : fields;
  return (await find(path, kept)) ?? missing();
}

const row = (point) => [point.wallTime, point.step, point.value];

// The points of a tag by run.
async function scalars(tag) {
  const fields = [["plugin", "scalars"], ["tag", tag]];
  const found = await find("plugin/timeseries/timeSeries", fields);
  return found ? (await found.json())[0].runToSeries : {};
}

// The points of those tags of a run that match a pattern from their first character on.
async function matching(run, pattern) {
  let regex;
  try {
    new RegExp(pattern); // by itself, since `a)|(b` would be a pattern within a group
    regex = pattern ? new RegExp(`^(?:${pattern})`) : null;
  } catch {
    regex = null;
  }
  if (!regex) return { regex_valid: false, tag_to_events: {} };
  const tags = await (await find("plugin/scalars/tags", [])).json();
  const matches = Object.keys(tags[run] ?? {}).filter((tag) => regex.test(tag));
  const entries = matches.map(async (tag) => [tag, ((await scalars(tag))[run] ?? []).map(row)]);
  return { regex_valid: true, tag_to_events: Object.fromEntries(await Promise.all(entries)) };
}

async function timeSeries(request) {
  const requests = JSON.parse((await request.formData()).get("requests"));
  const answers = requests.map(async ({ plugin, tag, run, sample }) => {
    const fields = [["plugin", plugin], ["tag", tag]];
    if (plugin !== "scalars") fields.push(["run", run]);
    if (plugin === "images") fields.push(["sample", sample]);
    const found = await find("plugin/timeseries/timeSeries", fields);
    const series = found ? (await found.json())[0].runToSeries : {};
    const one = plugin === "scalars" && run ? { [run]: series[run] ?? [] } : series;
    return { plugin, tag, run, sample, runToSeries: one };
  });
  return json(await Promise.all(answers));
}

// Answers the page's requests for data from the files of this site.
"use strict";

importScripts("hparams.js", "download.js");

const FONTS = "/font-roboto/";
const root = new URL("./", self.location).pathname;
let index; // from keys to the number of a file and its content type
let tables; // the columns and all sessions of the hyperparameters

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== self.location.origin) return;
  // The page expects its fonts at the root of the server.
  if (url.pathname.startsWith(FONTS)) event.respondWith(fetch(root + url.pathname.slice(1)));
  if (!url.pathname.startsWith(root)) return;
  const path = url.pathname.slice(root.length).replace(/^experiment\/[^/]*\//, "");
  if (path.startsWith("data/")) {
    event.respondWith(answer(path.slice(5), url.searchParams, event.request));
  }
});

function key(path, fields) {
  // A name may contain `&tag=`.
  const escaped = (value) => String(value).replace(/[%&]/g, encodeURIComponent);
  const parts = fields.map(([name, value]) => `${name}=${escaped(value)}`);
  // Names are ASCII and differ, so this is the order of the index.
  parts.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return `${path}?${parts.join("&")}`;
}

// A promise whose failure is not kept: the next request tries again.
const retried = (promise, forget) =>
  promise.catch((error) => {
    forget();
    throw error;
  });

async function find(path, fields) {
  index ??= retried(fetch("answers.json").then((found) => found.json()), () => (index = null));
  const found = own(await index, key(path, fields));
  if (!found) return null;
  const file = await fetch(`answers/${found[0]}`);
  return file.ok ? new Response(file.body, { headers: { "Content-Type": found[1] } }) : null;
}

const text = (type, body) => new Response(body, { headers: { "Content-Type": type } });

const json = (value) => text("application/json", JSON.stringify(value));

const missing = () =>
  new Response("this was not there, or could not be read, when the site was made", { status: 404 });

async function answer(path, query, request) {
  const fields = [...query].filter(([name]) => name !== "ts");
  switch (path) {
    case "plugin/timeseries/timeSeries":
      return timeSeries(request);
    case "plugin/scalars/scalars_multirun": {
      const form = await request.formData();
      const series = await scalars(form.get("tag"));
      const runs = form.getAll("runs").filter((run) => Object.hasOwn(series, run));
      return json(Object.fromEntries(runs.map((run) => [run, series[run].map(row)])));
    }
    case "plugin/custom_scalars/scalars":
      return json(await matching(query.get("run"), query.get("tag")));
    case "plugin/custom_scalars/download_data":
    case "plugin/scalars/scalars": {
      const points = own(await scalars(query.get("tag")), query.get("run"));
      if (!points) return missing();
      if (query.get("format") !== "csv") return json(points.map(row));
      const cells = ({ wallTime, step, value }) =>
        csvLine([python(Number(wallTime)), step, python(Number(value))]);
      const lines = [csvLine(["Wall time", "Step", "Value"]), ...points.map(cells)];
      return text("text/csv; charset=utf-8", lines.join(""));
    }
    case "plugin/hparams/download_data":
    case "plugin/hparams/experiment":
    case "plugin/hparams/metric_evals":
    case "plugin/hparams/session_groups":
      return hparams(path.slice("plugin/hparams/".length), query, request);
  }
  // Files have all samples and all points that the page asks for.
  const left = own(LEFT_OUT, path);
  return (await find(path, fields.filter(([name]) => name !== left))) ?? missing();
}

const LEFT_OUT = {
  "plugin/histograms/histograms": "sample",
  "plugin/distributions/distributions": "sample",
  "plugin/projector/metadata": "num_rows",
  "plugin/projector/tensor": "num_rows",
};

async function hparams(route, query, request) {
  try {
    const asked = JSON.parse(request.method === "POST" ? await request.text() : query.get("request"));
    if (route === "metric_evals") {
      const { sessionName = "", metricName = {} } = asked;
      const series = await scalars(metricName.tag ?? "");
      const points = own(series, runOf(sessionName, metricName.group));
      return points ? json(points.map(row)) : missing();
    }
    tables ??= retried(loadTables(), () => (tables = null));
    const [experiment, sessions] = await tables;
    const columns = columnsOf(experiment, asked);
    if (route === "experiment") return json(columns);
    const table = tableOf(sessions, asked);
    if (route === "session_groups") return json(table);
    const visible = JSON.parse(query.get("columnsVisibility"));
    // A file has all hyperparameters.
    const all = columnsOf(experiment, { ...asked, hparamsLimit: 0 });
    return text(...download(visibleTable(all, table.sessionGroups, visible), query.get("format")));
  } catch (error) {
    if (!(error instanceof Refused || error instanceof SyntaxError)) throw error;
    return new Response(error.message, { status: 400 });
  }
}

async function loadTables() {
  const files = [find("plugin/hparams/experiment", [["request", "{}"]]), find("sessions", [])];
  return Promise.all((await Promise.all(files)).map((file) => file.json()));
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
  const matches = Object.keys(own(tags, run) ?? {}).filter((tag) => regex.test(tag));
  const entries = matches.map(async (tag) => [tag, (own(await scalars(tag), run) ?? []).map(row)]);
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
    const one = plugin === "scalars" && run ? { [run]: own(series, run) ?? [] } : series;
    return { plugin, tag, run, sample, runToSeries: one };
  });
  return json(await Promise.all(answers));
}

// The tables of hyperparameters, made of all sessions with the server's rules.
"use strict";

// A request that the server refuses.
class Refused extends Error {}

// A field of an object. A name may be that of something every object has.
const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

// JSON has no NaN and no infinities: texts replace them.
const toJson = (number) => (Number.isFinite(number) ? number : String(number));

// NaN is last, and -0 before 0.
function bySize(a, b) {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return a < b ? -1 : a > b ? 1 : Object.is(b, -0) - Object.is(a, -0);
}

// By characters. JavaScript's own order differs beyond U+FFFF, whose characters are pairs of small units.
function byText(a, b) {
  const rank = (unit) => (unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit);
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
    if (difference) return difference;
  }
  return a.length - b.length;
}

// A number, or a boolean as one.
const numeric = (value) => (typeof value === "string" ? null : Number(value));

// Numbers and booleans by size, texts by characters, texts last.
function byValue(a, b) {
  if (typeof a === "string" && typeof b === "string") return byText(a, b);
  if (typeof a === "string" || typeof b === "string") return typeof a === "string" ? 1 : -1;
  return bySize(numeric(a), numeric(b));
}

const sameMetric = (a, b) =>
  (a.tag ?? "") === (b.tag ?? "") && (a.group ?? "") === (b.group ?? "");

// The value of a metric among others.
function metricOf(values, name) {
  const found = values.find((value) => sameMetric(value.name, name));
  return found && Number(found.value);
}

// The value of a group in a column.
const valueOf = (group, column) =>
  column.metric ? metricOf(group.metricValues, column.metric) : own(group.hparams, column.hparam);

// Each metric, averaged over the sessions that have it.
function mean(sessions) {
  const sums = new Map();
  for (const { name, value, trainingStep, wallTimeSecs } of sessions.flatMap((s) => s.metricValues)) {
    const key = JSON.stringify([name.tag, name.group]);
    const sum = sums.get(key);
    if (sum) {
      sum.value += Number(value);
      sum.step += trainingStep;
      sum.wallTime += Number(wallTimeSecs);
      sum.count++;
    } else {
      const first = { value: Number(value), wallTime: Number(wallTimeSecs) };
      sums.set(key, { name, ...first, step: trainingStep, count: 1 });
    }
  }
  return [...sums.values()].map(({ name, value, step, wallTime, count }) => ({
    name,
    value: toJson(value / count),
    trainingStep: (step - (((step % count) + count) % count)) / count,
    wallTimeSecs: toJson(wallTime / count),
  }));
}

// The metrics of a group.
function aggregate(sessions, how, by) {
  if (how === "AGGREGATION_UNSET" || how === "AGGREGATION_AVG") return mean(sessions);
  const measured = sessions.map((session) => [metricOf(session.metricValues, by), session]);
  const sorted = measured.filter(([value]) => value !== undefined).sort(([a], [b]) => bySize(a, b));
  const last = Math.max(sorted.length - 1, 0);
  const places = { MIN: 0, MEDIAN: Math.floor(last / 2), MAX: last };
  const place = own(places, String(how).replace("AGGREGATION_", ""));
  if (place === undefined) throw new Refused(`there is no ${how}`);
  return sorted[place]?.[1].metricValues ?? [];
}

// All groups with sessions of the statuses that were asked for, sorted by name.
function groupsOf(rows, asked) {
  const statuses = asked.allowedStatuses ?? [];
  const groups = new Map();
  for (const { group: name, hparams, session } of rows) {
    if (!statuses.includes(session.status)) continue;
    const { monitorUrl } = session;
    if (!groups.has(name)) groups.set(name, { name, hparams, sessions: [], monitorUrl });
    const hasMetrics = asked.includeMetrics ?? true;
    groups.get(name).sessions.push(hasMetrics ? session : { ...session, metricValues: [] });
  }
  const how = asked.aggregationType ?? "AGGREGATION_UNSET";
  const by = asked.aggregationMetric ?? {};
  const all = [...groups.values()].sort((a, b) => byText(a.name, b.name));
  return all.map((group) => ({ ...group, metricValues: aggregate(group.sessions, how, by) }));
}

// A pattern as the server reads it: by characters, with flags at its start.
function regexOf(pattern) {
  const [, flags, rest] = /^(?:\(\?([ims]+)\))?([^]*)$/.exec(pattern);
  for (const unicode of ["u", ""]) {
    try {
      return new RegExp(rest, [...new Set(flags)].join("") + unicode);
    } catch {} // `\-` is an error with the first
  }
  throw new Refused(`the pattern ${pattern} is not valid`);
}

// Whether a value passes the filter of a column; null if it has none.
function filterOf(column) {
  const unfit = (what) => {
    throw new Refused(`${what} does not fit a value`);
  };
  if (typeof column.filterRegexp === "string") {
    const regex = regexOf(column.filterRegexp);
    return (value) => (typeof value === "string" ? regex.test(value) : unfit("a pattern"));
  }
  if (column.filterInterval) {
    const { minValue = 0, maxValue = 0 } = column.filterInterval;
    const [min, max] = [Number(minValue), Number(maxValue)];
    return (value) => {
      const number = numeric(value) ?? unfit("an interval");
      return min <= number && number <= max;
    };
  }
  if (column.filterDiscrete) {
    const is = (one, value) => (typeof one === "string" ? one === value : same(one, value));
    const same = (one, value) =>
      ["boolean", "number"].includes(typeof one) && Number(one) === numeric(value);
    return (value) => column.filterDiscrete.some((one) => is(one, value));
  }
  return column.excludeMissingValues ? () => true : null;
}

// The groups that pass all filters, in the order that was asked for, with the columns that were asked for.
function select(groups, columns) {
  for (const column of columns) {
    if (!column.metric && typeof column.hparam !== "string") {
      throw new Refused("a column that is neither a metric nor a hyperparameter");
    }
    const passes = filterOf(column);
    if (!passes) continue;
    groups = groups.filter((group) => {
      const value = valueOf(group, column);
      return value === undefined ? !column.excludeMissingValues : passes(value);
    });
  }
  // The first column counts most, so it is sorted by last.
  for (const column of [...columns].reverse()) {
    const sign = { ORDER_ASC: 1, ORDER_DESC: -1 }[column.order];
    if (!sign) continue;
    const missing = column.missingValuesFirst ? -1 : 1;
    const keyed = groups.map((group) => [valueOf(group, column), group]);
    keyed.sort(([a], [b]) => {
      if (a !== undefined && b !== undefined) return sign * byValue(a, b);
      return missing * ((a === undefined) - (b === undefined));
    });
    groups = keyed.map(([, group]) => group);
  }
  if (columns.every((column) => (column.includeInResult ?? null) === null)) return groups;
  const shown = columns.filter((column) => column.includeInResult !== false);
  const names = new Set(shown.map((column) => column.hparam));
  return groups.map((group) => {
    const hparams = Object.entries(group.hparams).filter(([name]) => names.has(name));
    return { ...group, hparams: Object.fromEntries(hparams) };
  });
}

// The columns of a request.
function columnsOf(experiment, asked) {
  const { hparamInfos, metricInfos } = experiment;
  return {
    ...experiment,
    hparamInfos: asked.hparamsLimit ? hparamInfos.slice(0, asked.hparamsLimit) : hparamInfos,
    metricInfos: asked.includeMetrics ?? true ? metricInfos : [],
  };
}

// The rows of a request.
function tableOf(rows, asked) {
  const groups = select(groupsOf(rows, asked), asked.colParams ?? []);
  const start = asked.startIndex ?? 0;
  const sessionGroups = groups.slice(start, start + (asked.sliceSize ?? 0));
  return { sessionGroups, totalSize: groups.length };
}

// The run of a group of metrics of a session.
function runOf(session, group) {
  if (!group) return session;
  return session === "." ? group : `${session}/${group.replace(/\/+$/, "")}`;
}

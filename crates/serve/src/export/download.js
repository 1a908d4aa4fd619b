// Tables as files, in the same form as those of the server.
"use strict";

// A number as Python writes it.
function python(number) {
  if (!Number.isFinite(number)) return Number.isNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
  const [digits, exponent] = number.toExponential().split("e");
  if (exponent >= -4 && exponent < 16) {
    const text = Object.is(number, -0) ? "-0" : String(number);
    return text.includes(".") ? text : `${text}.0`;
  }
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

// A number with this many decimals. Half a digit becomes the even one, where JavaScript rounds up.
function rounded(number, decimals, form) {
  const [exact, exponent] = number[form](100).split("e");
  const end = exact.indexOf(".") + 1 + decimals;
  const kept = exact.slice(0, end);
  const isHalf = /^50*$/.test(exact.slice(end));
  if (!isHalf || !"02468".includes(kept.replace(/\.$/, "").at(-1))) return number[form](decimals);
  return kept.replace(/\.$/, "") + (exponent ? `e${exponent}` : "");
}

// A number with three digits.
function latexNumber(number) {
  if (Number.isNaN(number)) return "$\\mathrm{NaN}$";
  if (!Number.isFinite(number)) return `$${number < 0 ? "-" : "+"}\\infty$`;
  const trim = (digits) => (digits.includes(".") ? digits.replace(/\.?0*$/, "") : digits);
  const [digits, exponent] = rounded(number, 2, "toExponential").split("e");
  if (exponent >= -4 && exponent <= 2) return `$${trim(rounded(number, 2 - exponent, "toFixed"))}$`;
  return `$${trim(digits)}\\cdot 10^{${Number(exponent)}}$`;
}

function latexText(text) {
  const names = { "~": "asciitilde", "^": "asciicircum", "\\": "backslash" };
  const escaped = (c) => (c in names ? `\\text${names[c]}{}` : `\\${c}`);
  return text.replace(/[&%$#_{}~^\\]/g, escaped);
}

const csvText = (text) => (/[,"\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const csvLine = (cells) => `${cells.join(",")}\r\n`;

// The visible columns of the rows: a cell is a text, a boolean, a number or null.
function visibleTable(columns, groups, visible) {
  const isShown = (_, index) => visible[index] === true;
  const { hparamInfos, metricInfos } = columns;
  const names = [
    ...hparamInfos.map((info) => info.displayName || info.name),
    ...metricInfos.map((info) => info.displayName || info.name.tag),
  ];
  const row = (group) => [
    ...hparamInfos.map((info) => ({ value: own(group.hparams, info.name), isHparam: true })),
    ...metricInfos.map((info) => ({ value: metricOf(group.metricValues, info.name) })),
  ];
  return { header: names.filter(isShown), rows: groups.map((group) => row(group).filter(isShown)) };
}

// The content type and the text of a table in a format.
function download({ header, rows }, format) {
  const write = (text, yes, no, number, missing) => ({ value, isHparam }) => {
    if (value === undefined) return missing(isHparam);
    if (typeof value === "string") return text(value);
    return typeof value === "boolean" ? (value ? yes : no) : number(value);
  };
  switch (format) {
    case "json": {
      const cell = write((text) => text, true, false, toJson, (isHparam) => (isHparam ? "" : null));
      return ["application/json", JSON.stringify({ header, rows: rows.map((row) => row.map(cell)) })];
    }
    case "csv": {
      const cell = write(csvText, "True", "False", python, () => "");
      const lines = [header.map(csvText), ...rows.map((row) => row.map(cell))];
      return ["text/csv; charset=utf-8", lines.map(csvLine).join("")];
    }
    case "latex": {
      const missing = (isHparam) => (isHparam ? "" : "-");
      const cell = write(latexText, "$1$", "$0$", latexNumber, missing);
      const line = (cells) => `${cells.join(" & ")} \\\\`;
      const body = rows.map((row) => `${line(row.map(cell))}\n`).join("");
      const columns = "l".repeat(header.length);
      const text =
        `\\begin{table}[tbp]\n\\begin{tabular}{${columns}}\n${line(header.map(latexText))} \\hline\n` +
        `${body}\\hline\n\\end{tabular}\n\\end{table}\n`;
      return ["application/x-latex; charset=utf-8", text];
    }
  }
  throw new Refused(`there is no format ${format}; there are json, csv and latex`);
}

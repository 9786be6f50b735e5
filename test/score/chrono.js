// SPDX-License-Identifier: Apache-2.0
// What chrono-node finds in the rows of a corpus: lines of JSON in, a JSON array for each out. Run by score.py with TZ=UTC,
// so that the wall clock of a row is the library's own.
const chrono = require("chrono-node");
const readline = require("readline");

function point(parsed) {
  const pad = (n) => String(n).padStart(2, "0");
  const day = `${parsed.get("year")}-${pad(parsed.get("month"))}-${pad(parsed.get("day"))}`;
  if (!parsed.isCertain("hour") && !parsed.isCertain("minute")) return day;
  return `${day}T${pad(parsed.get("hour"))}:${pad(parsed.get("minute"))}:${pad(parsed.get("second") || 0)}`;
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const row = JSON.parse(line);
  let found = [];
  try {
    found = chrono.parse(row.text, new Date(`${row.now}Z`), { forwardDate: true }).map((r) => {
      const value = point(r.start);
      if (r.end) return { kind: "range", value, end_value: point(r.end) };
      return { kind: value.length > 10 ? "datetime" : "date", value };
    });
  } catch (e) {
    found = [];
  }
  console.log(JSON.stringify(found));
});

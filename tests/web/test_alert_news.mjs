/** news.js: which alerts are told aloud, and how. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { newOf, newsText } from "../../web/static/js/alerts/news.js";

const alert = (machine, severity = "warning", rule = "cpu-high") => ({ machine, rule, instance: "", severity });

test("an alert is new if it did not fire before", () => {
  const [a, b] = [alert("a"), alert("b")];
  assert.deepEqual(newOf([a], [{ ...a, severity: "critical" }, b]), [b]);
  assert.deepEqual(newOf([a, b], [a]), []);
});

test("few are named, many are one sentence", () => {
  assert.equal(newsText([]), "");
  assert.equal(newsText([alert("web1")]), "web1: cpu-high fires, warning.");
  assert.equal(
    newsText([alert("web1"), alert("db1", "critical", "disk-full")]),
    "web1: cpu-high fires, warning. db1: disk-full fires, critical.",
  );
  const many = Array.from({ length: 50 }, (_, at) => alert(`web${at % 48}`, at < 12 ? "critical" : "info", `r${at}`));
  assert.equal(newsText(many), "50 new alerts fire on 48 machines, 12 of them critical.");
  assert.equal(newsText(many.slice(12)), "38 new alerts fire on 38 machines.");
});

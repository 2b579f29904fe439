/** alerts/: which alerts are chosen, what past ones were, in which order they stand, and how rules are worded. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isChosen, isFiltered } from "../../web/static/js/alerts/alerts_choice.js";
import { pastAlert } from "../../web/static/js/alerts/past_alert.js";
import { ranked } from "../../web/static/js/alerts/ranked.js";
import { against, firesIn, limits, subject } from "../../web/static/js/alerts/wording.js";
import { format, parse } from "../../web/static/js/page/address.js";

const ANY = { severity: "", machine: "", text: "" };

test("what is chosen comes back from the address, and nonsense is left at its default", () => {
  const view = parse("?view=alerts&severity=critical&on=web1&q=disk%20full", null, false);
  assert.deepEqual(view.alerts, { severity: "critical", machine: "web1", text: "disk full" });
  assert.deepEqual(parse(format(view), null, false), view);
  assert.deepEqual(parse("?view=alerts&severity=odd", null, false).alerts, ANY);
  assert.deepEqual(parse("?q=web", null, false).alerts, ANY);
  assert.equal(parse("?view=alerts&on=web1", null, false).page, "alerts");
});

test("an alert is chosen by its severity, its machine and every word of the text", () => {
  const about = { severity: "warning", machine: "web1", message: "Web1: the disk is full", rule: "disk-full", metric: "filesystem.percent", instance: "/srv" };
  for (const choice of [{}, { severity: "warning" }, { machine: "web1" }, { text: "DISK full" }, { text: "/srv filesystem" }]) {
    assert.ok(isChosen({ ...ANY, ...choice }, about), JSON.stringify(choice));
  }
  for (const choice of [{ severity: "critical" }, { machine: "web" }, { text: "disk empty" }]) {
    assert.ok(!isChosen({ ...ANY, ...choice }, about), JSON.stringify(choice));
  }
  assert.ok(!isFiltered(ANY) && isFiltered({ ...ANY, text: "x" }));
});

test("a past alert has the severity of its rule also where it is over, and how long it lasted", () => {
  const fields = { severity: "critical", rule: "r", metric: "cpu.percent", instance: "", value: 3, threshold: 5, since: 100 };
  const event = { id: 1, time: 160, kind: "alert.resolved", severity: "info", machine: "web1", message: "over", fields };
  const past = pastAlert(event);
  assert.deepEqual([past.became, past.severity, past.lasted, past.value, past.threshold], ["resolved", "critical", 60, 3, 5]);
  assert.equal(pastAlert({ ...event, kind: "alert.firing" }).lasted, null);
  const odd = pastAlert({ ...event, fields: { since: "x", severity: 5, rule: {} } });
  assert.deepEqual([odd.severity, odd.rule, odd.lasted, odd.value], ["info", "", null, null]);
});

test("the worst come first, of those the newest; what is pending is apart", () => {
  const alert = (severity, since, state = "firing") => ({ severity, since, state });
  const all = [alert("info", 9), alert("odd", 9), alert("critical", 1), alert("critical", 2), alert("warning", 5, "pending")];
  assert.deepEqual(ranked(all).map((one) => [one.severity, one.since]), [["critical", 2], ["critical", 1], ["info", 9], ["odd", 9]]);
  assert.deepEqual(ranked(all, "pending").map((one) => one.severity), ["warning"]);
});

const RULE = {
  metric: "filesystem.percent", instance: "/data*", machine: "db-*", silent: false, comparison: ">", threshold: 70, clear: 65, for_seconds: 90,
};

test("a rule is a sentence", () => {
  assert.equal(`${subject(RULE)} ${limits(RULE, "percent")}`, "filesystem.percent of /data* on db-* above 70% for 1 min 30 s; resolves at 65%");
  const plain = { ...RULE, instance: "*", machine: "*", clear: 70, for_seconds: 0, comparison: "<=", threshold: 2 ** 30 };
  assert.equal(`${subject(plain)} ${limits({ ...plain, clear: plain.threshold }, "bytes")}`, "filesystem.percent at or below 1 GiB at once");
  const silent = { ...RULE, silent: true, metric: null, instance: null, machine: "*", comparison: null, threshold: null, clear: null, for_seconds: 30 };
  assert.equal(`${subject(silent)} ${limits(silent, "")}`, "no sample comes for 30 s");
  assert.equal(limits({ ...RULE, threshold: 99.5, clear: 99.5, for_seconds: 600 }, "percent"), "above 99.5% for 10 min");
});

test("a value stands against its threshold, and a pending alert says when it fires", () => {
  assert.equal(against(91.25, 90, ">", "percent"), "91.3%, above 90%");
  assert.equal(against(null, 90, "", "percent"), "–, threshold 90%");
  assert.equal(against(5, null, ">", "percent"), "");
  assert.equal(firesIn(1000, { ...RULE, for_seconds: 90 }, 1050), "fires in 40 s if it holds");
  assert.equal(firesIn(1000, { ...RULE, for_seconds: 90 }, 1100), "fires with the next sample if it holds");
  assert.equal(firesIn(1000, undefined, 1100), "");
});

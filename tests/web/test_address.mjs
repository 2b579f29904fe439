/** address.js: what is looked at, as the query string keeps it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RANGES, format, parse } from "../../web/static/js/page/address.js";

test("every view comes back from its address", () => {
  for (const machine of [null, "web1", "a.b-c_d", "<img src=x>&machine=other"]) {
    for (const last of Object.keys(RANGES)) assert.deepEqual(parse(format({ machine, last })), { machine, last });
  }
});

test("the plain address is the fleet", () => {
  assert.deepEqual(parse(""), { machine: null, last: "15m" });
  assert.equal(format({ machine: null, last: "15m" }), "./");
});

test("nonsense is left at its default", () => {
  for (const last of ["9y", "", "toString", "__proto__"]) assert.equal(parse(`?last=${last}`).last, "15m");
  assert.equal(parse("?machine=").machine, null);
});

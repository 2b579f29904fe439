// @ts-check
/** Globs as rules have them: `*` (slashes too), `?` and `[abc]`, upper and lower case apart, like Python's fnmatchcase. */

/**
 * What a glob matches, as a regular expression for whole names.
 * @param {string} glob
 */
export function compiled(glob) {
  const marks = [...glob];
  let pattern = "";
  for (let at = 0; at < marks.length; at += 1) {
    const end = marks[at] === "[" ? closing(marks, at) : -1;
    if (end > 0) pattern += setOf(marks.slice(at + 1, end));
    else if (marks[at] === "*") pattern += ".*";
    else pattern += marks[at] === "?" ? "." : literal(marks[at]);
    if (end > 0) at = end;
  }
  return new RegExp(`^${pattern}$`, "su");
}

/**
 * Where a set ends that begins at a "["; -1 if it does not end, and the bracket is just one.
 * @param {string[]} marks
 * @param {number} start
 */
function closing(marks, start) {
  let at = start + 1;
  if (marks[at] === "!") at += 1;
  // A bracket that comes first is one of the set.
  return marks.indexOf("]", at + 1);
}

/** @param {string[]} inner what stands between the brackets */
function setOf(inner) {
  const negated = inner[0] === "!";
  let members = "";
  for (let at = negated ? 1 : 0; at < inner.length; at += 1) {
    const range = inner[at + 1] === "-" && at + 2 < inner.length;
    const last = range ? inner[at + 2] : inner[at];
    // A range that ends before it begins has nothing in it.
    if (codeOf(inner[at]) <= codeOf(last)) members += `${literal(inner[at])}-${literal(last)}`;
    if (range) at += 2;
  }
  if (!members) return negated ? "." : "(?!)";
  return `[${negated ? "^" : ""}${members}]`;
}

/** @param {string} mark */
const codeOf = (mark) => mark.codePointAt(0) ?? 0;

/** @param {string} mark */
const literal = (mark) => `\\u{${codeOf(mark).toString(16)}}`;

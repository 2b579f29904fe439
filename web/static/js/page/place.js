// @ts-check
/** Puts elements in order, moving few: what stays in its place costs nothing, and what is moved keeps the focus. */

/**
 * @param {Element} parent
 * @param {Element[]} elements in order, all that it shall have
 */
export function place(parent, elements) {
  const { activeElement } = document;
  const held = activeElement instanceof HTMLElement && parent.contains(activeElement) ? activeElement : null;
  const wanted = new Set(elements);
  for (const old of [...parent.children]) if (!wanted.has(old)) old.remove();
  let there = parent.firstElementChild;
  for (const element of elements) {
    // One that only belongs further down is passed over, and fetched when its turn comes.
    if (there !== element && there?.nextElementSibling === element) there = element;
    if (there === element) there = element.nextElementSibling;
    else parent.insertBefore(element, there);
  }
  if (held?.isConnected && document.activeElement !== held) held.focus({ preventScroll: true });
}

// Makes what is on the page equal to new markup without losing focus, open menus or what is being typed.

const KEPT = new Set(['open', 'hidden'])  // what scripts and people set
const keyOf = (node) => (node.nodeType === 1 ? node.id || node.dataset?.live || '' : '')

export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return
  attributes(old, fresh)
  if (!(old instanceof HTMLInputElement || old instanceof HTMLTextAreaElement || old instanceof HTMLSelectElement)) {
    children(old, fresh)
  }
}

function attributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (!KEPT.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value)
  }
  for (const { name } of [...old.attributes]) {
    if (!KEPT.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name)
  }
}

function children(old, fresh) {
  const known = new Map([...old.children].filter(keyOf).map((node) => [keyOf(node), node]))
  let place = old.firstChild
  for (const wanted of [...fresh.childNodes]) {
    const same = match(place, wanted, known)
    if (!same) {
      old.insertBefore(document.importNode(wanted, true), place)
      continue
    }
    if (same === place) place = place.nextSibling
    else old.insertBefore(same, place)
    if (same.nodeType === 1) morph(same, wanted)
    else if (same.data !== wanted.data) same.data = wanted.data
  }
  while (place) {
    const next = place.nextSibling
    place.remove()
    place = next
  }
}

// The node that stands for `wanted`: the one with its key, else the one in its place where the two are alike.
function match(place, wanted, known) {
  const key = keyOf(wanted)
  if (key) return known.get(key)
  if (!place || place.nodeType !== wanted.nodeType || place.nodeName !== wanted.nodeName || keyOf(place)) return null
  return place.className === wanted.className || place.nodeType !== 1 ? place : alike(place, wanted)
}

const alike = (place, wanted) => (place.dataset?.verb === wanted.dataset?.verb ? place : null)

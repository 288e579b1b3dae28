// Lists that are sorted and filtered in place: the address says what is shown, so it can be kept and sent.

import { load, merge } from './live.js'

const TYPING_MS = 150

async function show(address, push) {
  const found = await load(address).catch(() => null)
  if (!found?.document) return location.assign(address)
  history[push ? 'pushState' : 'replaceState']({}, '', address)
  merge(found.document, true)
}

function filtered(form) {
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value))
  show(`${location.pathname}${query.size ? `?${query}` : ''}`, false)
}

export function keepLists() {
  let timer = null
  document.addEventListener('input', ({ target }) => {
    const form = target.closest('[data-filter]')
    if (!form) return
    clearTimeout(timer)
    timer = setTimeout(() => filtered(form), TYPING_MS)
  })
  document.addEventListener('submit', (event) => {
    if (!event.target.matches('[data-filter]')) return
    event.preventDefault()
    filtered(event.target)
  })
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[data-soft]')
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return
    event.preventDefault()
    show(link.href, true)
  })
  addEventListener('popstate', () => { if (document.querySelector('[data-filter], [data-soft]')) show(location.href, false) })
}

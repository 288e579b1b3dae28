// Everything the pages do beyond links and forms. Without it they still show and do all that matters.

import { keepCreate } from './create.js'
import { keepLists } from './lists.js'
import { keepLive, onRefresh } from './live.js'
import { keepLogs } from './logs.js'
import { keepPalette } from './palette.js'
import { ask } from './parts.js'
import { keepTheme } from './theme.js'
import { keepTimes } from './times.js'
import { keepVerbs } from './verbs.js'

// Menus close by Escape and by a click elsewhere; arrows move inside.
function keepMenus() {
  const opened = () => document.querySelectorAll('details.menu[open]')
  document.addEventListener('click', ({ target }) => {
    for (const menu of opened()) if (!menu.contains(target)) menu.open = false
  })
  document.addEventListener('keydown', (event) => {
    const menu = event.target.closest?.('details.menu[open]') ?? (event.key === 'Escape' ? opened()[0] : null)
    if (!menu) return
    if (event.key === 'Escape') {
      menu.open = false
      menu.querySelector('summary').focus()
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!step) return
    event.preventDefault()
    const items = [...menu.querySelectorAll('.sheet a, .sheet button')]
    const at = items.indexOf(document.activeElement)
    items[(at + step + items.length) % items.length]?.focus()
  })
}

function reveal() {
  for (const node of document.querySelectorAll('[data-copy], [data-step]')) node.hidden = false
}

function keepCopies() {
  document.addEventListener('click', async ({ target }) => {
    const button = target.closest('[data-copy]')
    if (!button) return
    await navigator.clipboard.writeText(button.dataset.copy)
    const use = button.querySelector('use')
    use.setAttribute('href', '#i-check')
    button.setAttribute('aria-label', 'Copied')
    setTimeout(() => use.setAttribute('href', '#i-copy'), 2000)
  })
}

function keepConfirms() {
  for (const input of document.querySelectorAll('[data-confirm]')) {
    const button = input.form.querySelector('button')
    const check = () => { button.disabled = input.value !== input.dataset.confirm }
    input.addEventListener('input', check)
    check()
  }
}

// The page of a start: go on as soon as it runs, show the cause where it fails.
async function keepStarting() {
  const place = document.querySelector('[data-starting]')
  if (!place || place.dataset.phase !== 'starting') return
  for (;;) {
    try {
      const { phase, url } = await ask('GET', `${place.dataset.starting}?wait=running&timeout=30`)
      if (phase === 'running') return location.replace(url)
      if (phase !== 'starting') return location.reload()
    } catch {
      await new Promise((done) => setTimeout(done, 1000))
    }
  }
}

keepTimes()
keepLive()
keepVerbs()
keepCreate()
keepPalette()
keepTheme()
keepLogs()
keepLists()
keepMenus()
keepCopies()
keepConfirms()
reveal()
onRefresh(reveal)
keepStarting()

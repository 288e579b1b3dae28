// Ctrl K: jump to anything, run any verb.

import { openPanel } from './create.js'
import { ask, element, icon } from './parts.js'
import { chooseTheme } from './theme.js'
import { run } from './verbs.js'

const PER_GROUP = 8
let dialog = null

const go = (href) => () => location.assign(href)

function pages() {
  const links = [...document.querySelectorAll('.rail a.item')]
  return links.map((link) => ({ group: 'Go to', what: link.textContent.trim(), mark: 'right', act: go(link.getAttribute('href')) }))
}

function commands() {
  const themes = [['light', 'sun'], ['dark', 'moon'], ['system', 'screen']]
  return [
    { group: 'Commands', what: 'New workspace', mark: 'plus', act: () => openPanel('/workspaces/new') },
    { group: 'Commands', what: 'New cluster', mark: 'plus', act: () => openPanel('/clusters/new') },
    ...themes.map(([theme, mark]) => ({ group: 'Commands', what: `Appearance: ${theme}`, mark, act: () => chooseTheme(theme) })),
    { group: 'Commands', what: 'Sign out', mark: 'leave', act: () => document.querySelector('form[action="/sign-out"]').requestSubmit() },
  ]
}

async function workloads() {
  const lists = await Promise.all(['workspaces', 'clusters'].map((plural) => ask('GET', `/api/v1/${plural}?limit=200`)))
  return lists.flatMap(({ items }) => items).flatMap((item) => entries(item))
}

function entries(item) {
  const page = `/${item.kind}s/${item.id}`
  const api = `/api/v1${page}`
  const all = [{ group: `${item.kind === 'workspace' ? 'Workspaces' : 'Clusters'}`, what: item.name, note: item.phase, mark: item.kind, act: go(page) }]
  const verb = (name, label, mark) => ({ group: 'Run', what: `${label} ${item.name}`, mark, act: () => run(name, api, item.name, page) })
  if (item.phase === 'running' && item.kind === 'workspace') {
    all.push({ group: 'Run', what: `Open ${item.name}`, mark: 'open', act: () => window.open(item.url, '_blank', 'noopener') })
  }
  if (item.phase === 'running' || item.phase === 'starting') all.push(verb('stop', 'Stop', 'stop'), verb('restart', 'Restart', 'restart'))
  else if (item.phase !== 'stopping') all.push(verb('start', 'Start', 'play'))
  all.push({ group: 'Run', what: `Logs of ${item.name}`, mark: 'notebook', act: go(`${page}?tab=logs`) })
  return all
}

function matching(items, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const counts = new Map()
  return items.filter(({ group, what }) => {
    if (!words.every((word) => what.toLowerCase().includes(word))) return false
    const count = (counts.get(group) ?? 0) + 1
    counts.set(group, count)
    return count <= PER_GROUP && (words.length || group !== 'Run')
  })
}

function show(list, input, items) {
  const found = matching(items, input.value)
  const groups = [...new Set(found.map(({ group }) => group))]
  const nodes = groups.map((group) => element('div', { role: 'group', 'aria-label': group }, element('span', {}, group), ...found.filter((item) => item.group === group).map((item) => option(item))))
  list.replaceChildren(...(nodes.length ? nodes : [element('p', { class: 'none' }, `Nothing is called “${input.value}”.`)]))
  choose(list, input, list.querySelector('[role="option"]'))
}

let number = 0

function option(item) {
  const node = element('div', { role: 'option', id: `palette-${(number += 1)}`, 'aria-selected': 'false' }, icon(item.mark), element('span', { class: 'what' }, item.what))
  if (item.note) node.append(element('small', {}, item.note))
  node.addEventListener('click', () => { dialog.close(); item.act() })
  return node
}

function choose(list, input, node) {
  list.querySelector('[aria-selected="true"]')?.setAttribute('aria-selected', 'false')
  node?.setAttribute('aria-selected', 'true')
  node?.scrollIntoView({ block: 'nearest' })
  if (node) input.setAttribute('aria-activedescendant', node.id)
  else input.removeAttribute('aria-activedescendant')
}

function pressed(event, list, input) {
  const options = [...list.querySelectorAll('[role="option"]')]
  const at = options.findIndex((node) => node.getAttribute('aria-selected') === 'true')
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (step && options.length) choose(list, input, options[(at + step + options.length) % options.length])
  else if (event.key === 'Enter') options[at]?.click()
  else return
  event.preventDefault()
}

async function open() {
  if (dialog?.open || document.querySelector('dialog[open]')) return
  const input = element('input', { type: 'text', role: 'combobox', placeholder: 'Search, or type a command', 'aria-label': 'Search or run', 'aria-expanded': 'true', 'aria-controls': 'palette-list', 'aria-autocomplete': 'list', autocomplete: 'off', spellcheck: 'false' })
  const list = element('div', { role: 'listbox', id: 'palette-list', 'aria-label': 'What was found' })
  const keys = element('footer', { 'aria-hidden': 'true' })
  for (const [key, what] of [['↑↓', 'choose'], ['↵', 'go'], ['esc', 'close']]) keys.append(element('span', {}, element('kbd', {}, key), ` ${what}`))
  dialog = element('dialog', { class: 'palette', 'aria-label': 'Search or run' }, element('div', { class: 'ask' }, icon('search'), input), list, keys)
  document.body.append(dialog)
  const before = document.activeElement
  dialog.addEventListener('close', () => { dialog.remove(); before?.focus?.() })
  dialog.addEventListener('click', ({ target }) => { if (target === dialog) dialog.close() })
  dialog.addEventListener('keydown', (event) => pressed(event, list, input))
  let items = [...pages(), ...commands()]
  input.addEventListener('input', () => show(list, input, items))
  dialog.showModal()
  show(list, input, items)
  items = [...(await workloads().catch(() => [])), ...items]
  if (dialog.open) show(list, input, items)
}

export function keepPalette() {
  const button = document.querySelector('[data-palette]')
  if (!button) return
  const apple = /Mac|iPhone|iPad/.test(navigator.platform)
  button.querySelector('[data-shortcut]').textContent = apple ? '⌘ K' : 'Ctrl K'
  button.hidden = false
  button.addEventListener('click', open)
  document.addEventListener('keydown', (event) => {
    if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return
    event.preventDefault()
    open()
  })
}

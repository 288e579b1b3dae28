// Small parts: elements, icons, messages with undo, questions to the server.

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, '')
    else if (value !== false && value != null) node.setAttribute(name, value)
  }
  node.append(...children)
  return node
}

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
  use.setAttribute('href', `#i-${name}`)
  svg.append(use)
  return svg
}

export const csrf = () => document.querySelector('meta[name="csrf"]')?.content ?? ''

export function say(text) {
  const region = document.getElementById('said')
  if (region) region.textContent = text
}

// Ask the API; the answer's JSON, or an Error with the server's words.
export async function ask(method, path, body) {
  const options = { method, headers: { 'X-Roost-CSRF': csrf(), Accept: 'application/json' } }
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json'
    options.body = JSON.stringify(body)
  }
  let answer
  try {
    answer = await fetch(path, options)
  } catch {
    throw new Error('The platform does not answer. Nothing was changed.')
  }
  const content = answer.status === 204 ? {} : await answer.json().catch(() => ({}))
  if (answer.ok) return content
  throw new Error([content.title ?? `It failed (${answer.status}).`, content.hint].filter(Boolean).join(' '))
}

const UNDO_S = 10

function stack() {
  return document.querySelector('.toasts') ?? document.body.appendChild(element('div', { class: 'toasts' }))
}

// A message at the edge; with `undo` it offers to take back what was done, for ten seconds.
export function toast(text, { tone = 'running', mark = 'check', undo = null } = {}) {
  const line = element('div', { class: `toast tone-${tone}` }, icon(mark), element('p', {}, text))
  const close = () => { clearTimeout(timer); line.remove() }
  if (undo) {
    const button = element('button', { class: 'button small', type: 'button' }, 'Undo')
    button.addEventListener('click', () => { close(); undo() })
    const left = element('span', { class: 'left' })
    line.append(button, left)
    left.animate([{ transform: 'scaleX(1)' }, { transform: 'scaleX(0)' }], { duration: UNDO_S * 1000, fill: 'forwards' })
  }
  const dismiss = element('button', { class: 'button plain icon-only small', type: 'button', 'aria-label': 'Dismiss' }, icon('close'))
  dismiss.addEventListener('click', close)
  line.append(dismiss)
  stack().append(line)
  say(undo ? `${text} Press Undo to take it back.` : text)
  const timer = setTimeout(close, (undo || tone === 'failed' ? UNDO_S : 5) * 1000)
}

export const fail = (error) => toast(error.message, { tone: 'failed', mark: 'failed' })

export function bytes(amount) {
  for (const [unit, scale] of [['TB', 2 ** 40], ['GB', 2 ** 30], ['MB', 2 ** 20], ['KB', 2 ** 10]]) {
    if (amount >= scale) return [unit, scale]
  }
  return ['B', 1]
}

// "1.1 of 4.0 GB", as `format_used` says it.
export function usedOf(used, limit) {
  const [unit, scale] = bytes(limit)
  if (used < limit / 80) {
    const [small, less] = bytes(used)
    return `${Number((used / less).toFixed(1))} ${small} of ${Number((limit / scale).toFixed(1))} ${unit}`
  }
  return `${(used / scale).toFixed(1)} of ${(limit / scale).toFixed(1)} ${unit}`
}

export function setBar(bar, share) {
  bar.querySelector('.bar-fill').setAttribute('width', `${share}%`)
  bar.classList.toggle('full', share >= 95)
  bar.classList.toggle('near', share >= 80 && share < 95)
}

// The panel that makes something new: opens beside the page, says the price on its button, keeps errors in place.

import { csrf, element, fail } from './parts.js'

function price(usd) {
  if (usd === 0) return 'free'
  const digits = usd < 0.1 ? Number(usd.toFixed(4)).toString() : usd.toFixed(2)
  return `$${digits} / h`
}

const monthly = (usd) => `about $${Math.round(usd * 730).toLocaleString('en-US')} a month`

function total(form) {
  const size = form.querySelector('[name="size"]:checked')
  const place = form.querySelector('[data-total]')
  if (!size || !place) return
  const count = Math.max(1, Number(form.elements.workers?.value ?? 1) || 1)
  const label = form.querySelector('[data-start-label]')
  const usd = size.dataset.usd === '' ? null : Number(size.dataset.usd) * count
  const eks = size.dataset.eks === '' ? null : Number(size.dataset.eks) * count
  label.textContent = usd ? `Start for ${price(usd)}` : 'Start'
  if (usd) place.textContent = monthly(usd)
  else place.textContent = eks === null ? 'Free here.' : `Free here. On EKS: ${price(eks)}, ${monthly(eks)}.`
  place.hidden = false
}

export function prepare(form) {
  form.addEventListener('input', () => total(form))
  total(form)
}

async function fetched(address, options = {}) {
  const answer = await fetch(address, { ...options, headers: { ...options.headers, 'X-Roost-Part': 'panel', Accept: 'text/html' } })
  if (answer.status === 401) location.reload()
  return answer
}

function fill(dialog, html) {
  const fresh = new DOMParser().parseFromString(html, 'text/html')
  dialog.replaceChildren(...fresh.body.childNodes)
  const form = dialog.querySelector('form')
  prepare(form)
  form.addEventListener('submit', (event) => send(event, dialog, form))
  dialog.querySelector('[data-close]')?.addEventListener('click', () => dialog.close())
  dialog.setAttribute('aria-labelledby', 'create-title')
  const first = form.querySelector('[autofocus]') ?? form.elements.name
  first.focus()
  first.select?.()
}

async function send(event, dialog, form) {
  event.preventDefault()
  const button = form.querySelector('footer .button')
  button.disabled = true
  try {
    const body = new URLSearchParams(new FormData(form))
    const answer = await fetched(form.action, { method: 'POST', body, headers: { 'X-Roost-CSRF': csrf() } })
    if (answer.status === 201) return location.assign((await answer.json()).path)
    if (!answer.headers.get('content-type')?.startsWith('text/html')) {
      const { title, hint } = await answer.json()
      throw new Error([title, hint].filter(Boolean).join(' '))
    }
    fill(dialog, await answer.text())
  } catch (error) {
    fail(error)
  }
  button.disabled = false
}

export async function openPanel(address) {
  const answer = await fetched(address).catch(() => null)
  if (!answer?.ok) return location.assign(address)
  const dialog = element('dialog', { class: 'panel-dialog' })
  document.body.append(dialog)
  const before = document.activeElement
  dialog.addEventListener('close', () => { dialog.remove(); before?.focus?.() })
  dialog.addEventListener('click', ({ target }) => { if (target === dialog) dialog.close() })
  dialog.showModal()
  fill(dialog, await answer.text())
}

export function keepCreate() {
  for (const form of document.querySelectorAll('form[data-create]')) prepare(form)
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[data-panel]')
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return
    event.preventDefault()
    openPanel(link.href)
  })
}

// Keeps the page true: news come by one shared stream, the parts marked data-live are asked for again and merged.

import { morph } from './morph.js'
import { element, icon, say, setBar, usedOf } from './parts.js'
import { tellTimes } from './times.js'

const SOON_MS = 120
const CHARTS_MS = 4000
const WHOLE_MS = 15000
const LOST_MS = 1500
const listeners = new Set()
let waiting = null
let asked = 0

export const onRefresh = (listener) => listeners.add(listener)

export function refreshSoon() {
  waiting ??= setTimeout(() => { waiting = null; refresh() }, SOON_MS)
}

// The page at an address, or null where somebody has to sign in again (then the page is loaded anew).
export async function load(address, part = 'live') {
  const answer = await fetch(address, { headers: { 'X-Roost-Part': part, Accept: 'text/html' } })
  if (answer.status === 401) location.reload()
  if (!answer.ok) return { document: null, status: answer.status }
  return { document: new DOMParser().parseFromString(await answer.text(), 'text/html'), status: answer.status }
}

export async function refresh() {
  const mine = ++asked
  const found = await load(location.href).catch(() => null)
  if (!found || mine !== asked) return
  if (found.status === 404 && document.querySelector('.page-head')) return location.assign('/')
  if (found.document) merge(found.document)
}

// Take over the live parts; the whole content where the page now has other parts than before.
export function merge(fresh, whole = false) {
  const parts = (root) => [...root.querySelectorAll('[data-live]')]
  const names = (root) => parts(root).map((node) => node.dataset.live).join()
  if (whole || names(document) !== names(fresh)) {
    const [old, wanted] = [document, fresh].map((root) => root.getElementById('content'))
    if (old && wanted) morph(old, wanted)
  } else {
    for (const node of parts(fresh)) {
      const old = document.querySelector(`[data-live="${node.dataset.live}"]`)
      if (old) morph(old, node)
    }
  }
  tellTimes()
  announce()
  for (const listener of listeners) listener()
}

const told = new Map() // id -> the phase that was last said or seen

function announce() {
  for (const { dataset } of document.querySelectorAll('[data-workload]')) {
    const known = told.get(dataset.workload)
    if (known && known !== dataset.phase) say(`${dataset.name} is ${dataset.phase}.`)
    told.set(dataset.workload, dataset.phase)
  }
}

function showUse({ id, usage }) {
  if (!usage) return
  const share = usage.memory_limit_bytes ? (100 * usage.memory_bytes) / usage.memory_limit_bytes : 0
  for (const place of document.querySelectorAll(`[data-usage="${id}"]`)) {
    const words = place.querySelector('[data-usage-words]')
    if (words && usage.memory_limit_bytes) words.textContent = usedOf(usage.memory_bytes, usage.memory_limit_bytes)
    const bar = place.querySelector('.bar')
    if (bar) setBar(bar, Math.min(100, share).toFixed(1))
  }
}

let pill = null
let lost = null

function connected() {
  clearTimeout(lost)
  lost = null
  if (!pill) return
  pill.remove()
  pill = null
  refreshSoon()
}

function disconnected() {
  lost ??= setTimeout(() => {
    pill = element('div', { class: 'offline', role: 'status' }, icon('starting'), 'Connecting again …')
    document.body.append(pill)
  }, LOST_MS)
}

function hear({ event, data }) {
  if (event === 'open') connected()
  else if (event === 'lost') disconnected()
  else if (event === 'usage') showUse(data)
  else refreshSoon()
}

async function refreshCharts() {
  const place = document.querySelector('[data-charts]')
  const busy = document.querySelector('[data-live="head"]')?.dataset.phase
  if (!place || document.hidden || (busy !== 'running' && busy !== 'starting')) return
  const found = await load(place.dataset.charts).catch(() => null)
  if (!found?.document) return
  const wanted = document.createElement('div')
  wanted.append(...found.document.body.childNodes)
  for (const { name, value } of place.attributes) wanted.setAttribute(name, value)
  morph(place, wanted)
  tellTimes(place)
}

export function keepLive() {
  if (!document.querySelector('[data-live]')) return
  announce()
  const owner = new URLSearchParams(location.search).get('owner') ?? (location.pathname === '/machine' ? 'all' : '')
  const everybody = owner === 'all' && document.querySelector('[href="/people"]')
  const worker = new SharedWorker(new URL('stream-worker.js', import.meta.url), 'roost-stream')
  worker.port.onmessage = ({ data }) => hear(data)
  const enter = () => worker.port.postMessage({ enter: everybody ? 'all' : '' })
  const leave = () => worker.port.postMessage({ leave: true })
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return leave()
    enter()
    refreshSoon()
  })
  addEventListener('pagehide', leave)
  addEventListener('pageshow', ({ persisted }) => { if (persisted) { enter(); refreshSoon() } })
  if (!document.hidden) enter()
  setInterval(refreshCharts, CHARTS_MS)
  const every = document.querySelector('[data-live="machine"]') ? 3000 : WHOLE_MS
  setInterval(() => { if (!document.hidden) refreshSoon() }, every)
}

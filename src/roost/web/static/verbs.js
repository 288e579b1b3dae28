// Buttons that do something to a workload: at once, with undo where there is one. Without scripts they are forms.

import { refreshSoon } from './live.js'
import { ask, fail, toast } from './parts.js'

const LATER = 'roost-later' // a message for the next page

const undo = (path) => () => ask('POST', path, {}).then(refreshSoon, fail)

const verbs = {
  start: async (api, name) => { await ask('POST', `${api}/start`, {}); toast(`${name} is starting.`, { mark: 'play' }) },
  stop: async (api, name) => {
    await ask('POST', `${api}/stop`, {})
    toast(`${name} is stopping.`, { tone: 'stopped', mark: 'stop', undo: undo(`${api}/start`) })
  },
  restart: async (api, name) => { await ask('POST', `${api}/restart`, {}); toast(`${name} is starting again.`, { mark: 'restart' }) },
  extend: async (api, name) => { await ask('POST', `${api}/extend`, { hours: 2 }); toast(`${name} is kept for 2 h more.`, { mark: 'clock' }) },
  delete: async (api, name, page) => {
    await ask('DELETE', api)
    const message = { text: `${name} is in the bin.`, path: `${api}/restore` }
    if (location.pathname !== page) return inBin(message)
    sessionStorage.setItem(LATER, JSON.stringify(message))
    location.assign(page.replace(/\/[^/]*$/, ''))
  },
}

const inBin = ({ text, path }) => toast(text, { tone: 'stopped', mark: 'bin', undo: undo(path) })

export async function run(verb, api, name, page = '') {
  try {
    await verbs[verb](api, name, page)
    refreshSoon()
  } catch (error) {
    fail(error)
  }
}

async function submitted(event) {
  const form = event.target
  const { verb, name } = form.dataset
  if (form.dataset.scale) return scale(event, form)
  if (!verb || !verbs[verb]) return
  event.preventDefault()
  const button = form.querySelector('button')
  button.disabled = true
  form.closest('details.menu')?.removeAttribute('open')
  const page = new URL(form.action).pathname.replace(/\/[^/]*$/, '')
  await run(verb, `/api/v1${page}`, name, page)
  button.disabled = false
}

async function scale(event, form) {
  event.preventDefault()
  const workers = Number(form.elements.workers.value)
  try {
    await ask('POST', form.dataset.scale, { workers })
    toast(`${workers === 1 ? '1 worker' : `${workers} workers`} wanted.`, { mark: 'cluster' })
    refreshSoon()
  } catch (error) {
    fail(error)
  }
}

function stepped({ target }) {
  const button = target.closest('[data-step]')
  if (!button) return
  const input = button.closest('.stepper').querySelector('input')
  if (button.dataset.step > 0) input.stepUp()
  else input.stepDown()
}

export function keepVerbs() {
  document.addEventListener('submit', submitted)
  document.addEventListener('click', stepped)
  const later = sessionStorage.getItem(LATER)
  sessionStorage.removeItem(LATER)
  if (later) inBin(JSON.parse(later))
}

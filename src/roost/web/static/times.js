// Times in the reader's zone, kept up to date. Durations are said as `roost.web.words` and `format_duration` say them.

const server = document.querySelector('meta[name="now"]')?.content
const skew = server ? Date.parse(server) - Date.now() : 0
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

export const now = () => Date.now() + skew

export function duration(seconds) {
  if (seconds < 0) return '0 s'
  if (seconds < 10) return `${Math.floor(seconds * 10) / 10} s`
  if (seconds < 60) return `${Math.floor(seconds)} s`
  const units = [['d', 86400], ['h', 3600], ['min', 60]]
  const first = units.findIndex(([, scale]) => seconds >= scale)
  const [unit, scale] = units[first]
  const count = Math.floor(seconds / scale)
  const next = units[first + 1]
  const rest = next ? Math.floor((seconds % scale) / next[1]) : 0
  return rest ? `${count} ${unit} ${rest} ${next[0]}` : `${count} ${unit}`
}

const day = (at) => `${at.getDate()} ${months[at.getMonth()]} ${at.getFullYear()}`
const hours = (at) => `${String(at.getHours()).padStart(2, '0')}:${String(at.getMinutes()).padStart(2, '0')}`

function ago(at) {
  const seconds = (now() - at) / 1000
  if (seconds < 10) return 'just now'
  if (seconds >= 30 * 86400) return day(at)
  for (const [unit, scale] of [['d', 86400], ['h', 3600], ['min', 60]]) {
    if (seconds >= scale) return `${Math.floor(seconds / scale)} ${unit} ago`
  }
  return `${Math.floor(seconds)} s ago`
}

function clock(at) {
  const today = new Date(now())
  return at.toDateString() === today.toDateString() ? hours(at) : `${hours(at)} on ${at.getDate()} ${months[at.getMonth()]}`
}

const forms = {
  ago,
  clock,
  day,
  for: (at) => duration((now() - at) / 1000),
  until: (at) => duration((at - now()) / 1000),
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text
}

export function tellTimes(root = document) {
  for (const node of root.querySelectorAll('time[data-say]')) {
    const at = new Date(node.dateTime)
    write(node, forms[node.dataset.say](at))
    node.title = at.toLocaleString()
  }
  for (const node of root.querySelectorAll('[data-time]')) write(node, hours(new Date(node.dataset.time)))
}

export function keepTimes() {
  tellTimes()
  setInterval(() => { if (!document.hidden) tellTimes() }, 1000)
}

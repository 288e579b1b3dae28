// A log that follows what is printed, with a search.

const KEPT_CHARACTERS = 2_000_000
const AGAIN_MS = 2000

function trim(text) {
  if (text.length <= KEPT_CHARACTERS) return text
  return text.slice(text.indexOf('\n', text.length - KEPT_CHARACTERS) + 1)
}

async function follow(bar, lines, after) {
  const { log, part, index } = bar.dataset
  let offset = Number(bar.dataset.offset)
  let empty = offset === 0
  while (document.contains(bar)) {
    const address = `${log}?part=${part}&index=${index}&offset=${offset}&follow=1`
    const answer = await fetch(address).catch(() => null)
    const reader = answer?.ok ? answer.body.getReader() : null
    const decoder = new TextDecoder()
    while (reader) {
      const { done, value } = await reader.read().catch(() => ({ done: true }))
      if (done) break
      offset += value.length
      const text = decoder.decode(value, { stream: true })
      lines.textContent = trim((empty ? '' : lines.textContent) + text)
      empty = false
      after()
    }
    await new Promise((done) => setTimeout(done, AGAIN_MS))
  }
}

function find(lines, text, place) {
  const highlights = CSS.highlights
  highlights?.delete('found')
  if (!text || !lines.firstChild) { place.textContent = ''; return }
  const node = lines.firstChild
  const [all, wanted] = [node.data.toLowerCase(), text.toLowerCase()]
  const ranges = []
  for (let at = all.indexOf(wanted); at >= 0 && ranges.length < 1000; at = all.indexOf(wanted, at + wanted.length)) {
    const range = new Range()
    range.setStart(node, at)
    range.setEnd(node, at + wanted.length)
    ranges.push(range)
  }
  place.textContent = ranges.length ? `${ranges.length}${ranges.length === 1000 ? ' or more' : ''} found` : 'Not found'
  highlights?.set('found', new Highlight(...ranges))
  const last = ranges.at(-1)?.getBoundingClientRect()
  if (last) lines.scrollTop += last.top - lines.getBoundingClientRect().top - lines.clientHeight / 2
}

export function keepLogs() {
  const bar = document.querySelector('[data-log]')
  const lines = document.querySelector('[data-log-lines]')
  if (!bar || !lines) return
  lines.normalize()
  const button = bar.querySelector('[data-log-follow]')
  const search = bar.querySelector('[data-log-search]')
  const place = bar.querySelector('[data-log-found]')
  bar.querySelector('[data-needs-script]').hidden = false
  button.hidden = false
  const following = () => button.getAttribute('aria-pressed') === 'true'
  const toEnd = () => { if (following()) lines.scrollTop = lines.scrollHeight }
  button.addEventListener('click', () => { button.setAttribute('aria-pressed', String(!following())); toEnd() })
  search.addEventListener('input', () => { button.setAttribute('aria-pressed', String(!search.value)); find(lines, search.value, place) })
  toEnd()
  follow(bar, lines, toEnd)
}

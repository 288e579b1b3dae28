// One event stream for all tabs (a browser opens only six to a host): tabs come and go, the last one closes it.

const streams = new Map() // owner -> { source, ports, timer }
const EVENTS = ['workload', 'removed', 'usage', 'behind']
const AGAIN_MS = 2000

function open(owner, stream) {
  const source = new EventSource(`/api/v1/stream${owner ? `?owner=${encodeURIComponent(owner)}` : ''}`)
  stream.source = source
  const tell = (message) => { for (const port of stream.ports) port.postMessage(message) }
  source.onopen = () => tell({ event: 'open' })
  source.onerror = () => {
    tell({ event: 'lost' })
    if (source.readyState === EventSource.CLOSED && stream.ports.size) {
      stream.timer = setTimeout(() => { if (stream.ports.size) open(owner, stream) }, AGAIN_MS)
    }
  }
  for (const event of EVENTS) source.addEventListener(event, ({ data }) => tell({ event, data: JSON.parse(data) }))
}

function enter(port, owner) {
  leave(port)
  const stream = streams.get(owner) ?? { ports: new Set() }
  streams.set(owner, stream)
  stream.ports.add(port)
  if (stream.ports.size === 1) open(owner, stream)
  else if (stream.source.readyState === EventSource.OPEN) port.postMessage({ event: 'open' })
}

function leave(port) {
  for (const [owner, stream] of streams) {
    if (!stream.ports.delete(port) || stream.ports.size) continue
    clearTimeout(stream.timer)
    stream.source.close()
    streams.delete(owner)
  }
}

self.onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => (data.enter === undefined ? leave(port) : enter(port, data.enter))
}

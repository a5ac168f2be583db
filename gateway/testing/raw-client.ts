import { connect } from 'node:net'

/** A raw connection; `closed` resolves with all that came, once it is closed. */
export function raw(port: number) {
  let text = ''
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(text)))
  const until = async (end: string) => {
    while (!text.endsWith(end)) await new Promise((resolve) => socket.once('data', resolve))
    return text
  }
  return { socket, closed, until, received: () => text }
}

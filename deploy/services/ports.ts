// Free loopback ports for servers that must be told their port before they start and keep it over a restart.
import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'

// Below the ranges that Linux (32768) and macOS (49152) take outgoing connections' ports from, so that no client takes a stopped server's port.
const PORT_MIN = 20_000
const PORT_MAX = 32_000
const TRIES_MAX = 100

const isFree = (port: number): Promise<boolean> => new Promise((resolve) => {
  const probe = createServer().once('error', () => resolve(false))
  probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
})

/** A port that nobody listened on a moment ago. Another process may take it before the caller does: start again with another then. */
export const freePort = async (): Promise<number> => {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = randomInt(PORT_MIN, PORT_MAX)
    if (await isFree(port)) return port
  }
  throw new Error(`no free loopback port between ${PORT_MIN} and ${PORT_MAX} in ${TRIES_MAX} tries`)
}

/** Sends `request` on a new connection and answers with what came back once `enough` says so; undefined when refused, cut or silent for `timeoutMs`. */
export const ask = (port: number, request: Buffer, enough: (answer: Buffer) => boolean, timeoutMs = 1_000): Promise<Buffer | undefined> => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1')
  let answer = Buffer.alloc(0)
  const end = (value: Buffer | undefined): void => {
    socket.destroy()
    resolve(value)
  }
  socket.setTimeout(timeoutMs, () => end(undefined))
  socket.on('connect', () => socket.write(request))
  socket.on('error', () => end(undefined))
  socket.on('close', () => end(undefined))
  socket.on('data', (chunk) => {
    answer = Buffer.concat([answer, chunk])
    if (enough(answer)) end(answer)
  })
})

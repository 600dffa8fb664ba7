// A real toxiproxy: a program between two others that cuts, delays and swallows what they say, told so over HTTP.
import { ask, freePort } from './ports.ts'
import { serverFolder, startServer } from './server.ts'
import type { Server, ServerOptions } from './server.ts'
import { findToxiproxy } from './tools.ts'

export interface ToxiproxyServer extends Server {
  /** Of its HTTP interface: `http://127.0.0.1:<port>` */
  readonly url: string
}

const READY_MS_MAX = 15_000

const isReady = async (port: number): Promise<boolean> => {
  const answer = await ask(port, Buffer.from('GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n'), (bytes) => bytes.includes('\r\n'))
  return answer?.toString('latin1').startsWith('HTTP/1.1 200') ?? false
}

/** Starts one and waits until it serves. Throws when the program is missing: ask `findToxiproxy` first. */
export const startToxiproxy = async (options: ServerOptions = {}): Promise<ToxiproxyServer> => {
  const toxiproxy = findToxiproxy()
  if (!toxiproxy.found) throw new Error(toxiproxy.reason)
  const place = serverFolder('toxiproxy', options)
  const port = await freePort()
  const server = await startServer({
    name: 'toxiproxy', command: toxiproxy.path, args: ['-host', '127.0.0.1', '-port', String(port)], isReady: () => isReady(port), readyMsMax: READY_MS_MAX,
  }, place, options)
  return { ...server, url: `http://127.0.0.1:${port}` }
}

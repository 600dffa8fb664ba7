// For tests: as much of an S3 server as the store's own calls need, with faults that a real one does not show on demand.
import http from 'node:http'
import { once } from 'node:events'

export interface FakeFaults {
  /** A server without conditional writes. */
  ignoresConditions?: boolean
  /** `GET` answers with the object's first version. */
  readsOld?: boolean
  ignoresRanges?: boolean
  listsNothing?: boolean
  /** So many next puts are stored, and the connection is cut instead of an answer. */
  lostAnswers?: number
  /** So many next requests are answered with `failStatus`, nothing done. */
  failures?: number
  failStatus?: number
  /** What a refused conditional put is answered with. AWS: 409 when two of them race. */
  conflictStatus?: number
  /** Called when a conditional put is refused, before the answer. */
  onConflict?: (objects: Map<string, Buffer>) => void
  /** Half of every body, then the connection is cut. */
  tornReads?: number
}

export interface FakeS3 {
  readonly endpoint: string
  readonly faults: FakeFaults
  readonly objects: Map<string, Buffer>
  /** `PUT /bucket/key`, in order. */
  readonly requests: string[]
  openSockets(): Promise<number>
  close(): Promise<void>
}

const error = (response: http.ServerResponse, status: number, code: string): void => {
  response.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code><Message>fake ${code}</Message></Error>`)
}

export const startFakeS3 = async (faults: FakeFaults = {}): Promise<FakeS3> => {
  const objects = new Map<string, Buffer>()
  const firsts = new Map<string, Buffer>()
  const requests: string[] = []

  const put = (request: http.IncomingMessage, response: http.ServerResponse, key: string, body: Buffer): void => {
    if (request.headers['if-none-match'] === '*' && !faults.ignoresConditions && objects.has(key)) {
      faults.onConflict?.(objects)
      error(response, faults.conflictStatus ?? 412, faults.conflictStatus === 409 ? 'ConditionalRequestConflict' : 'PreconditionFailed')
      return
    }
    objects.set(key, body)
    if (!firsts.has(key)) firsts.set(key, body)
    if ((faults.lostAnswers ?? 0) > 0) {
      faults.lostAnswers = (faults.lostAnswers ?? 0) - 1
      request.socket.destroy()
    } else response.writeHead(200, { etag: '"e"' }).end()
  }

  const get = (request: http.IncomingMessage, response: http.ServerResponse, key: string): void => {
    const body = faults.readsOld ? firsts.get(key) : objects.get(key)
    if (!body) return error(response, 404, 'NoSuchKey')
    if ((faults.tornReads ?? 0) > 0) {
      faults.tornReads = (faults.tornReads ?? 0) - 1
      response.writeHead(200, { 'content-length': body.length })
      response.write(body.subarray(0, body.length >> 1), () => request.socket.destroy())
      return
    }
    const range = /bytes=(\d+)-(\d+)/.exec(faults.ignoresRanges ? '' : request.headers.range ?? '')
    if (range) response.writeHead(206).end(body.subarray(Number(range[1]), Number(range[2]) + 1))
    else response.writeHead(200, { 'content-length': body.length }).end(body)
  }

  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://fake')
    const key = url.pathname.split('/').slice(2).join('/')
    const chunks: Buffer[] = []
    requests.push(`${request.method} ${url.pathname}`)
    request.on('error', () => {}).on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      const body = Buffer.concat(chunks)
      if ((faults.failures ?? 0) > 0) {
        faults.failures = (faults.failures ?? 0) - 1
        return error(response, faults.failStatus ?? 503, 'SlowDown')
      }
      if (request.method === 'PUT') return put(request, response, key, body)
      if (url.searchParams.has('list-type')) {
        const found = faults.listsNothing ? [] : [...objects].filter(([name]) => name.startsWith(url.searchParams.get('prefix') ?? ''))
        const contents = found.map(([name, { length }]) => `<Contents><Key>${name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>${length}</Size></Contents>`)
        response.writeHead(200).end(`<ListBucketResult><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`)
        return
      }
      if (request.method === 'POST') {
        for (const [, name] of body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)) objects.delete(name ?? '')
        response.writeHead(200).end('<DeleteResult></DeleteResult>')
        return
      }
      get(request, response, key)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  return {
    endpoint: `http://127.0.0.1:${address.port}`, faults, objects, requests,
    openSockets: () => new Promise((resolve) => server.getConnections((_, count) => resolve(count))),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

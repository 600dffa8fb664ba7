// Whether a driver or an executor answers, as grpc.health.v1 says it: `node deploy/health.main.ts <host:port>` ends with 0 or 1. On Node alone, for it runs every few seconds.
import { connect } from 'node:http2'

const ANSWER_MS_MAX = 5_000
/** gRPC's frame: not compressed, four bytes of length, the message. A request for the whole server is empty. */
const REQUEST = Buffer.alloc(5)
/** Field 1, `status`: 1, SERVING. */
const SERVING = Buffer.from([0, 0, 0, 0, 2, 8, 1])

const end = (problem?: string): never => {
  if (problem !== undefined) console.error(problem)
  process.exit(problem === undefined ? 0 : 1)
}

const address = process.argv[2] ?? end('say which: health.main.ts <host:port>')
setTimeout(() => end(`${address} did not answer in ${ANSWER_MS_MAX} ms`), ANSWER_MS_MAX)
const session = connect(`http://${address}`)
const failed = ({ message }: Error): never => end(`${address} is not reached: ${message}`)
session.on('error', failed)
const pieces: Buffer[] = []
const call = session.request({ ':method': 'POST', ':path': '/grpc.health.v1.Health/Check', 'content-type': 'application/grpc', te: 'trailers' })
call.on('data', (piece: Buffer) => pieces.push(piece))
call.on('error', failed)
call.on('end', () => end(Buffer.concat(pieces).equals(SERVING) ? undefined : `${address} answers, but not that it is serving`))
call.end(REQUEST)

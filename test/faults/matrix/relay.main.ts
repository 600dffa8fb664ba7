// A relay between a machine and the servers on this one's loopback: `node relay.main.ts <host to listen on> <host to go on to> <port> …`, the same ports on both.
// An end and an error go on to the other side; a silence stays a silence.
import { createConnection, createServer } from 'node:net'
import type { Socket } from 'node:net'

const [listenOn = '', goOnTo = '', ...ports] = process.argv.slice(2)

const join = (from: Socket, to: Socket): void => {
  from.setNoDelay(true)
  from.pipe(to)
  from.on('error', () => to.resetAndDestroy())
}

await Promise.all(ports.map(Number).map((port) => new Promise<void>((resolve, reject) => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const onward = createConnection({ host: goOnTo, port, allowHalfOpen: true })
    join(socket, onward)
    join(onward, socket)
  })
  server.once('error', reject)
  server.listen(port, listenOn, resolve)
})))
process.stdout.write('listening\n')

// The servers for tests, tested: shared ones serve, private ones keep or lose what they should over a kill.
import { connect } from 'node:net'
import { once } from 'node:events'
import { afterEach, expect, test } from '@jest/globals'
import { isAlive } from '../../deploy/services/identity.ts'
import type { Server } from '../../deploy/services/server.ts'
import { describeWith, kafka, kcat, minio, redis, startKafka, startMinio, startRedis } from './index.ts'

const closing: Server[] = []
afterEach(async () => {
  for (const server of closing.splice(0)) await server.close()
})

const send = async (url: string, command: string): Promise<string> => {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(`${command}\r\n`)
  const [answer] = await once(socket, 'data') as [Buffer]
  socket.destroy()
  return answer.toString('utf8').trim()
}

describeWith(['kafka', 'kcat'], 'services: kafka', (server) => {
  test('shared, asked twice → the same brokers', async () => {
    expect(await kafka()).toEqual({ available: true, brokers: server('kafka').brokers })
  })

  test('shared, a topic that nobody created → is not created by asking for it', async () => {
    const listed = JSON.parse(await kcat(['-L', '-J', '-b', server('kafka').brokers])) as { brokers: unknown[] }
    expect(listed.brokers).toHaveLength(1)
    await expect(kcat(['-C', '-e', '-q', '-b', server('kafka').brokers, '-t', 'nobody-created-this'])).rejects.toThrow(/Unknown topic/)
  })

  test('private, killed and restarted → another process, same port, data kept', async () => {
    const own = await startKafka({ settings: { 'auto.create.topics.enable': 'true' } })
    closing.push(own)
    const before = own.identity()
    await kcat(['-P', '-b', own.brokers, '-t', 'kept', '-X', 'acks=all', '-l', import.meta.filename])
    const written = await kcat(['-C', '-e', '-q', '-b', own.brokers, '-t', 'kept'])
    expect(written).toContain('private, killed and restarted')
    await own.kill()
    expect(before && isAlive(before)).toBe(false)
    await own.restart()
    expect(own.identity()).not.toEqual(before)
    expect(await kcat(['-C', '-e', '-q', '-b', own.brokers, '-t', 'kept'])).toBe(written)
  }, 120_000)
})

describeWith(['minio'], 'services: minio', (server) => {
  test('shared, its bucket → is there, and not open to strangers', async () => {
    const { endpoint, bucket } = server('minio')
    expect((await minio()).available).toBe(true)
    expect((await fetch(`${endpoint}/${bucket}/`)).status).toBe(403)
    expect((await fetch(`${endpoint}/minio/health/ready`)).status).toBe(200)
  })

  test('private, stopped → refuses; restarted → serves on the same port', async () => {
    const own = await startMinio()
    closing.push(own)
    await own.stop()
    await expect(fetch(own.endpoint)).rejects.toThrow(/fetch failed/)
    await own.restart()
    expect((await fetch(`${own.endpoint}/minio/health/ready`)).status).toBe(200)
  }, 60_000)
})

describeWith(['redis'], 'services: redis', (server) => {
  test('shared → answers', async () => {
    expect(await redis()).toEqual({ available: true, url: server('redis').url })
    expect(await send(server('redis').url, 'PING')).toBe('+PONG')
  })

  test.each([['nothing', '$-1'], ['everything', '$4\r\nkept']] as const)('private, keeps %s, killed and restarted → GET answers %j', async (keeps, answer) => {
    const own = await startRedis({ keeps })
    closing.push(own)
    expect(await send(own.url, 'SET key kept')).toBe('+OK')
    await own.kill()
    await own.restart()
    expect(await send(own.url, 'GET key')).toBe(answer)
  })
})

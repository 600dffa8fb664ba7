// How Kafka and the object store are reached, as their servers see it: what the settings say is what the processes do.
import { afterEach, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { recorded } from '../services/run-folder.ts'

const MAIN = join(import.meta.dirname, '../../packages/cli/src/start.js')
/** First byte of a TLS handshake; a Kafka request begins with its length. */
const HANDSHAKE = 0x16

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** Keeps the beginning of the first connection, and hangs up. */
const listener = async (): Promise<{ readonly address: string, readonly said: Promise<Buffer> }> => {
  let server: Server | undefined
  const said = new Promise<Buffer>((resolve) => {
    server = createServer((socket) => socket.on('error', () => {}).once('data', (bytes) => {
      resolve(bytes)
      socket.destroy()
    })).listen(0, '127.0.0.1')
  })
  closing.push(() => server?.close())
  await once(server as Server, 'listening')
  return { address: `127.0.0.1:${((server as Server).address() as AddressInfo).port}`, said }
}

const run = (args: readonly string[], env: Readonly<Record<string, string>>): void => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-access-'))
  const child = recorded(spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, TIDEMARK_DIR: folder, ...env }, stdio: 'ignore' }))
  const ended = once(child, 'close')
  closing.push(async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  })
}

describe('access', () => {
  test.each([
    ['driver', ['driver', '--listen', '127.0.0.1:0']],
    ['a command', ['topics']],
  ])('access, %s with TIDEMARK_KAFKA_TLS → shakes hands with Kafka; without it does not', async (_, args) => {
    const [tls, clear] = [await listener(), await listener()]
    run(args, { TIDEMARK_KAFKA: tls.address, TIDEMARK_KAFKA_TLS: 'true' })
    expect((await tls.said)[0]).toBe(HANDSHAKE)
    run(args, { TIDEMARK_KAFKA: clear.address })
    expect((await clear.said)[0]).not.toBe(HANDSHAKE)
  }, 60_000)

  test('access, TIDEMARK_S3_REGION → requests to the object store are signed for it', async () => {
    const store = await listener()
    run(['doctor', '--driver', '127.0.0.1:9'], { TIDEMARK_S3_ENDPOINT: `http://${store.address}`, TIDEMARK_S3_ACCESS_KEY: 'key', TIDEMARK_S3_SECRET_KEY: 'word', TIDEMARK_S3_REGION: 'eu-central-1' })
    expect(String(await store.said)).toMatch(/^authorization: AWS4-HMAC-SHA256 Credential=key\/\d{8}\/eu-central-1\/s3\//mi)
  }, 60_000)
})

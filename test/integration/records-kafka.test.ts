// topics, write and read of the command line on real Kafka: what is aborted or open is never printed, and reading ends all the same.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { realClock, realRandom, silentLogger, transactionalId } from '@tidemark/base'
import type { Log } from '@tidemark/base'
import { openKafkaLog } from '@tidemark/log-kafka'
import { describeWith } from '../services/index.ts'

const MAIN = join(import.meta.dirname, '../../packages/cli/src/start.js')

describeWith(['kafka'], 'records on Kafka', (server) => {
  const topic = `cli-${realRandom.uuid()}`
  let log: Log
  beforeAll(() => {
    log = openKafkaLog({ brokers: server('kafka').brokers, clientId: 'test', clock: realClock, logger: silentLogger })
  })
  afterAll(async () => {
    await log.deleteTopics([topic])
    await log.close()
  })

  const cli = (args: readonly string[], input = ''): Promise<{ code: number | null, out: string, err: string }> => new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], { env: { ...process.env, TIDEMARK_KAFKA: String(server('kafka').brokers) } }, (_error, out, err) => resolve({ code: child.exitCode, out, err }))
    child.stdin?.end(input)
  })
  const append = async (name: string, value: string) => {
    const session = log.session(transactionalId(`${topic}-${name}`))
    await session.initialise()
    await session.append([{ topic, partition: 0, records: [{ key: null, value }] }])
    return session
  }

  test('records, committed, aborted and open ones → only the committed are printed, in order; read ends', async () => {
    expect(JSON.parse((await cli(['topics', 'create', topic, '--partitions', '1', '--config', 'retention.ms=-1', '--json'])).out)).toEqual({ topic, partitions: 1, created: true })
    expect(JSON.parse((await cli(['write', topic, '--key', 'user', '--timestamp', 'ts', '--json'], '{"user":"ann","ts":1700000000000}\n')).out)).toEqual({ topic, records: 1, partitions: [{ partition: 0, records: 1, firstOffset: 0 }] })
    const committed = await append('committed', '"committed"')
    await committed.commit()
    const aborted = await append('aborted', '"aborted"')
    await log.fence(aborted.transactionalId)
    const open = await append('open', '"open"')
    expect(await cli(['read', topic])).toEqual({ code: 0, out: '{"user":"ann","ts":1700000000000}\n"committed"\n', err: '' })
    await open.commit()
    const lines = (await cli(['read', topic, '--json'])).out.trim().split('\n').map((line) => JSON.parse(line) as { value: string })
    expect(lines.map(({ value }) => value)).toEqual(['{"user":"ann","ts":1700000000000}', '"committed"', '"open"'])
    expect(lines[0]).toEqual({ partition: 0, offset: 0, timestamp: 1_700_000_000_000, key: 'ann', value: '{"user":"ann","ts":1700000000000}' })
    const topics = JSON.parse((await cli(['topics', '--json'])).out) as { topic: string }[]
    expect(topics.find((one) => one.topic === topic)).toMatchObject({ partitions: 1, retentionMs: -1, compacted: false })
    await Promise.all([committed, aborted, open].map((session) => session.close()))
  }, 60_000)
})

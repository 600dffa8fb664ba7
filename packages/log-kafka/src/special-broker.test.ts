// What needs a broker set up for it: compaction that runs at once, passwords, verification switched off.
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { realClock } from '@tidemark/base'
import { describeWith, startKafka } from '../../../test/services/index.ts'
import { append, freePorts, openTestLog, readAll, settled, text } from './test-log.ts'
import type { TestLog } from './test-log.ts'

const CLEAN_MS_MAX = 60_000
/** How long the broker takes a connection's password for valid. */
const CREDENTIALS_MS = 1_000

describeWith(['kafka'], 'Kafka with settings of its own', () => {
  let server: Awaited<ReturnType<typeof startKafka>>
  let at: TestLog
  let passwordBrokers: string
  beforeAll(async () => {
    const [port, controllerPort, saslPort] = await freePorts(3)
    passwordBrokers = `127.0.0.1:${saslPort}`
    server = await startKafka({
      port: port!,
      settings: {
        'log.cleaner.backoff.ms': '100', 'log.initial.task.delay.ms': '100', 'transaction.partition.verification.enable': 'false',
        'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
        'listeners': `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort},PASSWORD://127.0.0.1:${saslPort}`,
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},PASSWORD://127.0.0.1:${saslPort}`,
        'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PASSWORD:SASL_PLAINTEXT',
        'listener.name.password.sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.password.plain.sasl.jaas.config': 'org.apache.kafka.common.security.plain.PlainLoginModule required user_tidemark="secret";',
        'listener.name.password.plain.connections.max.reauth.ms': String(CREDENTIALS_MS),
      },
    })
    at = openTestLog(server.brokers)
  }, 150_000)
  afterAll(async () => {
    await at.close()
    await server.close()
  })

  test('compacted topic: holes and emptied batches are passed, the position reaches the end, the last value of each key is read', async () => {
    const topic = await at.topic(1, { 'cleanup.policy': 'compact', 'segment.ms': '100', 'min.cleanable.dirty.ratio': '0.01', 'min.compaction.lag.ms': '0', 'delete.retention.ms': '0' })
    const rounds = 30
    for (let round = 0; round < rounds; round++) {
      // Each round is a batch of its own; those of the even rounds are overwritten entirely, those of the odd ones in part.
      await at.log.write([{ topic, partition: 0, records: Array.from({ length: 10 }, (_, index) => ({ key: round % 2 === 1 && index === 5 ? `kept ${round}` : `k${index}`, value: `${round}` })) }])
    }
    const end = await settled(at.log, topic)
    const deadline = realClock.monotonic() + CLEAN_MS_MAX
    for (;;) {
      await realClock.sleep(150)
      // Only a roll closes the segment, and only a write rolls it.
      await at.log.write([{ topic, partition: 0, records: [{ key: 'tick', value: 'tick' }] }])
      const records = (await readAll(at.log, topic)).filter(({ offset }) => offset < end)
      const kept = records.filter(({ key }) => String(key).startsWith('kept'))
      expect(kept).toHaveLength(rounds / 2)
      if (records.length < 40) break
      expect(realClock.monotonic()).toBeLessThan(deadline)
    }
    // From every offset, the removed ones too, a reader gets on to the end.
    const all = await readAll(at.log, topic)
    for (let offset = 0; offset < end; offset += 7) expect((await readAll(at.log, topic, { from: offset })).map((record) => record.offset)).toEqual(all.filter((record) => record.offset >= offset).map((record) => record.offset))
  }, 120_000)

  test('check: transaction.partition.verification.enable=false → refused by name', async () => {
    await expect(at.log.check()).rejects.toMatchObject({ code: 'LOG_UNSUPPORTED', message: expect.stringContaining('transaction.partition.verification.enable=false') })
  })

  test('passwords: the right one works, also when connections must be replaced because it has been valid long enough; a wrong one → LOG_NOT_AUTHORISED', async () => {
    const authorised = openTestLog(passwordBrokers, { sasl: { mechanism: 'plain', username: 'tidemark', password: 'secret' } })
    const topic = await authorised.topic()
    const session = await authorised.session()
    const reader = authorised.reader()
    const began = realClock.monotonic()
    let [offset, written] = [0, 0]
    while (realClock.monotonic() - began < CREDENTIALS_MS * 3) {
      await append(session, topic, String(written))
      await session.commit()
      const [fetched] = await reader.fetch([{ topic, partition: 0, offset, maxBytes: 1_000_000 }], { isolation: 'committed', maxWaitMs: 5_000 })
      offset = fetched?.nextOffset ?? offset
      written++
    }
    expect((await readAll(authorised.log, topic)).map(({ value }) => String(value))).toEqual(Array.from({ length: written }, (_, index) => String(index)))
    await authorised.close()
    const wrong = openTestLog(passwordBrokers, { sasl: { mechanism: 'plain', username: 'tidemark', password: 'guess' } })
    await expect(wrong.log.listTopics()).rejects.toMatchObject({ code: 'LOG_NOT_AUTHORISED' })
    await wrong.close()
  })

  test('broker killed and started again: a session says so and is dead, a reader goes on by itself', async () => {
    const topic = await at.topic()
    const session = await at.session()
    const reader = at.reader()
    await append(session, topic, 'before')
    await session.commit()
    await settled(at.log, topic)
    const [first] = await reader.fetch([{ topic, partition: 0, offset: 0, maxBytes: 1_000_000 }], { isolation: 'committed', maxWaitMs: 5_000 })
    await server.kill()
    await expect(append(session, topic, 'lost')).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
    await expect(append(session, topic, 'lost')).rejects.toMatchObject({ code: 'LOG_CLOSED' })
    const waiting = reader.fetch([{ topic, partition: 0, offset: first?.nextOffset ?? 0, maxBytes: 1_000_000 }], { isolation: 'committed', maxWaitMs: 5_000 }).catch(() => [])
    await server.restart()
    await waiting
    await at.log.fence(session.transactionalId)
    const again = await at.session()
    await again.append([{ topic, partition: 0, records: text('after') }])
    await again.commit()
    expect((await readAll(at.log, topic)).map(({ value }) => String(value))).toEqual(['before', 'after'])
    const [second] = await reader.fetch([{ topic, partition: 0, offset: first?.nextOffset ?? 0, maxBytes: 1_000_000 }], { isolation: 'committed', maxWaitMs: 5_000 })
    expect(second?.records.map(({ value }) => String(value))).toEqual(['after'])
  }, 120_000)
})

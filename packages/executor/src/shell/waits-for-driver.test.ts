// An executor that finds no driver at its start, on virtual time: it says so, and ends when that takes too long.
import { expect, test } from '@jest/globals'
import { executorId, silentLogger } from '@tidemark/base'
import { VirtualClock } from '@tidemark/testkit'
import type { DriverMessage, ErrorMessage } from '@tidemark/wire'
import { Executor } from './executor.ts'

const setUp = (driverWaitMs: number) => {
  const clock = new VirtualClock()
  const said: string[] = []
  const ends: (ErrorMessage | undefined)[] = []
  let asked = 0
  let answer: (message: DriverMessage) => void = () => {}
  let lose = (): void => {}
  const executor = new Executor({
    facts: { executor: executorId('e'), label: 'e', slots: 1, probeAddress: 'e:1', engineVersion: '0.1.0', pid: 1, pidStart: '1', slotStuckMs: 30_000, slotWorkStuckMs: 30_000 },
    drivers: ['a:1', 'b:1'], driverWaitMs, clock, logger: { ...silentLogger, warn: (_facts, event) => void said.push(event) },
    connect: (address) => {
      asked += 1
      return { peer: address, send: () => {}, close: () => {}, onMessage: (handler) => { answer = handler }, onClose: (handler) => { lose = () => handler({ goodbye: false, reason: 'gone' }) } }
    },
    slots: () => ({ start: () => {}, bind: () => {}, command: () => {}, kill: () => {} }),
    onExit: (unwanted) => void ends.push(unwanted),
  })
  executor.start()
  return { clock, said, ends, asked: () => asked, answer: (message: DriverMessage) => answer(message), lose: () => lose(), executor }
}

test('no driver answers → said every five seconds; at the limit it ends with what it looked for, and asks no more', async () => {
  const { clock, said, ends, asked } = setUp(12_000)
  await clock.advance(11_900)
  expect([said, ends]).toEqual([['executor.waits-for-driver', 'executor.waits-for-driver'], []])
  await clock.advance(200)
  expect(ends).toEqual([expect.objectContaining({ code: 'EXECUTOR_NO_DRIVER', message: 'no driver answered in 12000 ms: a:1, b:1' })])
  const before = asked()
  await clock.advance(60_000)
  expect([asked(), said.length]).toEqual([before, 2])
})

test('without a limit → it waits for ever, and says so', async () => {
  const { clock, said, ends } = setUp(0)
  await clock.advance(600_000)
  expect([said.length, ends]).toEqual([120, []])
})

test('a driver has answered once → it looks for the next one for ever', async () => {
  const { clock, said, ends, answer, lose, asked } = setUp(3_000)
  answer({ kind: 'registered', driver: 'd', epoch: 1, heartbeatIntervalMs: 250, heartbeatTimeoutMs: 2_000 })
  lose()
  await clock.advance(60_000)
  expect([said, ends]).toEqual([[], []])
  expect(asked()).toBeGreaterThan(10)
})

test('told to go while it waits → it goes, as any other', async () => {
  const { clock, ends, executor } = setUp(3_000)
  executor.drain()
  await clock.advance(60_000)
  expect(ends).toEqual([undefined])
})

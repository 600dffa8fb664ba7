// What the processes of a cluster on this machine would refuse, told before one is started.
import { expect, test } from '@jest/globals'
import { runDemo } from '../commands/demo.ts'
import { runDev } from '../commands/dev.ts'
import { exitCodeOf } from '../exit.ts'
import { testContext } from '../test-context.ts'
import { checkProcessSettings } from './local-cluster.ts'

const WRONG = { TIDEMARK_HEARTBEAT_TIMEOUT: 'soon', TIDEMARK_KAFKA: 'what such a cluster does not use' }

test.each([
  ['dev', () => runDev(testContext({ environment: WRONG }), [], { fresh: true, executors: 2, slots: 1 })],
  ['demo', () => runDemo(testContext({ environment: WRONG }), { seed: 1, seconds: 4, rate: 1, keep: false })],
] as const)('%s, a setting that a process of it would refuse → told once, before anything is started or deleted; exit code 2', async (_name, run) => {
  const error: unknown = await run().catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'SETTINGS_INVALID', details: { problems: [expect.stringMatching(/^TIDEMARK_HEARTBEAT_TIMEOUT = "soon"/)] } })
  expect(exitCodeOf(error)).toBe(2)
})

test('settings that its processes take, and wrong ones that they are not given → nothing is said', () => {
  expect(() => checkProcessSettings({ TIDEMARK_HEARTBEAT_TIMEOUT: '3s', TIDEMARK_KAFKA: '::', TIDEMARK_SLOT_HEAP: 'much' })).not.toThrow()
})

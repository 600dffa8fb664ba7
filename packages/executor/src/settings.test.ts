// Settings of an executor: what each mistake is called, word for word (__snapshots__); and the sum of memory that it starts with.
import { describe, expect, test } from '@jest/globals'
import { describeError, readSettings } from '@tidemark/base'
import { checkAcross, EXECUTOR_SETTINGS, slotMemoryBytes } from './settings.ts'
import { memorySum } from './shell/memory.ts'

type Environment = Readonly<Record<string, string>>
const read = (env: Environment) => readSettings(EXECUTOR_SETTINGS, {}, env, checkAcross)
const refusal = (env: Environment): string => {
  try {
    read(env)
  } catch (error) {
    return describeError(error)
  }
  throw new Error('it was taken')
}

const GIB = 1024 ** 3

const WRONG: readonly (readonly [string, Environment])[] = [
  ['no driver in the list', { TIDEMARK_DRIVER: 'driver-1:7400,,driver-2:7400' }],
  ['no slot', { TIDEMARK_SLOTS: '0' }],
  ['half a slot', { TIDEMARK_SLOTS: '1.5' }],
  ['a heap in another unit', { TIDEMARK_SLOT_HEAP: '2GiB' }],
  ['a heap too small for a process', { TIDEMARK_SLOT_HEAP: '32' }],
  ['killed before its heap is full', { TIDEMARK_SLOT_HEAP: '2048', TIDEMARK_SLOT_MEMORY: '1024' }],
  ['less memory than none', { TIDEMARK_SLOT_MEMORY: '-1' }],
  ['stuck at once', { TIDEMARK_SLOT_STUCK: '10ms' }],
  ['a probe host that is every address', { TIDEMARK_PROBE_HOST: '0.0.0.0' }],
  ['a probe host that is every address, in brackets', { TIDEMARK_PROBE_HOST: '[::]' }],
  ['a probe host with a port', { TIDEMARK_PROBE_HOST: 'host:7400' }],
  ['a probe port that is none', { TIDEMARK_PROBE_PORT: '70000' }],
]

describe('settings of an executor', () => {
  test('nothing given → the defaults fit each other', () => {
    expect(slotMemoryBytes(read({}))).toBe(3 * GIB)
  })

  test.each(WRONG)('wrong: %s → refused with its name, its value and the rule', (_, env) => {
    const said = refusal(env)
    for (const name of Object.keys(env)) expect(said).toContain(name)
    expect(said).toMatchSnapshot()
  })

  test('all of them that don\'t exclude each other → told at once', () => {
    expect(refusal(Object.assign({}, ...WRONG.map(([, env]) => env)) as Environment)).toMatchSnapshot()
  })

  test('memory → slots × (heap + native) as a sum, against what there is', () => {
    expect(memorySum(4, 2_048, 16 * GIB)).toEqual({ sum: '4 slots × (2.0 GiB heap + 320.0 MiB native) = 9.3 GiB of 16.0 GiB', fits: true })
    expect(memorySum(8, 2_048, 16 * GIB)).toEqual({ sum: '8 slots × (2.0 GiB heap + 320.0 MiB native) = 18.5 GiB of 16.0 GiB', fits: false })
  })
})

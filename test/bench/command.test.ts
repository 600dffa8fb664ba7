// The benchmarks' command: what it is told is refused or read as given, and its last line has the figures that its table is made of.
import { describe, expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readOptions } from '../../bench/options.ts'

const MAIN = fileURLToPath(new URL('../../bench/main.ts', import.meta.url))
const RUN_MS_MAX = 120_000

describe('benchmarks: the command line', () => {
  test('options, none but the workload → defaults, of each workload its own number of events', () => {
    expect(readOptions(['windowed'])).toMatchObject({ workload: 'windowed', log: 'kafka', json: false, slots: 1, events: 2_000_000, seed: 1 })
    expect(readOptions(['recovery'])).toMatchObject({ events: 500_000, kills: 10, rate: 5_000, how: 'kill' })
  })

  test('options, of "all" → its parts are told what they take, as it was given', () => {
    expect(readOptions(['all', '--runs', '3', '--log', 'local', '--kills', '2', '--json'])).toMatchObject({ runs: 3, json: true, passedOn: ['--log', 'local', '--kills', '2'] })
  })

  test.each([
    [[], 'say which workload'], [['sorting'], 'there is no workload "sorting"'], [['windowed', 'running'], 'there is no workload "windowed running"'],
    [['windowed', '--slots', '0'], '--slots wants a whole number of at least 1, not "0"'], [['windowed', '--log', 'pulsar'], '--log wants kafka or local, not "pulsar"'],
    [['recovery', '--how', 'ask'], '--how wants kill, drain or driver, not "ask"'],
  ])('options %j → refused: %s', (args, why) => {
    expect(() => readOptions(args)).toThrow(why)
  })

  test('a run on the embedded log → sentences for people, and one JSON line last: rates, CPU, memory, the raw client of the same run, nothing lost', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [MAIN, 'windowed', '--log', 'local', '--events', '20000'], { timeout: RUN_MS_MAX })
    const lines = stdout.trimEnd().split('\n')
    expect(lines.length).toBeGreaterThan(3)
    const line = JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>
    expect(line).toMatchObject({ workload: 'windowed', log: 'local', slots: 1, events: 20_000, lost: 0, doubled: 0, wrong: 0, brokerCpuSecondsPerMillion: null })
    for (const figure of ['eventsPerSecond', 'cpuSecondsPerMillion', 'rawEventsPerSecond', 'rawCpuSecondsPerMillion', 'ratio', 'rssMb', 'results']) expect([figure, Number(line[figure]) > 0]).toEqual([figure, true])
  }, RUN_MS_MAX)
})

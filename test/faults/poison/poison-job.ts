// A job whose user code does what a record tells it to: end its process in one of many ways, or nothing.
import { randomUUID } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '@tidemark/base'
import { generatedFolder } from '../../services/run-folder.ts'

/** What a record can do to the process that processes it. */
export const DEEDS = {
  'exits': 'process.exit(0)',
  'is killed': 'process.kill(process.pid, "SIGKILL")',
  'crashes in native code': 'process.abort()',
  'is hit by a SIGSEGV': 'process.kill(process.pid, "SIGSEGV"); for (;;) {}',
  'never returns': 'for (;;) {}',
  'fills its heap': 'const all: unknown[] = []; for (;;) all.push(new Array(1_000).fill(all.length))',
  'fills memory outside of its heap': 'const all: Buffer[] = []; for (;;) { all.push(Buffer.alloc(16 << 20, 1)); if (all.length % 8 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20) }',
  'leaks': 'leaked.push(Buffer.alloc(8 << 20, 1))',
  'leaves a promise that fails': 'void Promise.reject(new Error("nobody waits"))',
  'leaves a timer that throws': 'setTimeout(() => { throw new Error("later") }, 2_000)',
} as const

export type Deed = keyof typeof DEEDS

export interface PoisonRecord {
  readonly key: string
  readonly n: number
  readonly deed?: Deed
  /** Event time, ms. */
  readonly ts: number
}

export interface PoisonJob {
  readonly name: string
  readonly file: string
  readonly input: string
  readonly output: string
  readonly deadLetters: string
  createTopics(log: Log): Promise<void>
  remove(log: Log): Promise<void>
}

export interface PoisonJobOptions {
  /** Where the deed is done: before the shuffle, in the key's function, behind the shuffle, in a window's result, in a timer, in the codec of the input or of the output. */
  readonly place: 'source' | 'keyBy' | 'shuffle' | 'window' | 'timer' | 'decode' | 'encode'
  readonly onError?: 'dead-letter' | 'fail' | 'skip'
  readonly partitions?: number
}

const OPERATORS: Readonly<Record<PoisonJobOptions['place'], string>> = {
  source: `.map((event) => { act(event.deed); return event }).keyBy((event) => event.key, { copartitioned: true })
  .aggregate('totals', { count: count(), last: max((event) => event.n) }, { emit: 'updates' })`,
  keyBy: `.keyBy((event) => { act(event.deed); return event.key }).aggregate('totals', { count: count(), last: max((event) => event.n) }, { emit: 'updates' })`,
  decode: `.keyBy((event) => event.key, { copartitioned: true }).aggregate('totals', { count: count(), last: max((event) => event.n) }, { emit: 'updates' })`,
  encode: `.keyBy((event) => event.key, { copartitioned: true }).process('totals', {
    state: () => 0,
    onRecord(ctx, event) {
      ctx.state.set(ctx.state.get() + 1)
      ctx.emit({ key: ctx.key, count: ctx.state.get(), deed: event.deed })
    },
  })`,
  shuffle: `.keyBy((event) => event.key).process('totals', {
    state: () => 0,
    onRecord(ctx, event) {
      ctx.state.set(ctx.state.get() + 1)
      act(event.deed)
      ctx.emit({ key: ctx.key, count: ctx.state.get() })
    },
  })`,
  window: `.keyBy((event) => event.key, { copartitioned: true }).window(tumbling('1s'))
  .reduce('totals', (a, b) => ({ ...a, count: a.count + b.count, deed: a.deed ?? b.deed }))
  .map((window) => { act(window.value.deed); return { key: window.key, count: window.value.count } })`,
  timer: `.keyBy((event) => event.key, { copartitioned: true }).process('totals', {
    state: () => ({ count: 0, deed: undefined as string | undefined }),
    onRecord(ctx, event) {
      const state = ctx.state.get()
      ctx.state.set({ count: state.count + 1, deed: event.deed ?? state.deed })
      ctx.timers.set(event.ts + 100)
    },
    onTimer(ctx) {
      const { count, deed } = ctx.state.get()
      act(deed)
      ctx.emit({ key: ctx.key, count })
    },
  })`,
}

export const poisonJob = ({ place, onError = 'dead-letter', partitions = 2 }: PoisonJobOptions): PoisonJob => {
  const name = `poison-${randomUUID().slice(0, 8)}`
  const file = join(generatedFolder(), `${name}.ts`)
  const [input, output] = [`${name}.in`, `${name}.out`]
  writeFileSync(file, `
import { count, job, json, max, topic, topicSink, tumbling } from 'tidemark'
interface Event { readonly key: string, readonly n: number, readonly ts: number, readonly deed?: string, readonly count: number }
const leaked: Buffer[] = []
const act = (deed: string | undefined): void => {
  switch (deed) {
${Object.entries(DEEDS).map(([deed, code]) => `    case '${deed}': { ${code}; break }`).join('\n')}
    default:
  }
}
const acting = <T extends { readonly deed?: string }>() => ({
  encode: (value: T) => { act(value.deed); return JSON.stringify(value) },
  decode: (bytes: Buffer): T => { const value = JSON.parse(bytes.toString()) as T; act(value.deed); return value },
})
export default job('${name}', { version: '1', parallelism: ${partitions}, checkpointInterval: 1_000, onError: '${onError}' })
  .source('in', topic('${input}', { value: ${place === 'decode' ? 'acting<Event>()' : 'json<Event>()'}, timestamp: (event) => event.ts, outOfOrderness: 0, idleAfter: 500 }))
  ${OPERATORS[place]}
  .sink('out', topicSink('${output}', { value: ${place === 'encode' ? 'acting<{ readonly key: string, readonly count: number, readonly deed?: string }>()' : 'json()'} }))
void [count, max, tumbling, acting]
`)
  return {
    name, file, input, output, deadLetters: `${name}.dead-letters`,
    createTopics: (log) => log.createTopics([input, output].map((topicName) => ({ topic: topicName, partitions, config: { 'retention.ms': '-1' } }))),
    remove: async (log) => {
      rmSync(file, { force: true })
      const all = await log.listTopics()
      await log.deleteTopics(all.filter((one) => one.startsWith(`${name}.`) || one.startsWith(`tidemark.${name}.`)))
    },
  }
}
